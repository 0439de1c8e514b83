//! A connection for each request, over TCP or TLS, from a fixed number of visitors who come again as soon as they were
//! answered. TLS handshakes are full ones: nothing is resumed.
//!
//! Offers TLS 1.3 with AES-128-GCM and X25519 only, so that every server does the same work. Certificates are not
//! verified; they are made for the run. Prints one JSON object: visits, failures with the first one's text, seconds.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use peers_tools::{answer, cookies::Requests};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// One visit; longer is a failure.
const VISIT_MAX: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Arguments {
    /// The proxy
    #[arg(long)]
    address: SocketAddr,
    /// What is asked for
    #[arg(long, default_value = "/")]
    path: String,
    /// Handshake on each connection
    #[arg(long)]
    tls: bool,
    /// A file with a `Cookie` value on each line, sent in turn
    #[arg(long)]
    cookies: Option<PathBuf>,
    /// How many at once
    #[arg(long, default_value_t = 32)]
    visitors: usize,
    /// How long
    #[arg(long)]
    seconds: f64,
}

/// What all visitors share.
struct Visits {
    address: SocketAddr,
    connector: Option<TlsConnector>,
    requests: RefCell<Requests>,
    ends: Instant,
    done: Cell<u64>,
    failed: Cell<u64>,
    first_failure: RefCell<Option<String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let visits = Rc::new(Visits {
        address: arguments.address,
        connector: if arguments.tls {
            Some(connector()?)
        } else {
            None
        },
        requests: RefCell::new(Requests::read(
            arguments.cookies.as_deref(),
            "localhost",
            &arguments.path,
            "close",
        )?),
        ends: begun + Duration::try_from_secs_f64(arguments.seconds)?,
        done: Cell::new(0),
        failed: Cell::new(0),
        first_failure: RefCell::new(None),
    });
    LocalSet::new()
        .run_until(async {
            let visitors: Vec<_> = (0..arguments.visitors)
                .map(|_| tokio::task::spawn_local(come_again(Rc::clone(&visits))))
                .collect();
            for visitor in visitors {
                visitor.await?;
            }
            anyhow::Ok(())
        })
        .await?;
    println!(
        "{}",
        serde_json::json!({
            "requests": visits.done.get(),
            "errors": visits.failed.get(),
            "first_error": *visits.first_failure.borrow(),
            "seconds": begun.elapsed().as_secs_f64(),
        })
    );
    Ok(())
}

async fn come_again(visits: Rc<Visits>) {
    while Instant::now() < visits.ends {
        let visit = timeout(VISIT_MAX, visits.visit()).await;
        match visit.context("a visit without an answer").flatten() {
            Ok(()) => visits.done.set(visits.done.get() + 1),
            Err(error) => {
                visits.failed.set(visits.failed.get() + 1);
                visits
                    .first_failure
                    .borrow_mut()
                    .get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

impl Visits {
    async fn visit(&self) -> Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.connector {
            None => self.ask(stream).await,
            Some(connector) => {
                let name = ServerName::try_from("localhost")?;
                let stream = connector.connect(name, stream).await?;
                let tls = stream.get_ref().1;
                ensure!(
                    tls.handshake_kind() == Some(rustls::HandshakeKind::Full),
                    "a handshake that is not full: {:?}",
                    tls.handshake_kind()
                );
                self.ask(stream).await
            }
        }
    }

    /// Sends a request and reads until the proxy has closed, as it was asked to.
    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Result<()> {
        let request = self.requests.borrow_mut().draw().to_vec();
        stream.write_all(&request).await?;
        stream.flush().await?;
        let mut buffer = Vec::with_capacity(2 << 10);
        // TLS closed without a notice is the proxy's affair; the answer's length says whether it is whole.
        while let Ok(count) = stream.read_buf(&mut buffer).await
            && count > 0
        {}
        let answer = answer::parse(&buffer)?.context("closed before an answer")?;
        ensure!(answer.status == 200, "status {}", answer.status);
        ensure!(answer.length == buffer.len(), "an answer cut off");
        Ok(())
    }
}

fn connector() -> Result<TlsConnector> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![ring::kx_group::X25519];
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes whatever certificate there is, but checks that the server holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

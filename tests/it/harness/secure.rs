//! An endpoint behind TLS whose certificate a test may change, and who issues certificates.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid ones");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name` with its key, both as PEM.
    pub fn issue_pem(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.sign(name);
        (certificate.pem(), key.serialize_pem())
    }

    fn sign(&self, name: &str) -> (Certificate, KeyPair) {
        self.sign_until(name, None)
    }

    fn sign_until(&self, name: &str, last_year: Option<i32>) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        if let Some(year) = last_year {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate, key)
    }

    /// What a server with `name` shows.
    pub fn issue(&self, name: &str) -> Shown {
        Self::shown(self.sign(name))
    }

    /// The same, out of date for years.
    pub fn issue_expired(&self, name: &str) -> Shown {
        Self::shown(self.sign_until(name, Some(2001)))
    }

    fn shown((certificate, key): (Certificate, KeyPair)) -> Shown {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Shown(Arc::new(config.expect("chain and key belong together")))
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Shown(Arc<ServerConfig>);

/// A running endpoint, which answers one request on each connection; it ends when dropped.
pub struct Secure {
    pub address: SocketAddr,
    shown: Arc<Mutex<Shown>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Secure {
    pub fn start(shown: Shown) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is open");
        let shown = Arc::new(Mutex::new(shown));
        let current = Arc::clone(&shown);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, current) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            shown,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Shows this from the next connection on.
    pub fn show(&self, shown: Shown) {
        *self.shown.lock().expect("no panic") = shown;
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

async fn accept(listener: std::net::TcpListener, shown: Arc<Mutex<Shown>>) {
    let listener = TcpListener::from_std(listener).expect("it does not block");
    while let Ok((stream, _)) = listener.accept().await {
        let Shown(config) = shown.lock().expect("no panic").clone();
        tokio::spawn(async move {
            // Who does not like the certificate goes away.
            let _ = answer(TlsAcceptor::from(config), stream).await;
        });
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut tls = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await?);
    }
    tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsafe")
        .await?;
    tls.shutdown().await
}

//! TLS towards clients: ALPN, certificates by name, and the handshake's time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    measure::Rejection,
    plan::{CertificatePlan, Plan},
    proxy::{
        Setup, StartError,
        tests::{
            endpoint::http,
            http2,
            rig::{Rig, nobody, sides},
            talk::Talk,
        },
    },
    units::Weight,
};

/// Certificates in files, and whom to trust for them.
struct Certificates {
    dir: TempDir,
    plans: Vec<CertificatePlan>,
    roots: RootCertStore,
}

impl Certificates {
    fn make(names: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut plans = Vec::new();
        let mut roots = RootCertStore::empty();
        for name in names {
            let made = rcgen::generate_simple_self_signed([(*name).to_owned()]).unwrap();
            let plan = CertificatePlan {
                chain: dir.path().join(format!("{name}.pem")),
                key: dir.path().join(format!("{name}.key")),
            };
            std::fs::write(&plan.chain, made.cert.pem()).unwrap();
            std::fs::write(&plan.key, made.signing_key.serialize_pem()).unwrap();
            roots.add(made.cert.der().clone()).unwrap();
            plans.push(plan);
        }
        Self { dir, plans, roots }
    }

    async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let socket = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        connector.connect(name, socket).await
    }
}

async fn rig(certificates: &Certificates) -> Rig {
    let endpoints = sides(http("old").await, nobody().await);
    Rig::start(endpoints, Weight::NONE, |plan| {
        plan.listeners[0]
            .certificates
            .clone_from(&certificates.plans);
        plan.timeouts.tls_handshake = Duration::from_millis(500);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_decides_and_without_it_http1_is_spoken() {
    let certificates = Certificates::make(&["a.test"]);
    let rig = rig(&certificates).await;
    for alpn in [&["http/1.1"][..], &[]] {
        let io = certificates.connect(rig.address(), "a.test", alpn).await;
        let said = Talk::over(io.unwrap()).get("/").await;
        assert!(
            said.body.contains(r#""x-forwarded-proto": "https""#),
            "{said:?}"
        );
    }
    let io = certificates
        .connect(rig.address(), "a.test", &["h2", "http/1.1"])
        .await;
    let io = io.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (status, said) = http2::Client::over(io).await.get("/").await;
    assert_eq!(status, 200);
    assert!(said.contains(r#""x-forwarded-proto": "https""#), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_answer_ends_so_that_the_client_knows_it_whole() {
    let certificates = Certificates::make(&["a.test"]);
    let rig = rig(&certificates).await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n",
    ];
    for request in requests {
        let io = certificates.connect(rig.address(), "a.test", &[]).await;
        let mut io = io.unwrap();
        io.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // An end without `close_notify` is an error here.
        io.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_the_one_for_the_name_and_else_the_first() {
    let certificates = Certificates::make(&["a.test", "b.test"]);
    let rig = rig(&certificates).await;
    for name in ["a.test", "b.test"] {
        // The client verifies the name.
        let io = certificates.connect(rig.address(), name, &[]).await;
        assert_eq!(Talk::over(io.unwrap()).get("/").await.status(), 200);
    }
    let refused = certificates.connect(rig.address(), "c.test", &[]).await;
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("a.test"),
        "the first certificate was shown: {error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_or_takes_too_long_is_counted() {
    let certificates = Certificates::make(&["a.test"]);
    let mut rig = rig(&certificates).await;
    let mut silent = Talk::to(rig.address()).await;
    let mut plain = Talk::to(rig.address()).await;
    plain.say("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    plain.rest().await;
    assert_eq!(silent.rest().await, "");
    rig.until("both refusals", |it| {
        it.rejected[Rejection::TlsHandshake.index()] == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_is_named() {
    let certificates = Certificates::make(&["a.test", "b.test"]);
    let rig = rig(&certificates).await;
    let check = |plan: CertificatePlan, expected: &std::path::Path| {
        let setup = rig.shared.setups.load();
        let mut changed = Plan::clone(setup.plan());
        changed.listeners[0].certificates = vec![plan];
        let edition = setup.edition.next(Arc::new(changed)).unwrap();
        let loaded = Setup::load(edition, Arc::clone(&setup.board));
        let Err(StartError::Certificate { path, .. }) = loaded else {
            panic!("{expected:?} was used");
        };
        assert_eq!(path, expected);
    };
    let [a, b] = &certificates.plans[..] else {
        unreachable!()
    };
    let missing = certificates.dir.path().join("missing.pem");
    let changed = CertificatePlan {
        chain: missing.clone(),
        key: a.key.clone(),
    };
    check(changed, &missing);
    let changed = CertificatePlan {
        chain: a.key.clone(),
        key: a.key.clone(),
    };
    check(changed, &a.key);
    let changed = CertificatePlan {
        chain: a.chain.clone(),
        key: b.key.clone(),
    };
    check(changed, &b.key);
}

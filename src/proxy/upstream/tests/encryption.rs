//! TLS towards endpoints.

use std::{fs, path::PathBuf, sync::Arc};

use http::{Response, Version};
use http_body_util::Empty;
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::spawn_local};
use tokio_rustls::TlsAcceptor;

use crate::{
    plan::{EndpointPlan, Plan, Scheme, Verification},
    proxy::upstream::{
        ClientTls, ConnectError, DialError, TlsError, Want,
        testing::{World, endpoint, get, listen, local, plan, refusing, send},
    },
    units::Side,
};

/// A certificate authority, with a directory for its files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            directory: TempDir::new().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn certificate(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// What a test server asks of its clients.
#[derive(Clone, Copy, PartialEq)]
enum Clients {
    Anybody,
    WithCertificate,
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Serves HTTP with a certificate for `name`, offering `protocols`; an endpoint that leads there by address.
async fn serve(
    authority: &Authority,
    name: &str,
    protocols: &[&str],
    clients: Clients,
) -> EndpointPlan {
    let (certificate, key) = authority.issue(name);
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::WithCertificate => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let (listener, address) = listen().await;
    spawn_local(accept(listener, TlsAcceptor::from(Arc::new(config))));
    endpoint(Scheme::Https, address)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        spawn_local(async move {
            let Ok(tls) = acceptor.accept(socket).await else {
                return;
            };
            let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let answer = service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
            });
            let io = TokioIo::new(tls);
            if is_http2 {
                drop(
                    http2::Builder::new(Local)
                        .serve_connection(io, answer)
                        .await,
                );
            } else {
                drop(http1::Builder::new().serve_connection(io, answer).await);
            }
        });
    }
}

fn trusting(authority: &Authority, endpoint: EndpointPlan) -> Plan {
    let mut plan = plan(vec![], vec![endpoint]);
    plan.upstreams.new.tls.ca = Some(authority.certificate());
    plan
}

async fn version(world: &World, want: Want) -> Version {
    let lease = world.upstreams.lease(Side::New, want, None).await.unwrap();
    let version = lease.version();
    assert!(send(lease, get("/")).await.unwrap().status().is_success());
    version
}

async fn tls_error(plan: Plan) -> String {
    let lease = World::new(plan)
        .upstreams
        .lease(Side::New, Want::Any, None)
        .await;
    match lease {
        Err(ConnectError::Failed {
            source: DialError::Tls(error),
            ..
        }) => error.to_string(),
        other => panic!("the handshake fails: {other:?}"),
    }
}

#[tokio::test]
async fn the_endpoint_chooses_the_protocol_unless_http1_is_needed() {
    local(Box::pin(async {
        let authority = Authority::new();
        let both = serve(
            &authority,
            "127.0.0.1",
            &["h2", "http/1.1"],
            Clients::Anybody,
        )
        .await;
        let world = World::new(trusting(&authority, both));
        assert_eq!(version(&world, Want::Any).await, Version::HTTP_2);
        assert_eq!(version(&world, Want::Http1).await, Version::HTTP_11);
        assert_eq!(version(&world, Want::Any).await, Version::HTTP_2);

        let one = serve(&authority, "127.0.0.1", &["http/1.1"], Clients::Anybody).await;
        let world = World::new(trusting(&authority, one));
        assert_eq!(version(&world, Want::Any).await, Version::HTTP_11);

        let none = serve(&authority, "127.0.0.1", &[], Clients::Anybody).await;
        let world = World::new(trusting(&authority, none));
        assert_eq!(version(&world, Want::Any).await, Version::HTTP_11);
    }))
    .await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    local(Box::pin(async {
        let (authority, other) = (Authority::new(), Authority::new());
        let endpoint = serve(&other, "127.0.0.1", &["h2"], Clients::Anybody).await;
        let error = tls_error(trusting(&authority, endpoint)).await;
        assert!(
            error.contains("UnknownIssuer") || error.contains("BadSignature"),
            "{error}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_the_plan_names_it() {
    local(Box::pin(async {
        let authority = Authority::new();
        let endpoint = serve(&authority, "new.example", &["h2"], Clients::Anybody).await;
        let mut plan = trusting(&authority, endpoint);
        let error = tls_error(plan.clone()).await;
        assert!(error.contains("not valid for name"), "{error}");

        plan.upstreams.new.tls.server_name = Some("new.example".to_owned());
        assert_eq!(version(&World::new(plan), Want::Any).await, Version::HTTP_2);
    }))
    .await;
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    local(async {
        let authority = Authority::new();
        let endpoint = serve(&authority, "new.example", &["h2"], Clients::Anybody).await;
        let mut plan = plan(vec![], vec![endpoint]);
        plan.upstreams.new.tls.verification = Verification::Off;
        assert_eq!(version(&World::new(plan), Want::Any).await, Version::HTTP_2);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_asks_for_a_certificate_gets_ours() {
    local(Box::pin(async {
        let authority = Authority::new();
        let endpoint = serve(
            &authority,
            "127.0.0.1",
            &["http/1.1"],
            Clients::WithCertificate,
        )
        .await;
        let mut plan = trusting(&authority, endpoint);
        // TLS 1.3 tells a client only after the handshake that its certificate is missed.
        let world = World::new(plan.clone());
        let refused = match world.upstreams.lease(Side::New, Want::Any, None).await {
            Ok(lease) => send(lease, get("/")).await.is_err(),
            Err(_) => true,
        };
        assert!(refused, "without a certificate");

        let (certificate, key) = authority.issue("proxy.example");
        let chain = authority.file("client.pem", &certificate.pem());
        let key = authority.file("client.key", &key.serialize_pem());
        plan.upstreams.new.tls.client_certificate = Some((chain, key));
        assert_eq!(
            version(&World::new(plan), Want::Any).await,
            Version::HTTP_11
        );
    }))
    .await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let https = endpoint(Scheme::Https, refusing().await);
    let fault = |change: &dyn Fn(&mut Plan)| {
        let mut plan = trusting(&authority, https.clone());
        change(&mut plan);
        ClientTls::load(&plan).unwrap_err()
    };
    let (certificate, _) = authority.issue("proxy.example");
    let chain = authority.file("chain.pem", &certificate.pem());
    let empty = authority.file("empty.pem", "nothing in here\n");
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    let other_key = authority.file("other.key", &other_key);
    let missing = authority.directory.path().join("missing.pem");

    for path in [&missing, &empty] {
        let error = fault(&|it| it.upstreams.new.tls.ca = Some(path.clone()));
        assert!(matches!(&error, TlsError::File { path: it, .. } if it == path));
        assert!(
            error.to_string().contains("trusted roots of the new side"),
            "{error}"
        );
        let error = fault(&|it| {
            it.upstreams.new.tls.client_certificate = Some((chain.clone(), path.clone()));
        });
        assert!(matches!(&error, TlsError::File { path: it, .. } if it == path));
    }
    let error = fault(&|it| {
        it.upstreams.new.tls.client_certificate = Some((chain.clone(), other_key.clone()));
    });
    assert!(
        matches!(&error, TlsError::ClientCertificate { path, .. } if *path == chain),
        "{error:?}"
    );
    let error = fault(&|it| it.upstreams.new.tls.server_name = Some("no name".to_owned()));
    assert!(matches!(&error, TlsError::ServerName { name, .. } if name == "no name"));
}

#[tokio::test]
async fn nothing_is_read_for_a_side_without_https() {
    let mut plan = plan(vec![], vec![endpoint(Scheme::Http, refusing().await)]);
    plan.upstreams.new.tls.ca = Some(PathBuf::from("/nonexistent/ca.pem"));
    assert!(ClientTls::load(&plan).is_ok());
}

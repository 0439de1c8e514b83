//! TLS towards clients, and towards operators: certificates from PEM files, chosen by the name that the client asks for.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::{
    plan::{AdminTlsPlan, CertificatePlan, ListenerPlan},
    proxy::StartError,
};

/// The TLS settings of each listener, in order; `None` where it is plain.
pub(crate) fn load(
    listeners: &[ListenerPlan],
) -> Result<Vec<Option<Arc<ServerConfig>>>, StartError> {
    let provider = Arc::new(ring::default_provider());
    let load_one = |listener: &ListenerPlan| {
        if listener.certificates.is_empty() {
            return Ok(None);
        }
        let verifier = WebPkiClientVerifier::no_client_auth();
        let mut config = server_config(&listener.certificates, verifier, &provider)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    };
    listeners.iter().map(load_one).collect()
}

/// The TLS settings of the admin API: HTTP/1.1 only, and clients with a certificate only if the plan says so.
///
/// # Errors
/// When a file of the plan cannot be used.
pub(crate) fn admin_tls(plan: &AdminTlsPlan) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match &plan.client_ca {
        Some(path) => client_verifier(path, &provider)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = server_config(&plan.certificates, verifier, &provider)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Lets those through who show a certificate of these authorities.
fn client_verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let fault = |reason: String| StartError::Certificate {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let pem = fs::read(path).map_err(|it| fault(it.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|it| fault(it.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|it| fault(it.to_string()))?;
    }
    let built =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    built.map_err(|it| fault(it.to_string()))
}

fn server_config(
    certificates: &[CertificatePlan],
    verifier: Arc<dyn ClientCertVerifier>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, StartError> {
    let load_one = |plan: &CertificatePlan| Certificate::load(plan, provider);
    let certificates: Vec<Certificate> = certificates
        .iter()
        .map(load_one)
        .collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring's cipher suites cover TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(BySni(certificates)));
    // Tickets hold the session themselves, so that resuming one takes no cache that all workers would share.
    config.ticketer = ring::Ticketer::new().map_err(StartError::Tickets)?;
    Ok(config)
}

/// Chooses the first certificate that is valid for the client's name; without one, the first of all.
#[derive(Debug)]
struct BySni(Vec<Certificate>);

#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
    leaf: CertificateDer<'static>,
}

impl Certificate {
    fn load(plan: &CertificatePlan, provider: &CryptoProvider) -> Result<Self, StartError> {
        let fault = |path: &Path, reason: String| StartError::Certificate {
            path: path.to_owned(),
            reason,
        };
        let read = |path: &Path| fs::read(path).map_err(|it| fault(path, it.to_string()));
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&read(&plan.chain)?)
                .collect::<Result<_, _>>()
                .map_err(|it| fault(&plan.chain, it.to_string()))?;
        let Some(leaf) = chain.first().cloned() else {
            return Err(fault(&plan.chain, "it holds no certificate".to_owned()));
        };
        let key = PrivateKeyDer::from_pem_slice(&read(&plan.key)?)
            .map_err(|it| fault(&plan.key, it.to_string()))?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .map_err(|it| fault(&plan.key, it.to_string()))?;
        rustls::server::ParsedCertificate::try_from(&leaf)
            .map_err(|it| fault(&plan.chain, it.to_string()))?;
        Ok(Self {
            key: Arc::new(key),
            leaf,
        })
    }

    fn is_valid_for(&self, name: &str) -> bool {
        let Ok(name) = rustls::pki_types::ServerName::try_from(name) else {
            return false;
        };
        // Parsed once at load; parsing again here borrows from the leaf and costs less than the handshake's hash.
        rustls::server::ParsedCertificate::try_from(&self.leaf)
            .is_ok_and(|leaf| rustls::client::verify_server_name(&leaf, &name).is_ok())
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello
            .server_name()
            .and_then(|name| self.0.iter().find(|it| it.is_valid_for(name)));
        named
            .or_else(|| self.0.first())
            .map(|it| Arc::clone(&it.key))
    }
}

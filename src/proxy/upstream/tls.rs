//! TLS towards endpoints: whom we trust, who we say we are, and which protocols we offer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{
        CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, UnixTime, pem,
        pem::PemObject,
    },
    version::{TLS12, TLS13},
};
use thiserror::Error;
use tokio_rustls::TlsConnector;

use crate::{
    plan::{Plan, Scheme, UpstreamPlan, UpstreamTlsPlan, Verification},
    units::{PerSide, Side},
};

/// Why the TLS settings of a side cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM file cannot be read or holds no such thing.
    #[error("read {what} of the {side} side from {path}", path = path.display())]
    File {
        /// The side.
        side: Side,
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file of further roots holds no certificate, or one that cannot be a root.
    #[error("use the roots of the {side} side in {path}: {reason}", path = path.display())]
    Roots {
        /// The side.
        side: Side,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither the system nor the plan names anybody to trust.
    #[error(
        "find a trusted root for the {side} side: the system has none, and the plan names no file"
    )]
    NoRoots {
        /// The side.
        side: Side,
    },
    /// Chain and key of our own certificate do not go together.
    #[error("use the client certificate of the {side} side in {path}", path = path.display())]
    ClientCertificate {
        /// The side.
        side: Side,
        /// The file of the chain.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// A name that certificates cannot be issued for.
    #[error("verify the name {name:?} of the {side} side: it is neither a DNS name nor an address")]
    ServerName {
        /// The side.
        side: Side,
        /// The name.
        name: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
}

/// One side's TLS settings, loaded once for the whole process.
#[derive(Clone)]
pub struct ClientTls {
    /// By endpoint; `None` where it is not `https://`.
    names: Vec<Option<ServerName<'static>>>,
    connectors: Option<Connectors>,
}

#[derive(Clone)]
struct Connectors {
    any: TlsConnector,
    http1: TlsConnector,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientTls").field(&self.names).finish()
    }
}

impl ClientTls {
    /// Reads the certificates and keys of both sides; nothing is read for a side without `https://` endpoints.
    ///
    /// # Errors
    /// When a file cannot be used, a name cannot be verified, or nobody is trusted.
    pub fn load(plan: &Plan) -> Result<PerSide<Self>, TlsError> {
        Ok(PerSide {
            old: Self::load_side(Side::Old, &plan.upstreams.old)?,
            new: Self::load_side(Side::New, &plan.upstreams.new)?,
        })
    }

    /// The name and the connectors (any protocol, HTTP/1.1 only) of the endpoint at `index`, if it is `https://`.
    pub(crate) fn of(
        &self,
        index: u16,
    ) -> Option<(ServerName<'static>, TlsConnector, TlsConnector)> {
        let name = self.names.get(usize::from(index))?.clone()?;
        let Connectors { any, http1 } = self.connectors.clone()?;
        Some((name, any, http1))
    }

    fn load_side(side: Side, plan: &UpstreamPlan) -> Result<Self, TlsError> {
        let name_of = |host: &String| {
            let name = plan.tls.server_name.as_ref().unwrap_or(host);
            ServerName::try_from(name.clone()).map_err(|source| TlsError::ServerName {
                side,
                name: name.clone(),
                source,
            })
        };
        let mut names = Vec::with_capacity(plan.endpoints.len());
        for endpoint in &plan.endpoints {
            names.push(match endpoint.scheme {
                Scheme::Https => Some(name_of(&endpoint.host)?),
                Scheme::Http | Scheme::H2c => None,
            });
        }
        let connectors = if names.iter().any(Option::is_some) {
            Some(Connectors::load(side, &plan.tls)?)
        } else {
            None
        };
        Ok(Self { names, connectors })
    }
}

impl Connectors {
    fn load(side: Side, plan: &UpstreamTlsPlan) -> Result<Self, TlsError> {
        let mut http1 = client_config(side, plan)?;
        let mut any = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            any: TlsConnector::from(Arc::new(any)),
            http1: TlsConnector::from(Arc::new(http1)),
        })
    }
}

fn client_config(side: Side, plan: &UpstreamTlsPlan) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring's cipher suites cover TLS 1.2 and 1.3");
    let builder = match plan.verification {
        Verification::Full => builder.with_root_certificates(roots(side, plan.ca.as_deref())?),
        Verification::Off => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    let Some((chain_path, key_path)) = &plan.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(side, "the client certificate", chain_path)?;
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|source| TlsError::File {
        side,
        what: "the client certificate's key",
        path: key_path.clone(),
        source,
    })?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| TlsError::ClientCertificate {
            side,
            path: chain_path.clone(),
            source,
        })
}

fn roots(side: Side, ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Some systems carry roots that no longer parse; the others are trusted all the same, as browsers do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for certificate in certificates(side, "trusted roots", path)? {
            roots.add(certificate).map_err(|error| TlsError::Roots {
                side,
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots { side });
    }
    Ok(roots)
}

fn certificates(
    side: Side,
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |source| TlsError::File {
        side,
        what,
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(fault)?
        .collect::<Result<_, _>>()
        .map_err(fault)?;
    if found.is_empty() {
        return Err(fault(pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Takes any certificate, for `verify = false`. The handshake's signature is still checked, so that the endpoint at
/// least holds the key to the certificate that it shows.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

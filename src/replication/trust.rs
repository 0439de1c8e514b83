//! Whom we trust to be a database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use thiserror::Error;

/// Why nobody can be trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file of further roots cannot be used.
    #[error("use the trusted roots in {path}: {reason}", path = path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither the system nor the plan names anybody to trust.
    #[error("find a trusted root: the system has none, and the plan names no `ca`")]
    NoRoots,
}

/// TLS that verifies chain, name and expiry against the system's roots and those of `ca`.
pub(super) fn client_config(ca: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring's cipher suites cover TLS 1.2 and 1.3")
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(config)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // Some systems carry roots that no longer parse; the others are trusted all the same.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let fault = |reason: String| TrustError::Roots {
            path: path.to_owned(),
            reason,
        };
        let found = CertificateDer::pem_file_iter(path).map_err(|it| fault(it.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|it| fault(it.to_string()))?;
            let added = roots.add(certificate);
            added.map_err(|it| fault(it.to_string()))?;
        }
    }
    match roots.is_empty() {
        true => Err(TrustError::NoRoots),
        false => Ok(roots),
    }
}

//! TLS towards the admin API: whom we trust, and who we say we are.

use std::{fs, path::Path, sync::Arc};

use rustls::crypto::ring;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::cli::{arguments::Connect, exit::Failure};

/// The settings for `https://`, read from the files that the arguments name.
pub(super) fn settings(connect: &Connect) -> Result<TlsConfig, Failure> {
    let roots = match &connect.ca {
        Some(path) => certificates(path, "--ca")?,
        None => system_roots(),
    };
    if roots.is_empty() {
        return Err(Failure::Usage(
            "this machine trusts no authority: name the admin API's with --ca FILE".into(),
        ));
    }
    let ours = match (&connect.client_certificate, &connect.client_key) {
        (Some(chain), Some(key)) => Some(ClientCert::new_with_certs(
            &certificates(chain, "--client-certificate")?,
            private_key(key)?,
        )),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let text = "a client certificate needs both --client-certificate and --client-key";
            return Err(Failure::Usage(text.into()));
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(ours)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

/// The authorities of this machine; those that cannot be read are left out, as everywhere.
fn system_roots() -> Vec<Certificate<'static>> {
    let loaded = rustls_native_certs::load_native_certs();
    let owned = |der: &rustls_pki_types::CertificateDer<'_>| Certificate::from_der(der).to_owned();
    loaded.certs.iter().map(owned).collect()
}

/// Every certificate of a PEM file.
fn certificates(path: &Path, option: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let mut found = Vec::new();
    for item in parse_pem(&read(path, option)?) {
        if let Ok(PemItem::Certificate(certificate)) = item {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(Failure::Usage(format!(
            "{option}: found no certificate in {}; expected a PEM file",
            path.display()
        ))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, Failure> {
    let key = PrivateKey::from_pem(&read(path, "--client-key")?);
    key.map_err(|_fault| {
        Failure::Usage(format!(
            "--client-key: found no private key in {}; expected an unencrypted PEM file",
            path.display()
        ))
    })
}

fn read(path: &Path, option: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        Failure::Usage(format!("{option}: cannot read {}: {error}", path.display()))
    })
}

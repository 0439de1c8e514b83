//! Files that the configuration names: they must be there, readable, and hold what they are named for.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use toml::de::DeValue;

use crate::config::{
    fault::Complaint,
    reader::{Files, Value},
    scalar::quoted,
};

/// More than any certificate chain or secret takes.
const LONGEST: u64 = 1 << 20;

/// A secret of every kind: long enough, one line of ASCII, and Base64.
pub(super) const STAND_IN: &str = "c3RhbmRzLWluLWZvci13aGF0LWlzLW5vdC1rZXB0LWhlcmU=";

/// The path of a PEM file with at least one certificate.
pub(super) fn certificates(value: Value<'_>) -> Option<PathBuf> {
    let (path, bytes) = read(value)?;
    if value.surroundings().files == Files::StoodInFor {
        return Some(path);
    }
    let mut certificates = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        if certificate.is_err() {
            let found = format!("damaged PEM in {}", shown(&path));
            return value.fail(Complaint::new(found, "a PEM file with certificates"));
        }
        certificates += 1;
    }
    if certificates == 0 {
        let found = format!("no certificate in {}", shown(&path));
        return value.fail(Complaint::new(found, "a PEM file with certificates"));
    }
    Some(path)
}

/// The path of a PEM file with a private key.
pub(super) fn private_key(value: Value<'_>) -> Option<PathBuf> {
    let (path, bytes) = read(value)?;
    if value.surroundings().files == Files::StoodInFor {
        return Some(path);
    }
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(_) => Some(path),
        Err(_) => {
            let found = format!("no private key in {}", shown(&path));
            value.fail(Complaint::new(
                found,
                "a PEM file with an unencrypted private key",
            ))
        }
    }
}

/// The content of a file with a secret. Neither the content nor the path is ever shown: a path that names no
/// file may be the secret itself, put where its file belongs.
pub(super) fn secret(value: Value<'_>) -> Option<Vec<u8>> {
    let DeValue::String(text) = value.item() else {
        return value.fail(Complaint::new(
            value.kind(),
            "the path of a file with the secret",
        ));
    };
    match content(value, &value.surroundings().base_dir.join(text.as_ref())) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            let found = format!("a file that cannot be read ({why})");
            value.fail(Complaint::new(
                found,
                "the path of a readable file with the secret",
            ))
        }
    }
}

fn read(value: Value<'_>) -> Option<(PathBuf, Vec<u8>)> {
    let expected = "the path of a PEM file";
    let DeValue::String(text) = value.item() else {
        return value.fail(Complaint::new(value.kind(), expected));
    };
    if text.contains("-----BEGIN") {
        let complaint = Complaint::new("PEM text", expected);
        return value.fail(complaint.remedy("put it into a file and name that"));
    }
    let path = value.surroundings().base_dir.join(text.as_ref());
    match content(value, &path) {
        Ok(bytes) => Some((path, bytes)),
        Err(why) => {
            let found = format!("{}, which cannot be read ({why})", shown(&path));
            value.fail(Complaint::new(found, "the path of a readable PEM file"))
        }
    }
}

fn content(value: Value<'_>, path: &Path) -> Result<Vec<u8>, String> {
    if value.surroundings().files == Files::StoodInFor {
        return Ok(STAND_IN.into());
    }
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = read().map_err(|error: std::io::Error| error.kind().to_string())?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= LONGEST => Ok(bytes),
        _ => Err(String::from("larger than 1MiB")),
    }
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

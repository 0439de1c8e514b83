//! `[store]`: where the journal lives.

use std::path::PathBuf;

use crate::config::{
    defaults,
    fault::Complaint,
    reader::{Section, Shape, parsed},
    scalar::quoted,
};

/// The keys of `[store]`.
pub(super) const SHAPE: Shape = Shape {
    path: "store",
    keys: &["url"],
};

const URL: &str = "\"sqlite:PATH\"";

/// Reads `[store]`; a relative path starts from the file's own directory.
pub(super) fn read(root: &Section<'_>) -> PathBuf {
    let section = root.table("store", &SHAPE);
    let path = section.get("url", parsed(URL, path_of));
    let path = path.unwrap_or_else(|| PathBuf::from(defaults::STORE));
    root.base_dir().join(path)
}

fn path_of(url: &str) -> Result<PathBuf, Complaint> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path.is_empty() || path.ends_with('/') || path.contains('\0') {
            true => Err(Complaint::new(
                quoted(url),
                "a file's path after \"sqlite:\"",
            )),
            false => Ok(PathBuf::from(path)),
        };
    }
    // What follows the scheme may hold a password.
    match url.split_once(':') {
        Some((scheme @ ("postgres" | "postgresql"), _)) => {
            let found = format!("a \"{scheme}:\" URL");
            let complaint = Complaint::new(found, URL);
            Err(complaint.remedy("a store shared by a fleet is not available in this version"))
        }
        _ => {
            let complaint = Complaint::new("something that does not begin with \"sqlite:\"", URL);
            Err(complaint.remedy("such as \"sqlite:changeover.db\""))
        }
    }
}

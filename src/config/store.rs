//! `[store]`: where the journal lives, and how much is kept beside it of what decisions rested on.

use std::path::PathBuf;

use crate::config::{
    defaults,
    fault::Complaint,
    reader::{Section, Shape, parsed, size},
    scalar::quoted,
};

/// The keys of `[store]`.
pub(super) const SHAPE: Shape = Shape {
    path: "store",
    keys: &["url", "observations"],
};

const URL: &str = "\"sqlite:PATH\"";

/// More than weeks of much traffic take.
const OBSERVATIONS_MAX: u64 = 64 << 30;

/// What `[store]` says.
pub(super) struct StorePart {
    /// See [`Plan::store`](crate::plan::Plan::store).
    pub(super) path: PathBuf,
    /// See [`Plan::observations`](crate::plan::Plan::observations).
    pub(super) observations: usize,
}

/// Reads `[store]`; a relative path starts from the file's own directory.
pub(super) fn read(root: &Section<'_>) -> StorePart {
    let section = root.table("store", &SHAPE);
    let path = section.get("url", parsed(URL, path_of));
    let path = path.unwrap_or_else(|| PathBuf::from(defaults::STORE));
    let observations = section.get("observations", size(0..=OBSERVATIONS_MAX));
    StorePart {
        path: root.base_dir().join(path),
        observations: observations.unwrap_or(defaults::OBSERVATIONS),
    }
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

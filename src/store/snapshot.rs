//! What was observed, beside the journal: one row, replaced every second.

use serde::de::DeserializeOwned;

use crate::{cutover::Progress, evidence::Ledger};

/// What was observed. Each part may be lost: it is then observed again, which makes a ramp slower and never faster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// How far the step is; which entry that is about, it says itself.
    pub progress: Progress,
    /// What the sequential tests have gathered.
    pub ledger: Option<Ledger>,
}

impl Snapshot {
    /// Reads a row.
    pub(super) fn parse(progress: &str, evidence: Option<&str>) -> Option<Self> {
        Some(Self {
            progress: parsed("progress", progress)?,
            ledger: evidence.and_then(|text| parsed("evidence", text)).flatten(),
        })
    }
}

fn parsed<T: DeserializeOwned>(part: &str, text: &str) -> Option<T> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::warn!(%error, part, "the snapshot cannot be read"))
        .ok()
}

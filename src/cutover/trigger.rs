//! What a trigger says now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one trigger says; `reading` and `limit` are in the trigger's unit: a ratio, seconds, or a count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerReading {
    /// The trigger's name.
    pub name: String,
    /// What is measured, as in the configuration.
    pub kind: String,
    /// New's reading; absent without samples.
    pub reading: Option<f64>,
    /// The limit; absent where it is relative and old has no reading.
    pub limit: Option<f64>,
    /// Old's reading over the same window.
    pub old: Option<f64>,
    /// Samples on new in the window.
    pub requests: u64,
    /// What it says.
    pub verdict: Verdict,
    /// For a breach: when the run of bad samples began, before now.
    pub run: Option<Duration>,
}

/// What a trigger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the limit.
    Clear,
    /// Above the limit.
    Breach,
    /// Too few samples to say: holds, never trips.
    Unknown,
}

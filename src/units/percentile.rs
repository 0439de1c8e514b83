//! The percentiles that readings, windows and status speak of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Share;

/// A percentile of a latency distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Percentile {
    /// The median.
    P50,
    /// 90 %.
    P90,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
}

impl Percentile {
    /// All of them, lowest first.
    pub const ALL: [Self; 5] = [Self::P50, Self::P90, Self::P95, Self::P99, Self::P999];

    /// The share of samples at or below the percentile.
    #[must_use]
    pub const fn share(self) -> Share {
        let parts = match self {
            Self::P50 => 500_000,
            Self::P90 => 900_000,
            Self::P95 => 950_000,
            Self::P99 => 990_000,
            Self::P999 => 999_000,
        };
        match Share::from_parts_per_million(parts) {
            Some(share) => share,
            None => Share::WHOLE,
        }
    }

    /// The share of samples that may lie above a limit on this percentile: 1 % for p99.
    #[must_use]
    pub const fn tail(self) -> Share {
        let parts = Share::WHOLE.parts_per_million() - self.share().parts_per_million();
        match Share::from_parts_per_million(parts) {
            Some(share) => share,
            None => Share::WHOLE,
        }
    }

    /// `"p50"` … `"p999"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
        }
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! A fault that is injected on purpose between the proxy and new, to see the way back work.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::{Share, Weight};

/// The most weight at which a fault is injected: more of the customers take no part in a drill.
pub const DRILL_WEIGHT_MAX: Weight = match Weight::from_basis_points(1_000) {
    Some(weight) => weight,
    None => Weight::NONE,
};

/// How long a fault is injected at most until something has to trip.
pub const DRILL_SPAN_MAX: Duration = Duration::from_secs(60);

/// What a drill does to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// The fault.
    pub fault: DrillFault,
    /// The share of the safe requests drawn for new that it is injected into.
    pub share: Share,
}

/// A fault of new that a drill plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "micros")]
pub enum DrillFault {
    /// New is not asked, and counts as having answered with an error.
    Errors,
    /// New is not asked, and counts as having refused the connection.
    Refused,
    /// New is asked so many microseconds later, which count as its latency.
    Latency(u32),
}

impl DrillFault {
    /// The longest latency that a drill adds: who waits are customers.
    pub const LATENCY_MAX: Duration = Duration::from_secs(5);

    /// The latency, which is at most [`DrillFault::LATENCY_MAX`].
    #[must_use]
    pub fn latency(span: Duration) -> Self {
        let micros = span.min(Self::LATENCY_MAX).as_micros();
        Self::Latency(u32::try_from(micros).unwrap_or(u32::MAX))
    }

    /// The fault in a word, as commands and documents have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Refused => "refused",
            Self::Latency(_) => "latency",
        }
    }
}

impl fmt::Display for DrillFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors | Self::Refused => f.write_str(self.as_str()),
            Self::Latency(micros) => write!(f, "latency of {} ms more", f64::from(*micros) / 1e3),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} into {} of the requests", self.fault, self.share)
    }
}

//! The number of a split table in force.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Numbers each published split table; within one journal it only rises.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The generation before anything was published.
    pub const ZERO: Self = Self(0);

    /// Wraps a number read from the journal.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The generation after this one. Saturates, which at one change a nanosecond takes 584 years.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number, for display and storage.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

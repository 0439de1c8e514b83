//! Which way changes of data are carried.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Side;

/// Which way changes of data are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From old to new.
    Forward,
    /// From new back to old.
    Reverse,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Reverse];

    /// The side that changes come from.
    #[must_use]
    pub const fn source(self) -> Side {
        match self {
            Self::Forward => Side::Old,
            Self::Reverse => Side::New,
        }
    }

    /// The side that they go to.
    #[must_use]
    pub const fn target(self) -> Side {
        match self {
            Self::Forward => Side::New,
            Self::Reverse => Side::Old,
        }
    }

    /// Its name in configuration, status and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

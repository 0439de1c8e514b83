//! Shares and factors that decide: integers, compared without rounding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share of a whole in parts per million: 2 % is 20,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u32);

impl Share {
    /// The whole.
    pub const WHOLE: Self = Self(1_000_000);

    /// A share in parts per million, or `None` above the whole.
    #[must_use]
    pub const fn from_parts_per_million(parts: u32) -> Option<Self> {
        if parts <= Self::WHOLE.0 {
            Some(Self(parts))
        } else {
            None
        }
    }

    /// The share in parts per million.
    #[must_use]
    pub const fn parts_per_million(self) -> u32 {
        self.0
    }

    /// Whether `part` of `whole` is strictly more than this share. `0` of `0` is not.
    #[must_use]
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Self::WHOLE.0) > u128::from(self.0) * u128::from(whole)
    }

    /// The share as a ratio, for display.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exact: a float would show 7 % as 7.000000000000001 %.
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        let text = match part {
            0 => format!("{whole}%"),
            _ => format!("{}%", format!("{whole}.{part:04}").trim_end_matches('0')),
        };
        f.pad(&text)
    }
}

/// A factor in thousandths: 1.5 times is 1,500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Factor(u32);

impl Factor {
    /// A factor in thousandths.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// The factor in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// The factor as a ratio, for display.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.ratio())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_shares_exactly() {
        let check = |parts, expected: &str| {
            let share = Share::from_parts_per_million(parts).expect("within the whole");
            assert_eq!(share.to_string(), expected);
        };
        check(0, "0%");
        check(70_000, "7%");
        check(25_000, "2.5%");
        check(1, "0.0001%");
        check(1_000_000, "100%");
    }
}

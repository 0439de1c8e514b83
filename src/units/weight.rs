//! The share of traffic that the new side gets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::units::{SLOTS, Slot};

/// Share of traffic for the new side, in basis points (`0..=10_000`); old gets the rest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Weight(u16);

impl Weight {
    /// Nothing goes to new.
    pub const NONE: Self = Self(0);
    /// Everything goes to new.
    pub const FULL: Self = Self(SLOTS);

    /// A weight in basis points, or `None` above 10,000.
    #[must_use]
    pub const fn from_basis_points(points: u16) -> Option<Self> {
        if points <= SLOTS {
            Some(Self(points))
        } else {
            None
        }
    }

    /// The weight in basis points.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// The weight in percent, for display.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// The weight as a ratio, `0.0..=1.0`: how likely a request that is drawn goes to new.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(SLOTS)
    }

    /// Whether a client in `slot` belongs to new at this weight. Monotone: a higher weight keeps everybody.
    #[must_use]
    pub const fn includes(self, slot: Slot) -> bool {
        slot.number() < self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        let text = match part {
            0 => format!("{whole}%"),
            _ if part % 10 == 0 => format!("{whole}.{}%", part / 10),
            _ => format!("{whole}.{part:02}%"),
        };
        f.pad(&text)
    }
}

/// Why a text is no weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseWeightError {
    /// Not a decimal number with an optional `%`.
    #[error("not a percentage such as \"2.5%\"")]
    Malformed,
    /// More than two decimals, finer than a basis point.
    #[error("finer than a basis point (0.01%)")]
    TooFine,
    /// Above 100 %.
    #[error("more than 100%")]
    TooLarge,
}

/// Reads `"5"`, `"5%"`, `"2.5%"` or `"0.01%"` exactly, without floats.
impl FromStr for Weight {
    type Err = ParseWeightError;

    fn from_str(text: &str) -> Result<Self, ParseWeightError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err(ParseWeightError::Malformed);
        }
        let part = part.trim_end_matches('0');
        if part.len() > 2 {
            return Err(ParseWeightError::TooFine);
        }
        let points = format!("{whole}{part:0<2}");
        let points: u16 = points
            .parse()
            .map_err(|_overflow| ParseWeightError::TooLarge)?;
        Self::from_basis_points(points).ok_or(ParseWeightError::TooLarge)
    }
}

impl TryFrom<u16> for Weight {
    type Error = ParseWeightError;

    fn try_from(points: u16) -> Result<Self, ParseWeightError> {
        Self::from_basis_points(points).ok_or(ParseWeightError::TooLarge)
    }
}

impl From<Weight> for u16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percentages_exactly() {
        let check = |text: &str, expected: Result<u16, ParseWeightError>| {
            assert_eq!(
                text.parse().map(Weight::basis_points),
                expected,
                "from {text:?}"
            );
        };
        check("5", Ok(500));
        check("5%", Ok(500));
        check("2.5%", Ok(250));
        check("0.01%", Ok(1));
        check("100.00%", Ok(10_000));
        check("100.01%", Err(ParseWeightError::TooLarge));
        check("99999999%", Err(ParseWeightError::TooLarge));
        check("0.001%", Err(ParseWeightError::TooFine));
        check("-1", Err(ParseWeightError::Malformed));
        check("", Err(ParseWeightError::Malformed));
        check("1.%", Err(ParseWeightError::Malformed));
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["0%", "1%", "2.5%", "0.01%", "33.33%", "100%"] {
            assert_eq!(
                text.parse::<Weight>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
    }
}

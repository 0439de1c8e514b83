//! How numbers are kept in a snapshot: bit for bit, so that a restart in the middle gives the same tick.

use serde::{Deserialize, Serialize};

/// A float that is stored as its bits: JSON has no minus infinity, and its parsers may be off by the last digit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub(super) struct Exact(pub(super) f64);

impl Exact {
    /// Nothing.
    pub(super) const ZERO: Self = Self(0.0);

    /// The logarithm of nothing.
    pub(super) const LN_ZERO: Self = Self(f64::NEG_INFINITY);
}

impl From<u64> for Exact {
    fn from(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

impl From<Exact> for u64 {
    fn from(number: Exact) -> Self {
        number.0.to_bits()
    }
}

/// Arrays of any length, as lists.
pub(super) mod array {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(in crate::evidence) fn serialize<T: Serialize, S: Serializer, const N: usize>(
        array: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(array)
    }

    pub(in crate::evidence) fn deserialize<'de, T, D, const N: usize>(
        deserializer: D,
    ) -> Result<[T; N], D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let list: Vec<T> = Vec::deserialize(deserializer)?;
        let length = list.len();
        list.try_into()
            .map_err(|_list| D::Error::invalid_length(length, &"another number of elements"))
    }
}

/// ln(e^a + e^b), without leaving the logarithms.
pub(super) fn ln_sum(a: f64, b: f64) -> f64 {
    let (least, most) = (a.min(b), a.max(b));
    if least == f64::NEG_INFINITY {
        return most;
    }
    most + (least - most).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "bit for bit is meant")]

    use super::*;

    #[test]
    fn sums_of_logarithms_neither_overflow_nor_lose_what_is_nothing() {
        let check = |a: f64, b: f64, expected: f64| {
            let found = ln_sum(a, b);
            let is_near = (found - expected).abs() < 1e-12 || found == expected;
            assert!(is_near, "{a} and {b}: {found}");
        };
        check(2.0_f64.ln(), 3.0_f64.ln(), 5.0_f64.ln());
        check(f64::NEG_INFINITY, 3.0, 3.0);
        check(3.0, f64::NEG_INFINITY, 3.0);
        check(f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        check(5_000.0, 5_000.0, 5_000.0 + 2.0_f64.ln());
        check(5_000.0, 1.0, 5_000.0);
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        for number in [0.1, -1.0 / 3.0, f64::NEG_INFINITY, 5e-324, 1e300] {
            let text = serde_json::to_string(&Exact(number)).expect("it is a number");
            let back: Exact = serde_json::from_str(&text).expect("it is a number");
            assert_eq!(back.0.to_bits(), number.to_bits());
        }
    }
}

//! Latencies on a logarithmic scale, in integers: the same on every machine, and in whatever order they are added.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Parts of an octave.
const UNITS: u32 = 4_096;

/// One unit as a natural logarithm.
pub(super) const UNIT: f64 = std::f64::consts::LN_2 / 4_096.0;

/// Units of one bin: eight bins an octave, 9 % each.
const BIN: u32 = UNITS / 8;

/// As many bins as there are up to the longest latency that is told apart.
pub(in crate::evidence) const BINS: usize = 256;

/// How many latencies there were, and the sum of their logarithms in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::evidence) struct Spread {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Spread {
    pub(super) const fn add(&mut self, units: u32) {
        self.count += 1;
        self.sum += units as u64;
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
        }
    }

    pub(super) const fn less(self, other: Self) -> Self {
        Self {
            count: self.count - other.count,
            sum: self.sum - other.sum,
        }
    }

    pub(in crate::evidence) const fn count(self) -> u64 {
        self.count
    }

    /// The mean of the natural logarithms of so many microseconds; not of none.
    pub(super) fn mean(self) -> f64 {
        self.sum as f64 / self.count as f64 * UNIT
    }

    /// The geometric mean; `None` without latencies.
    pub(in crate::evidence) fn typical(self) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        Duration::try_from_secs_f64(self.mean().exp() / 1e6).ok()
    }
}

/// The binary logarithm of a latency's microseconds, in units; one below a microsecond counts as that.
pub(super) fn units(latency: Duration) -> u32 {
    let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    let whole = micros.max(1).ilog2();
    // The mantissa with 31 binary places; each squaring gives the next place of the logarithm.
    let mut mantissa = u64::from(micros.max(1)) << (31 - whole);
    let mut units = whole;
    for _ in 0..UNITS.ilog2() {
        mantissa = (mantissa * mantissa) >> 31;
        let is_two = mantissa >> 32;
        mantissa >>= is_two;
        units = units << 1 | u32::from(is_two == 1);
    }
    units
}

/// A latency's bin.
pub(in crate::evidence) fn bin_of(latency: Duration) -> usize {
    usize::try_from(units(latency) / BIN).map_or(BINS - 1, |it| it.min(BINS - 1))
}

/// The least latency of a bin; `None` beyond the last one.
pub(in crate::evidence) fn least_of_bin(bin: usize) -> Option<Duration> {
    let bin = u8::try_from(bin)
        .ok()
        .filter(|it| usize::from(*it) < BINS)?;
    // Up to the next whole one: what is shorter by a part of a microsecond was counted as the whole below.
    let micros = (f64::from(bin) / f64::from(UNITS / BIN)).exp2().ceil();
    Some(Duration::from_secs_f64(micros / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_is_exact_to_its_unit() {
        for micros in [1_u32, 2, 3, 999, 1_000, 50_000, 75_000, 3_600_000_000] {
            let found = f64::from(units(Duration::from_micros(u64::from(micros))));
            let exact = f64::from(micros).log2() * 4_096.0;
            assert!(
                (exact - 1.0..=exact + 0.001).contains(&found),
                "{micros}: {found}, {exact}"
            );
        }
        assert_eq!(units(Duration::ZERO), 0);
        assert_eq!(bin_of(Duration::MAX), BINS - 1);
    }

    #[test]
    fn bins_rise_with_latency_and_are_a_twelfth_wide() {
        let of = |micros| bin_of(Duration::from_micros(micros));
        assert!((1..5_000).all(|micros| of(micros) <= of(micros + 1)));
        assert_eq!(of(100_000) - of(50_000), 8);
        assert!((4..=5).contains(&(of(75_000) - of(50_000))));
    }

    #[test]
    fn a_bin_begins_with_its_least_latency() {
        // From a millisecond to an hour; below, a bin has few whole microseconds.
        for bin in 80..250 {
            let least = least_of_bin(bin).expect("it is one");
            assert_eq!(bin_of(least.mul_f64(1.001)), bin, "{least:?}");
            assert_eq!(bin_of(least.mul_f64(0.999)), bin - 1, "{least:?}");
        }
        assert_eq!(least_of_bin(BINS), None);
    }

    #[test]
    fn the_typical_latency_is_the_geometric_mean() {
        let mut spread = Spread::default();
        assert_eq!(spread.typical(), None);
        spread.add(units(Duration::from_millis(10)));
        spread.add(units(Duration::from_millis(1_000)));
        let typical = spread.typical().expect("there are two").as_secs_f64();
        assert!((typical - 0.1).abs() < 1e-4, "{typical}");
    }
}

//! Spans of time in a histogram.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;

use crate::units::Percentile;

/// The longest latency that is told apart; longer ones count as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(3600);

const LATENCY_MAX_MICROS: u64 = 3_600_000_000;

/// Spans from 1 µs to 1 h with three significant digits.
///
/// It grows with the longest one that it has seen: 16 KiB up to 2 ms, 88 KiB up to 1 s, 184 KiB at most. Whoever keeps
/// some bounds their number.
#[derive(Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are valid"))
    }
}

impl Latencies {
    /// Adds `count` spans.
    pub fn add(&mut self, span: Duration, count: u64) {
        self.add_micros(micros(span), count);
    }

    /// Adds `count` spans that [`micros`] has limited.
    pub(super) fn add_micros(&mut self, micros: u64, count: u64) {
        self.0
            .record_n(micros, count)
            .expect("it grows up to LATENCY_MAX");
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("it grows up to LATENCY_MAX, and none holds more");
    }

    /// Takes away all of another's, which were added before.
    ///
    /// # Panics
    /// If they were not: the counts would be false from then on.
    pub fn subtract(&mut self, other: &Self) {
        self.0
            .subtract(&other.0)
            .expect("what is taken away was added before");
    }

    /// Empties it.
    pub fn clear(&mut self) {
        if !self.0.is_empty() {
            self.0.reset();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// A percentile; zero without any.
    #[must_use]
    pub fn percentile(&self, percentile: Percentile) -> Duration {
        if self.0.is_empty() {
            return Duration::ZERO;
        }
        Duration::from_micros(self.0.value_at_quantile(percentile.share().ratio()))
    }

    /// How many are above `limit`, to the histogram's resolution: those that differ from `limit` in the first three
    /// significant digits. One equal to the limit is not above it.
    #[must_use]
    pub fn above(&self, limit: Duration) -> u64 {
        let covered = self.0.count_between(0, micros(limit));
        self.0.len().saturating_sub(covered)
    }

    /// The least span, in microseconds, that the histogram does not tell from this one.
    pub(super) fn resolved(&self, span: Duration) -> u64 {
        self.0.lowest_equivalent(micros(span))
    }
}

/// The summary, in place of thousands of counts.
impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("count", &self.count())
            .field("p50", &self.percentile(Percentile::P50))
            .field("p99", &self.percentile(Percentile::P99))
            .finish_non_exhaustive()
    }
}

/// A span in microseconds, [`LATENCY_MAX`] at most.
pub(super) fn micros(span: Duration) -> u64 {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    micros.min(LATENCY_MAX_MICROS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(spans: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for micros in spans {
            latencies.add(Duration::from_micros(*micros), 1);
        }
        latencies
    }

    fn recorded(latencies: &Latencies) -> Vec<(u64, u64)> {
        let all = latencies.0.iter_recorded();
        all.map(|it| (it.value_iterated_to(), it.count_at_value()))
            .collect()
    }

    fn span() -> impl Strategy<Value = u64> {
        // Every order of magnitude is as likely as any other, beyond the longest one included.
        let bits = 0_u32..34;
        (bits, any::<u64>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)))
    }

    #[test]
    fn one_equal_to_the_limit_is_not_above_it() {
        let latencies = of(&[799, 800, 801]);
        assert_eq!(latencies.above(Duration::from_micros(800)), 1);
        assert_eq!(latencies.above(Duration::from_micros(801)), 0);
        assert_eq!(latencies.above(Duration::ZERO), 3);
    }

    #[test]
    fn one_beyond_the_longest_counts_as_the_longest() {
        let latencies = of(&[u64::MAX, 3_600_000_000]);
        assert_eq!(latencies.above(Duration::from_secs(3_590)), 2);
        assert_eq!(latencies.above(LATENCY_MAX), 0);
        assert_eq!(latencies.above(Duration::MAX), 0);
    }

    #[test]
    fn percentiles_are_zero_without_samples_and_right_to_three_digits() {
        assert_eq!(
            Latencies::default().percentile(Percentile::P99),
            Duration::ZERO
        );
        let spans: Vec<u64> = (1..=1000).map(|it| it * 1000).collect();
        let latencies = of(&spans);
        for (percentile, expected) in [
            (Percentile::P50, 500_000.0),
            (Percentile::P99, 990_000.0),
            (Percentile::P999, 999_000.0),
        ] {
            let found = latencies.percentile(percentile).as_secs_f64() * 1e6;
            assert!(
                (found / expected - 1.0).abs() < 0.001,
                "{percentile}: {found}"
            );
        }
    }

    proptest! {
        #[test]
        fn above_is_exact_but_for_the_limits_own_bucket(
            spans in prop::collection::vec(span(), 0..200),
            limit in span(),
        ) {
            let latencies = of(&spans);
            let clamped = limit.min(LATENCY_MAX_MICROS);
            let resolved = |micros| latencies.resolved(Duration::from_micros(micros));
            let above = |it: &&u64| (**it).min(LATENCY_MAX_MICROS) > clamped;
            let told_apart = |it: &&u64| resolved(**it) != resolved(limit);
            let expected = spans.iter().filter(above).filter(told_apart).count();
            prop_assert_eq!(latencies.above(Duration::from_micros(limit)), expected as u64);
            // Three significant digits: a bucket is no wider than a thousandth of what lies in it.
            prop_assert!((clamped - resolved(limit)) * 1000 <= clamped);
        }

        #[test]
        fn what_was_added_can_be_taken_away(
            kept in prop::collection::vec(span(), 0..50),
            gone in prop::collection::vec(span(), 0..50),
        ) {
            let mut latencies = of(&kept);
            latencies.merge(&of(&gone));
            prop_assert_eq!(latencies.count(), (kept.len() + gone.len()) as u64);
            latencies.subtract(&of(&gone));
            prop_assert_eq!(recorded(&latencies), recorded(&of(&kept)));
            prop_assert_eq!(latencies.count(), kept.len() as u64);
        }
    }
}

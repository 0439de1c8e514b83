//! Durations counted into a few fixed buckets: what Prometheus gets, for each route and endpoint.

use std::time::Duration;

/// Counts of durations by upper bound; 120 bytes, whatever it has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Counts by bucket, not cumulative; the last one is beyond every bound.
    counts: [u64; Self::BOUNDS.len() + 1],
    sum_micros: u64,
}

impl Buckets {
    /// The upper bounds, each of which belongs to its bucket: 1 ms to 10 s, and none for the rest.
    pub const BOUNDS: [Duration; 13] = [
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < duration);
        self.counts[bucket] += 1;
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    /// All that were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros)
    }

    /// For each bound, how many were at most as long.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self::BOUNDS.into_iter().zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut buckets = Buckets::default();
        for micros in [0, 1_000, 1_001, 10_000_000, 10_000_001] {
            buckets.add(Duration::from_micros(micros));
        }
        let cumulative: Vec<u64> = buckets.cumulative().map(|it| it.1).collect();
        assert_eq!(cumulative, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(buckets.count(), 5);
        assert_eq!(buckets.sum(), Duration::from_micros(20_002_002));
    }

    #[test]
    fn bounds_rise() {
        assert!(Buckets::BOUNDS.is_sorted());
        assert_eq!(size_of::<Buckets>(), 120);
    }
}

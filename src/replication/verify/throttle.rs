//! How long to wait so that no more than so many rows a second are read. Pure: takes the time.

use std::time::{Duration, Instant};

/// Rows per second, and when the next may be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    per_second: u64,
    free_at: Instant,
}

impl Throttle {
    /// Ranges are small enough that several fit into a second, and never larger than this: each is one statement.
    const RANGE_MOST: u64 = 10_000;
    const RANGES_PER_SECOND: u64 = 10;

    pub(super) const fn new(per_second: u64, now: Instant) -> Self {
        Self {
            per_second,
            free_at: now,
        }
    }

    /// How many rows a range holds.
    pub(super) fn range_rows(&self) -> u64 {
        (self.per_second / Self::RANGES_PER_SECOND).clamp(1, Self::RANGE_MOST)
    }

    /// Takes note of rows that were read, and says how long to wait before the next.
    ///
    /// Time that was not used is gone: a slow range is not made up for by a burst.
    pub(super) fn read(&mut self, rows: u64, began: Instant, now: Instant) -> Duration {
        let takes = Duration::from_secs_f64(rows as f64 / self.per_second.max(1) as f64);
        let start = self.free_at.max(began);
        self.free_at = start.checked_add(takes).unwrap_or(start);
        self.free_at.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rows_are_spread_over_their_time() {
        let start = crate::clock::now();
        let mut throttle = Throttle::new(1000, start);
        assert_eq!(throttle.range_rows(), 100);
        assert_eq!(throttle.read(1000, start, start), SECOND);
        // Read in no time, once it was allowed.
        let later = start + SECOND;
        assert_eq!(throttle.read(500, later, later), SECOND / 2);
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let start = crate::clock::now();
        let mut throttle = Throttle::new(1000, start);
        let later = start + SECOND * 60;
        assert_eq!(throttle.read(1000, later, later), SECOND);
    }

    #[test]
    fn what_took_long_enough_is_not_delayed_further() {
        let start = crate::clock::now();
        let mut throttle = Throttle::new(1000, start);
        assert_eq!(throttle.read(100, start, start + SECOND), Duration::ZERO);
    }

    #[test]
    fn ranges_are_neither_empty_nor_huge() {
        let start = crate::clock::now();
        assert_eq!(Throttle::new(1, start).range_rows(), 1);
        assert_eq!(Throttle::new(10_000_000, start).range_rows(), 10_000);
    }
}

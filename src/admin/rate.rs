//! How often something may happen: so many at once, and one more each interval.
//!
//! Pure: the time is an argument. A bucket is one instant, the one at which it will be full again.

use std::time::{Duration, Instant};

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// From one to the next, in the long run.
    pub(crate) interval: Duration,
    /// At once, after a rest.
    pub(crate) burst: u32,
}

impl Rate {
    /// `count` a second, and those of `seconds` at once.
    pub(crate) fn per_second(count: u32, seconds: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / count.max(1),
            burst: count.max(1).saturating_mul(seconds),
        }
    }
}

/// What somebody has left of a [`Rate`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let has_one = self.has_one(rate, now);
        if has_one {
            self.full_at = self.full_at.max(now) + rate.interval;
        }
        has_one
    }

    /// Whether there is one to take.
    pub(crate) fn has_one(self, rate: Rate, now: Instant) -> bool {
        let missing = self.full_at.saturating_duration_since(now);
        missing <= rate.interval * rate.burst.saturating_sub(1)
    }

    /// Whether nothing is missing.
    pub(crate) fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_burst_is_followed_by_one_each_interval() {
        let rate = Rate::per_second(10, 2);
        let start = clock::now();
        let mut bucket = Bucket::full(start);
        let taken = |bucket: &mut Bucket, now, tries| {
            let tries = (0..tries).filter(|_| bucket.take(rate, now));
            tries.count()
        };
        assert_eq!(taken(&mut bucket, start, 50), 20);
        let millis = Duration::from_millis;
        assert_eq!(taken(&mut bucket, start + millis(99), 5), 0);
        assert_eq!(taken(&mut bucket, start + millis(100), 5), 1);
        assert_eq!(taken(&mut bucket, start + millis(450), 5), 3);
        assert!(!bucket.is_full(start + millis(2399)));
        // However long the rest, there is never more than the burst.
        assert!(bucket.is_full(start + millis(2400)));
        assert_eq!(taken(&mut bucket, start + millis(60_000), 50), 20);
    }
}

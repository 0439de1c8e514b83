//! How long the last answers took.

use std::time::Duration;

/// Answers that are looked at: some minutes of a busy route, and a kilobyte of memory for each of two thousand.
const KEPT: usize = 128;

/// Fewer say nothing of the slowest tenth.
const LEAST: usize = 50;

/// The latencies of the last copies to one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    micros: Vec<u32>,
    next: usize,
}

impl Recent {
    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < KEPT {
            self.micros.push(micros);
        } else {
            self.micros[self.next] = micros;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// The latency that this many of a hundred stayed within; `None` where there are none.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        // Rounded to the nearest one.
        let found = sorted.get((last * percent + 50) / 100)?;
        Some(Duration::from_micros(u64::from(*found)))
    }

    /// What nine of ten stayed within; `None` where too few are known.
    pub(super) fn usual(&self) -> Option<Duration> {
        let is_known = self.micros.len() >= LEAST;
        self.percentile(90).filter(|_| is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_count() {
        let mut recent = Recent::default();
        assert_eq!(recent.percentile(50), None);
        (0..LEAST as u64 - 1).for_each(|_| recent.add(Duration::from_millis(1)));
        assert_eq!(recent.usual(), None);
        (0..KEPT as u64).for_each(|it| recent.add(Duration::from_millis(it)));
        assert_eq!(recent.percentile(0), Some(Duration::ZERO));
        assert_eq!(recent.usual(), Some(Duration::from_millis(114)));
        assert_eq!(recent.percentile(100), Some(Duration::from_millis(127)));
    }
}

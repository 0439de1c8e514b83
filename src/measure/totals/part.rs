//! The counts of one route on one side, or of one endpoint: coarser than a side's, and of fixed size.

use crate::measure::{Buckets, Class, Finished, tally};

/// Counts of a part of a side's requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartTotals {
    /// Outcomes by [`Class::index`].
    pub classes: [u64; Class::ALL.len()],
    /// From the request head's arrival to the end.
    pub durations: Buckets,
    /// Latencies to the response head.
    pub heads: Buckets,
    /// Request body bytes.
    pub bytes_up: u64,
    /// Response body bytes.
    pub bytes_down: u64,
}

impl PartTotals {
    /// Finished requests, as [`crate::measure::Tally::requests`] counts them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        tally::requests(&self.classes)
    }

    /// Errors of the side among them.
    #[must_use]
    pub fn errors(&self) -> u64 {
        tally::errors(&self.classes)
    }

    /// Outcomes of one class.
    #[must_use]
    pub const fn count(&self, class: Class) -> u64 {
        self.classes[class.index()]
    }

    pub(super) fn add(&mut self, finished: &Finished) {
        self.classes[finished.class.index()] += 1;
        self.durations.add(finished.duration);
        self.bytes_up += finished.bytes_up;
        self.bytes_down += finished.bytes_down;
    }
}

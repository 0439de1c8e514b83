//! What the log says of an endpoint that cannot be connected to: that it begins, why, and that it is over; and how often
//! anything is told of one.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// From one that is told to the next: an endpoint that takes every other connect must not fill a disk.
const PAUSE: Duration = Duration::from_secs(10);

/// When something was told last.
#[derive(Debug, Default)]
pub(crate) struct Pause(Cell<Option<Instant>>);

impl Pause {
    /// Whether it may be told again, which begins another pause.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < PAUSE;
        if self.0.get().is_some_and(is_recent) {
            return false;
        }
        self.0.set(Some(now));
        true
    }
}

/// Whether connecting to one endpoint works, as far as the log has said.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    is_told: Cell<bool>,
    told: Pause,
}

impl Outage {
    /// A connect failed. Whether that is to be told.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        if self.is_told.get() || !self.told.is_over(now) {
            return false;
        }
        self.is_told.set(true);
        true
    }

    /// A connect succeeded. Whether that is to be told.
    pub(crate) fn succeeded(&self) -> bool {
        self.is_told.replace(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_outage_is_told_once_with_its_end_and_not_too_often() {
        let start = clock::now();
        let outage = Outage::default();
        assert!(!outage.succeeded(), "nothing was wrong");
        assert!(outage.failed(start));
        assert!(!outage.failed(start + 2 * PAUSE), "it goes on");
        assert!(outage.succeeded());
        assert!(!outage.succeeded());
        assert!(outage.failed(start + 3 * PAUSE));
        assert!(outage.succeeded());
        assert!(!outage.failed(start + 3 * PAUSE + PAUSE / 2), "too soon");
        assert!(!outage.succeeded(), "what was not told does not end");
    }
}

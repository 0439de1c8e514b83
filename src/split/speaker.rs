//! A client that may write whenever it likes, as in a tunnel: what it says is not understood here, so that everything counts.

use std::{cell::Cell, time::Duration};

use crate::{
    split::{WriterCell, Writers},
    units::Timestamp,
};

/// Keeps count of what may be written in one tunnel.
///
/// What the client says may be a write, and what it is told may be the answer to one: each counts as the answer to a write
/// does. What it is told later than the bound after it last said something counts for nothing, or whoever is told the news
/// all day would be kept on old all day.
#[derive(Debug)]
pub struct Speaker {
    cell: WriterCell,
    bound: Duration,
    said_at: Cell<Timestamp>,
}

impl Speaker {
    /// For a client whose tunnel opens now; no read of a client is kept for longer than `bound` after its write.
    #[must_use]
    pub const fn new(cell: WriterCell, bound: Duration, now: Timestamp) -> Self {
        Self {
            cell,
            bound,
            said_at: Cell::new(now),
        }
    }

    /// Where it is kept count of.
    #[must_use]
    pub const fn cell(&self) -> WriterCell {
        self.cell
    }

    /// The client said something.
    pub fn said(&self, writers: &Writers, now: Timestamp) {
        self.said_at.set(now);
        writers.wrote(self.cell, now);
    }

    /// The client is told something, or that nothing more comes.
    pub fn told(&self, writers: &Writers, now: Timestamp) {
        if now.since(self.said_at.get()) < self.bound {
            writers.wrote(self.cell, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::ClientKey;

    const BOUND: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_said_and_what_is_answered_count_as_writes() {
        let ada = WriterCell::of(ClientKey(b"ada"));
        let (writers, speaker) = (Writers::default(), Speaker::new(ada, BOUND, at(100)));
        let is_kept = |now| writers.is_kept(ada, BOUND, at(now));
        assert!(!is_kept(100), "the answer that opened it counts by itself");
        speaker.said(&writers, at(110));
        assert!(is_kept(110));
        writers.passed(at(111));
        assert!(!is_kept(112), "new has all that was said");
        speaker.told(&writers, at(112));
        assert!(
            is_kept(112),
            "it may be the answer to a write that took so long"
        );
        writers.passed(at(113));
        assert!(!is_kept(113));
    }

    #[test]
    fn news_that_come_long_after_what_was_said_are_no_answer() {
        let ada = WriterCell::of(ClientKey(b"ada"));
        let (writers, speaker) = (Writers::default(), Speaker::new(ada, BOUND, at(100)));
        speaker.told(&writers, at(129));
        assert!(
            writers.is_kept(ada, BOUND, at(129)),
            "the opening itself may write"
        );
        writers.passed(at(130));
        speaker.told(&writers, at(131));
        assert!(!writers.is_kept(ada, BOUND, at(131)));
        speaker.said(&writers, at(200));
        speaker.told(&writers, at(229));
        writers.passed(at(228));
        assert!(writers.is_kept(ada, BOUND, at(229)));
    }
}

//! Failures to connect in a row, counted over all workers at once, so that a dead side is noticed between two
//! turns of the control loop.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::units::{PerSide, Side, Timestamp};

/// Runs of failures to connect, by side. Shared by every worker; touched only where a request could not get a
/// connection, and where one succeeds after a failure.
#[derive(Debug, Default)]
pub struct Connects {
    sides: PerSide<Run>,
}

#[derive(Debug, Default)]
struct Run {
    failures: AtomicU32,
    since_micros: AtomicI64,
}

impl Connects {
    /// A request could not get a connection to `side`. Returns the failures in a row, this one included.
    pub fn failed(&self, side: Side, now: Timestamp) -> u32 {
        let run = &self.sides[side];
        let before = run.failures.fetch_add(1, Ordering::AcqRel);
        if before == 0 {
            run.since_micros.store(now.micros(), Ordering::Release);
        }
        before.saturating_add(1)
    }

    /// A connection to `side` was made, or one in use answered.
    pub fn succeeded(&self, side: Side) {
        let run = &self.sides[side];
        // The load keeps the line shared between the cores while all is well.
        if run.failures.load(Ordering::Relaxed) != 0 {
            run.failures.store(0, Ordering::Release);
        }
    }

    /// The run now: how many failures in a row, and when the first of them happened.
    #[must_use]
    pub fn run(&self, side: Side) -> (u32, Timestamp) {
        let run = &self.sides[side];
        let failures = run.failures.load(Ordering::Acquire);
        let since = Timestamp::from_micros(run.since_micros.load(Ordering::Acquire));
        (failures, since)
    }
}

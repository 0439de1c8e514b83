//! Failures to connect in a row, counted over all workers at once, so that a dead side is noticed between two
//! turns of the control loop.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::units::{PerSide, Side, Timestamp};

/// Runs of failures to connect, by side. Shared by every worker; touched only where a request could not get a
/// connection, and where one succeeds after a failure.
#[derive(Debug, Default)]
pub struct Connects {
    sides: PerSide<Run>,
}

/// Failures in the low bits, and above them the millisecond of the first one: one word, so that a count is never
/// seen with the time of an earlier run.
#[derive(Debug, Default)]
struct Run {
    word: AtomicU64,
    /// Attempts that began before this moment count no more.
    evidence_since_micros: AtomicI64,
}

const FAILURES_BITS: u32 = 20;

/// A run is not counted beyond this, which is more than any trigger waits for.
const FAILURES_MAX: u64 = (1 << FAILURES_BITS) - 1;

impl Connects {
    /// A request that asked for a connection to `side` at `began` could not get one. Returns the failures in a row,
    /// this one included; 0 if it began before the evidence does and so counts no more.
    pub fn failed(&self, side: Side, began: Timestamp, now: Timestamp) -> u32 {
        let since = &self.sides[side].evidence_since_micros;
        if began.micros() < since.load(Ordering::Acquire) {
            return 0;
        }
        let run = &self.sides[side].word;
        let update = |word| Some(with_one_more(word, now));
        let before = run.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        let (Ok(before) | Err(before)) = before;
        failures(with_one_more(before, now))
    }

    /// A connection to `side` was made, or one in use answered.
    pub fn succeeded(&self, side: Side) {
        let run = &self.sides[side].word;
        // The load keeps the line shared between the cores while all is well.
        if run.load(Ordering::Relaxed) != 0 {
            run.store(0, Ordering::Release);
        }
    }

    /// Fresh evidence: forgets the run, and what began before `now` and fails later.
    pub fn restart(&self, side: Side, now: Timestamp) {
        let run = &self.sides[side];
        run.evidence_since_micros
            .store(now.micros(), Ordering::Release);
        run.word.store(0, Ordering::Release);
    }

    /// The run now: how many failures in a row, and when the first of them happened, to the millisecond.
    #[must_use]
    pub fn run(&self, side: Side) -> (u32, Timestamp) {
        let word = self.sides[side].word.load(Ordering::Acquire);
        let millis = i64::try_from(word >> FAILURES_BITS).unwrap_or(i64::MAX);
        (
            failures(word),
            Timestamp::from_micros(millis.saturating_mul(1000)),
        )
    }
}

/// The word after a failure at `now`, which begins the run if there is none. Times before 1970 count as then.
fn with_one_more(word: u64, now: Timestamp) -> u64 {
    if word == 0 {
        let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
        return (millis << FAILURES_BITS) | 1;
    }
    if word & FAILURES_MAX < FAILURES_MAX {
        word + 1
    } else {
        word
    }
}

fn failures(word: u64) -> u32 {
    u32::try_from(word & FAILURES_MAX).expect("20 bits fit 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + millis * 1000)
    }

    #[test]
    fn a_run_keeps_the_time_of_its_first_failure_until_a_success() {
        let connects = Connects::default();
        assert_eq!(connects.run(Side::New).0, 0);
        let failed = |side, millis| connects.failed(side, at(millis), at(millis));
        assert_eq!(failed(Side::New, 5), 1);
        assert_eq!(failed(Side::New, 90), 2);
        assert_eq!(connects.run(Side::New), (2, at(5)));
        assert_eq!(connects.run(Side::Old).0, 0);
        connects.succeeded(Side::New);
        assert_eq!(connects.run(Side::New).0, 0);
        assert_eq!(failed(Side::New, 200), 1);
        assert_eq!(connects.run(Side::New), (1, at(200)));
    }

    #[test]
    fn what_began_before_a_restart_is_no_evidence_after_it() {
        let connects = Connects::default();
        connects.failed(Side::New, at(1), at(2));
        connects.restart(Side::New, at(10));
        assert_eq!(connects.run(Side::New).0, 0);
        assert_eq!(connects.failed(Side::New, at(9), at(500)), 0);
        assert_eq!(connects.run(Side::New).0, 0);
        assert_eq!(connects.failed(Side::New, at(10), at(501)), 1);
        assert_eq!(connects.run(Side::New), (1, at(501)));
    }

    #[test]
    fn a_run_stops_counting_before_it_spoils_its_time() {
        let connects = Connects::default();
        let failed = |millis| connects.failed(Side::Old, at(millis), at(millis));
        failed(1);
        let run = &connects.sides[Side::Old].word;
        run.store(
            run.load(Ordering::Relaxed) + FAILURES_MAX - 2,
            Ordering::Relaxed,
        );
        assert_eq!(failed(2), 1_048_575);
        assert_eq!(failed(3), 1_048_575);
        assert_eq!(connects.run(Side::Old), (1_048_575, at(1)));
    }
}

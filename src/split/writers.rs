//! Who has just written, so that they read what they wrote: until new has it, their reads are kept on old.
//!
//! ```text
//! a write's answer ──▶ wrote(client, now) ──────┐
//! a process that drains ──▶ heard(clients, now) ├──▶ is_kept(client, bound, now)
//! replication ───────▶ passed(moment) ──────────┘
//! ```
//!
//! There is no table of clients that could grow: clients share cells, each of which holds when one of its clients last wrote.
//! Who shares a cell with a writer is kept beside it, which costs no more than a few reads on old. Cells are shared by all
//! cores without a lock, since a client's next request may come to another one; only writes change them.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    split::{ClientKey, assign::hash_of},
    units::{Salt, Timestamp},
};

/// Cells, of eight bytes each. With 1,000 clients that wrote within the time that new trails, 1.5 % of the others share
/// a cell with one of them.
const CELLS: usize = 1 << 16;

/// What cells are keyed by: the same in every process and for every table, so that an answer that comes after a rollback
/// counts for the client that it goes to. It is no secret. Whoever finds others in his cell keeps them on old, where
/// everybody may be kept by writing enough.
const KEY: Salt = Salt::new(*b"changeover cells");

/// What a process that drains has to say of writes may be so long on its way: it says it ten times a second.
pub const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Nothing is as old as this: nobody wrote, nothing was passed.
const NEVER: i64 = i64::MIN;

/// When clients last wrote, and up to when new has what was written.
#[derive(Debug)]
pub struct Writers {
    /// Made when somebody first writes.
    cells: OnceLock<Box<[AtomicI64]>>,
    /// Up to this moment anybody may have written, in a process before this one or before we looked.
    forgotten: AtomicI64,
    /// What was written up to this moment is on new.
    passed: AtomicI64,
}

/// The cell of a client, the same on every core and in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriterCell(u16);

impl WriterCell {
    /// That of a client: SipHash-2-4 of its key.
    #[must_use]
    pub fn of(key: ClientKey<'_>) -> Self {
        let [high, low, ..] = hash_of(&KEY, key).to_be_bytes();
        Self(u16::from_be_bytes([high, low]))
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Default for Writers {
    fn default() -> Self {
        Self {
            cells: OnceLock::new(),
            forgotten: AtomicI64::new(NEVER),
            passed: AtomicI64::new(NEVER),
        }
    }
}

impl Writers {
    /// A client has its answer to something that may have changed old's data.
    pub fn wrote(&self, cell: WriterCell, now: Timestamp) {
        let cells = self
            .cells
            .get_or_init(|| (0..CELLS).map(|_| AtomicI64::new(NEVER)).collect());
        cells[cell.index()].fetch_max(now.micros(), Ordering::Release);
    }

    /// These clients have writes under way in another process, which is to say so again before [`HEARD_WITHIN`] is over: until
    /// then new may lack what they write.
    pub fn heard(&self, cells: &[WriterCell], now: Timestamp) {
        for cell in cells {
            self.wrote(*cell, now.after(HEARD_WITHIN));
        }
    }

    /// Up to now anybody may have written: nobody kept count.
    pub fn forget(&self, now: Timestamp) {
        self.forgotten.fetch_max(now.micros(), Ordering::Release);
    }

    /// What was written up to `moment` is on new.
    pub fn passed(&self, moment: Timestamp) {
        self.passed.fetch_max(moment.micros(), Ordering::Release);
    }

    /// Whether the reads of a client are kept on old: it wrote less than `bound` ago, and new is not known to have that.
    #[must_use]
    pub fn is_kept(&self, cell: WriterCell, bound: Duration, now: Timestamp) -> bool {
        let cells = self.cells.get();
        let wrote = cells.map_or(NEVER, |it| it[cell.index()].load(Ordering::Acquire));
        let wrote = wrote.max(self.forgotten.load(Ordering::Acquire));
        wrote > self.passed.load(Ordering::Acquire)
            && now.since(Timestamp::from_micros(wrote)) < bound
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUND: Duration = Duration::from_secs(30);
    const ADA: WriterCell = WriterCell(7);
    const BEN: WriterCell = WriterCell(8);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_millis(millis))
    }

    #[test]
    fn who_wrote_is_kept_until_new_has_it_and_nobody_else_is() {
        let writers = Writers::default();
        assert!(!writers.is_kept(ADA, BOUND, at(10)));
        writers.wrote(ADA, at(10));
        assert!(writers.is_kept(ADA, BOUND, at(10)));
        assert!(!writers.is_kept(BEN, BOUND, at(10)));
        writers.passed(at(9));
        assert!(writers.is_kept(ADA, BOUND, at(20)));
        writers.passed(at(10));
        assert!(!writers.is_kept(ADA, BOUND, at(20)));
        writers.wrote(ADA, at(30));
        assert!(writers.is_kept(ADA, BOUND, at(30)));
    }

    #[test]
    fn nobody_is_kept_for_longer_than_the_bound() {
        let writers = Writers::default();
        writers.wrote(ADA, at(1_000));
        assert!(writers.is_kept(ADA, BOUND, at(30_999)));
        assert!(!writers.is_kept(ADA, BOUND, at(31_000)));
    }

    #[test]
    fn where_nobody_kept_count_everybody_is_kept() {
        let writers = Writers::default();
        writers.forget(at(1_000));
        assert!(writers.is_kept(ADA, BOUND, at(1_500)));
        assert!(!writers.is_kept(ADA, BOUND, at(31_000)));
        writers.passed(at(1_000));
        assert!(!writers.is_kept(BEN, BOUND, at(1_500)));
    }

    #[test]
    fn who_writes_in_another_process_is_kept_while_that_says_so_and_for_as_long_as_it_may_be_late()
    {
        let writers = Writers::default();
        let kept = |passed, now| {
            writers.passed(at(passed));
            (
                writers.is_kept(ADA, BOUND, at(now)),
                writers.is_kept(BEN, BOUND, at(now)),
            )
        };
        writers.heard(&[ADA], at(1_000));
        assert_eq!(kept(1_900, 2_000), (true, false));
        writers.heard(&[ADA, BEN], at(2_000));
        assert_eq!(kept(4_900, 5_000), (true, true));
        // It ended some time after it was last said to be open, and new has all of that.
        assert_eq!(kept(5_000, 5_100), (false, false));
    }

    #[test]
    fn cells_are_spread_and_have_nothing_to_do_with_slots() {
        let cells: std::collections::BTreeSet<u16> = (0_u32..10_000)
            .map(|client| WriterCell::of(ClientKey(&client.to_be_bytes())).0)
            .collect();
        // So many of 65,536 are hit by 10,000 balls: 65,536 * (1 - exp(-10,000 / 65,536)) = 9,274, give or take 30.
        assert!((9_120..9_430).contains(&cells.len()), "{}", cells.len());
    }

    proptest! {
        /// In whatever order things come to be known, somebody whose last write new does not have is kept within the bound,
        /// and somebody whose writes it all has is not.
        #[test]
        fn only_what_new_has_lets_a_reader_go(
            happenings in proptest::collection::vec((0_u64..2_000, any::<bool>(), 0_u64..4_000), 1..60),
        ) {
            let writers = Writers::default();
            let (mut now, mut wrote, mut passed) = (0, None::<u64>, None::<u64>);
            for (later, writes, back) in happenings {
                now += later;
                if writes {
                    writers.wrote(ADA, at(now));
                    wrote = Some(now);
                } else {
                    let moment = now.saturating_sub(back);
                    writers.passed(at(moment));
                    passed = passed.max(Some(moment));
                }
                let expected = wrote > passed;
                prop_assert_eq!(writers.is_kept(ADA, Duration::from_secs(3_600), at(now)), expected);
            }
        }
    }
}

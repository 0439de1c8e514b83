//! The bins of one granularity, newest last, as far back as the tier reaches.

use std::{collections::VecDeque, time::Duration};

use crate::{
    measure::windows::bin::Bin,
    units::{Generation, Timestamp},
};

/// Bins of one granularity. Granules without measurements have none.
#[derive(Debug)]
pub(super) struct Tier {
    granule_micros: i64,
    /// How many granules it holds, the present one and the one in which a window of its full reach begins included.
    granules: i64,
    bins: VecDeque<Bin>,
}

impl Tier {
    /// A tier of `granule_millis` that serves windows up to `granules` of them.
    pub(super) const fn new(granule_millis: i64, granules: i64) -> Self {
        Self {
            granule_micros: granule_millis * 1000,
            granules: granules + 1,
            bins: VecDeque::new(),
        }
    }

    /// The granule that a time lies in.
    pub(super) const fn index(&self, at: Timestamp) -> i64 {
        at.micros().div_euclid(self.granule_micros)
    }

    /// When a granule begins.
    pub(super) const fn start(&self, index: i64) -> Timestamp {
        Timestamp::from_micros(index.saturating_mul(self.granule_micros))
    }

    /// The longest window that it serves.
    pub(super) const fn reach(&self) -> Duration {
        Duration::from_micros((self.granule_micros * (self.granules - 1)).unsigned_abs())
    }

    /// The first granule of a window of `length` that ends at `now`: the one that its beginning lies in.
    pub(super) fn first(&self, length: Duration, now: Timestamp) -> i64 {
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        self.index(Timestamp::from_micros(now.micros().saturating_sub(length)))
    }

    /// The bins of granules `from..`, oldest first.
    pub(super) fn since(&self, from: i64) -> impl DoubleEndedIterator<Item = &Bin> {
        let start = self.bins.partition_point(|bin| bin.index < from);
        self.bins.range(start..)
    }

    /// The bins of granules `from..until`, oldest first.
    pub(super) fn between(&self, from: i64, until: i64) -> impl Iterator<Item = &Bin> {
        self.since(from).take_while(move |bin| bin.index < until)
    }

    /// Takes in a settled bin of any finer tier, not older than the newest bin here.
    pub(super) fn absorb(&mut self, fresh: &Bin, index: i64) {
        match self.bins.back_mut() {
            Some(newest) if newest.index >= index => newest.absorb(fresh),
            _ => {
                let mut bin = Bin::new(index);
                bin.absorb(fresh);
                self.bins.push_back(bin);
            }
        }
    }

    /// Drops what lies further back than it reaches.
    pub(super) fn drop_beyond_reach(&mut self, now: Timestamp) {
        let oldest = self.index(now) - self.granules + 1;
        while self.bins.front().is_some_and(|bin| bin.index < oldest) {
            self.bins.pop_front();
        }
    }

    pub(super) fn forget_before(&mut self, generation: Generation) {
        for bin in &mut self.bins {
            bin.forget_before(generation);
        }
    }
}

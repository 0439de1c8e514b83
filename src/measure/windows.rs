//! Rolling windows over what the workers measured: what triggers read.

use std::{collections::VecDeque, time::Duration};

use crate::{
    measure::{Interval, Measurement, Tally, Waiting},
    split::Cause,
    units::{Generation, PerSide, Side, Timestamp},
};

/// Which requests a reading is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// All but forced ones: what absolute limits are held against.
    All,
    /// Only those assigned by weight: the ones that may be compared between the sides.
    Drawn,
}

/// Rolling sums of any length up to an hour, for each side, in steps of 100 ms.
#[derive(Debug)]
pub struct Windows {
    _lengths: Vec<Duration>,
    bins: VecDeque<(Timestamp, Vec<Measurement>)>,
    waiting: PerSide<Vec<Waiting>>,
    since: Generation,
}

impl Windows {
    /// Windows that keep a running sum for each of `lengths`.
    #[must_use]
    pub fn new(lengths: &[Duration]) -> Self {
        Self {
            _lengths: lengths.to_vec(),
            bins: VecDeque::new(),
            waiting: PerSide::default(),
            since: Generation::ZERO,
        }
    }

    /// Forgets everything sent before `generation`, now and when it comes in late: fresh evidence.
    pub fn restart(&mut self, generation: Generation) {
        self.since = generation;
        self.bins.clear();
    }

    /// Takes in one turn's intervals, one or more of each worker, and rolls to `now`.
    pub fn turn(&mut self, intervals: &[Interval], now: Timestamp) {
        let mut bin = Vec::new();
        self.waiting = PerSide::default();
        for interval in intervals {
            bin.extend(interval.measurements.iter().copied());
            for side in Side::ALL {
                self.waiting[side].extend_from_slice(&interval.waiting[side]);
            }
        }
        self.bins.push_back((now, bin));
    }

    /// What happened on `side` in the last `length`, among `population`.
    #[must_use]
    pub fn tally(&self, side: Side, population: Population, length: Duration) -> Tally {
        let mut tally = Tally::default();
        let now = self.bins.back().map_or(Timestamp::default(), |it| it.0);
        for (at, bin) in self.bins.iter().rev() {
            if now.since(*at) >= length {
                break;
            }
            for it in bin {
                let assignment = it.assignment();
                let counts = match population {
                    Population::All => assignment.cause != Cause::Forced,
                    Population::Drawn => assignment.cause == Cause::Weighted,
                };
                if assignment.side != side || assignment.generation < self.since || !counts {
                    continue;
                }
                match it {
                    Measurement::Head(head) => tally.add_heads(head.latency, 1),
                    Measurement::Finished(finished) => tally.add_finished(finished),
                }
            }
        }
        tally
    }

    /// Requests of `side` that have waited for a response head for longer than `limit`.
    #[must_use]
    pub fn waiting_above(&self, side: Side, population: Population, limit: Duration) -> u64 {
        let over = self.waiting[side]
            .iter()
            .filter(|it| it.generation >= self.since && it.age > limit);
        over.map(|it| match population {
            Population::All => u64::from(it.requests),
            Population::Drawn => u64::from(it.drawn),
        })
        .sum()
    }
}

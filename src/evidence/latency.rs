//! Whether new is slower than old, as far as more than is tolerated.
//!
//! Old's latencies are recorded as what is tolerated of new in their place, and new's as they are. Where each request is
//! drawn, the unit is the request ([`requests`]); where clients keep their sides it is the slot ([`slots`]), since a
//! cohort of clients repeats its luck at each of their requests.

mod cohorts;
mod requests;
mod scale;
mod slots;
mod symmetric;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Answer, Settings, Test, Unit, detector::Mark, stored::Exact},
    units::{PerSide, Timestamp, Weight},
};

use requests::RequestLatencies;
use slots::SlotLatencies;

pub(super) use requests::counted;
pub(super) use scale::{BINS, Spread, bin_of, least_of_bin};

/// What latencies have gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum LatencyTest {
    Requests(Box<RequestLatencies>),
    Slots(Box<SlotLatencies>),
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) ln_evidence: f64,
    /// What the evidence has to reach beyond the threshold of the test's share: the looks that it is spread over.
    pub(super) ln_looks: f64,
    pub(super) since: Option<Timestamp>,
    /// Latencies of the stretch that carries the evidence.
    pub(super) spread: PerSide<Spread>,
}

impl LatencyTest {
    pub(super) fn new(unit: Unit) -> Self {
        match unit {
            Unit::Request => Self::Requests(Box::new(RequestLatencies::new())),
            Unit::Slot => Self::Slots(Box::new(SlotLatencies::new())),
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        match self {
            Self::Requests(test) => test.spend(gamma),
            // A share of the budget for each window, whatever happens in it.
            Self::Slots(_) => (),
        }
    }

    /// Leaves out what a restart begins anew.
    pub(super) fn trim(&mut self) {
        match self {
            Self::Requests(_) => (),
            Self::Slots(test) => test.leave_windows_out(),
        }
    }

    /// Lets time pass, before what a turn brought is taken in.
    pub(super) fn roll(&mut self, now: Timestamp, is_all_on_old: bool) {
        match self {
            Self::Requests(_) => (),
            Self::Slots(test) => test.roll(now, is_all_on_old),
        }
    }

    /// Begins a turn: what is looked for is fixed before its answers are seen.
    pub(super) fn begin(&mut self) {
        match self {
            Self::Requests(test) => test.begin(),
            Self::Slots(_) => (),
        }
    }

    /// One tick: the answers of one table. `is_in_force` is false for those of a table that was replaced.
    pub(super) fn tick(
        &mut self,
        answers: impl Iterator<Item = Answer>,
        (weight, is_in_force): (Weight, bool),
        settings: &Settings,
        from: Timestamp,
    ) {
        let tolerance = settings.tolerated_latency;
        match self {
            Self::Requests(test) => {
                let pace = settings.pace(Test::Latency);
                test.tick(answers, weight, tolerance, (from, pace));
            }
            // One mean for each slot of a window: a pause is one of what happened in it.
            Self::Slots(test) => test.tick(answers, (weight, is_in_force), tolerance, from),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        match self {
            Self::Requests(test) => test.reading(),
            Self::Slots(test) => test.reading(),
        }
    }
}

/// A mark of latencies: how many there were, and the sum of their logarithms, in place of events.
const fn mark(at: Timestamp, seen: &PerSide<Spread>) -> Mark {
    Mark {
        at,
        requests: PerSide {
            old: seen.old.count,
            new: seen.new.count,
        },
        events: PerSide {
            old: seen.old.sum,
            new: seen.new.sum,
        },
        ln_relative: Exact::ZERO,
    }
}

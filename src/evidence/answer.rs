//! What a response head says to the tests, or the wait for one: how long it was waited for.

use std::time::Duration;

use crate::{
    evidence::{Outcome, Says, Symptom},
    measure::{Measurement, Overdue, WaitMark},
    plan::RouteId,
    split::Cause,
    units::{Generation, Side, Slot},
};

/// A drawn request's response head, the end of the wait for it, or a mark that the wait has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The table that the request was drawn by.
    pub generation: Generation,
    /// Its slot.
    pub slot: Slot,
    /// The side that it was drawn for.
    pub side: Side,
    /// The route that it matched.
    pub route: RouteId,
    /// To the response head, or up to now, from the last byte that the side had to wait for.
    pub latency: Duration,
    /// The mark that the wait was told to have passed before.
    pub told: WaitMark,
    /// Whether the wait is over.
    pub stage: Stage,
}

/// Whether a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// By a response head, or nobody waits for one any more.
    Answered,
    /// Not yet.
    Waiting,
}

impl Answer {
    /// The answer that a measurement is; `None` for outcomes, and for requests that were not drawn.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Option<Self> {
        let Measurement::Head(head) = measurement else {
            return None;
        };
        (head.assignment.cause == Cause::Weighted).then_some(Self {
            generation: head.assignment.generation,
            slot: head.assignment.slot,
            side: head.assignment.side,
            route: head.route,
            latency: head.latency,
            told: head.told,
            stage: Stage::Answered,
        })
    }

    /// A wait that goes on; its request was drawn.
    #[must_use]
    pub const fn awaited(overdue: &Overdue) -> Self {
        Self {
            generation: overdue.assignment.generation,
            slot: overdue.assignment.slot,
            side: overdue.assignment.side,
            route: overdue.route,
            latency: overdue.mark.age(),
            told: overdue.told,
            stage: Stage::Waiting,
        }
    }

    /// That its request is slow.
    pub(super) const fn slow(&self) -> Outcome {
        Outcome {
            generation: self.generation,
            slot: self.slot,
            side: self.side,
            route: self.route,
            says: Says::Symptom(Symptom::Slow),
        }
    }
}

//! What a response head says to the tests: how long it was waited for.

use std::time::Duration;

use crate::{
    measure::Measurement,
    plan::RouteId,
    split::Cause,
    units::{Generation, Side, Slot},
};

/// A drawn request's response head, or the end of the wait for it.
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
    /// To the response head, from the last byte that the side had to wait for.
    pub latency: Duration,
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
        })
    }
}

//! One request from its assignment to its outcome.

use std::{mem, time::Duration};

use crate::{
    measure::{Class, Finished, Head, Measurement, WaitMark, recorder::Recorder},
    plan::{EndpointId, RouteId},
    split::Assignment,
    units::{Generation, Side, Timestamp},
};

/// The shortest wait that counts as a latency though the client ended it.
const ABORTED_WAIT_MIN: Duration = Duration::from_millis(100);

/// One request from its assignment to its outcome.
///
/// A ticket that is dropped without [`Ticket::finish`] still has exactly one outcome, [`Class::ClientAbort`]: what
/// ends a request's task before its end is that its client went away.
#[derive(Debug)]
pub struct Ticket {
    recorder: Recorder,
    key: usize,
    assignment: Assignment,
    route: RouteId,
    arrived: Timestamp,
    waiting_since: Timestamp,
    /// The generation at which that wait began, which its latency belongs to.
    waiting_in: Generation,
    /// The last endpoint tried of the assigned side.
    tried: Option<u16>,
    /// The endpoint among whose requests in flight it is.
    pub(super) occupied: Option<EndpointId>,
    attempts: u8,
    wait: Wait,
    outcome: Recording,
}

/// Whether the assigned side's response head is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    ForHead,
    Over,
}

/// Whether a ticket's outcome is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    Due,
    Done,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The class, for the side that it was drawn for.
    pub class: Class,
    /// The status that the client got, if any.
    pub status: Option<u16>,
    /// Whether old answered in place of new.
    pub is_failover: bool,
    /// Request body bytes.
    pub bytes_up: u64,
    /// Response body bytes.
    pub bytes_down: u64,
}

impl Ticket {
    pub(super) const fn new(
        recorder: Recorder,
        key: usize,
        assignment: Assignment,
        route: RouteId,
        now: Timestamp,
    ) -> Self {
        Self {
            recorder,
            key,
            assignment,
            route,
            arrived: now,
            waiting_since: now,
            waiting_in: assignment.generation,
            tried: None,
            occupied: None,
            attempts: 0,
            wait: Wait::ForHead,
            outcome: Recording::Due,
        }
    }

    /// The assignment that the request carries.
    #[must_use]
    pub const fn assignment(&self) -> Assignment {
        self.assignment
    }

    /// When the request's head arrived.
    #[must_use]
    pub const fn arrived(&self) -> Timestamp {
        self.arrived
    }

    /// Takes over a new assignment, made because the first one's generation was no longer in force before
    /// anything was sent. What the request waited for the one side is not the other side's latency; and what began before
    /// a rollback is no evidence after it, also where the request goes to the same side again.
    pub fn reassign(&mut self, assignment: Assignment, now: Timestamp) {
        let mut inner = self.recorder.0.borrow_mut();
        if assignment.side != self.assignment.side {
            self.waiting_since = now;
            self.waiting_in = assignment.generation;
            let request = &mut inner.in_flight[self.key];
            request.waiting_since = request.waiting_since.map(|_| now);
            request.waiting_in = assignment.generation;
            request.told = WaitMark::NONE;
        }
        inner.leave(&mut self.occupied);
        inner.in_flight_count[self.assignment.side] -= 1;
        inner.in_flight_count[assignment.side] += 1;
        inner.in_flight[self.key].assignment = assignment;
        self.assignment = assignment;
        self.tried = None;
    }

    /// Notes the endpoint of the assigned side that the request is for now.
    pub fn choose(&mut self, endpoint: u16) {
        self.tried = Some(endpoint);
        self.occupy(self.assignment.side, endpoint);
    }

    /// Notes the endpoint of the assigned side that gave no connection: what comes of the request is booked there, though
    /// the request never was in flight at it.
    pub const fn not_reached(&mut self, endpoint: u16) {
        self.tried = Some(endpoint);
    }

    /// The other side answers in place of the assigned one, which owns the outcome all the same: the request is in
    /// flight at `endpoint` of the other side, and no latency of it is anybody's.
    pub fn fail_over(&mut self, endpoint: u16) {
        let other = match self.assignment.side {
            Side::Old => Side::New,
            Side::New => Side::Old,
        };
        self.occupy(other, endpoint);
        let mut inner = self.recorder.0.borrow_mut();
        inner.in_flight[self.key].waiting_since = None;
        self.wait = Wait::Over;
    }

    /// Counts a send to an endpoint; returns how many there have been.
    pub fn sent(&mut self) -> u8 {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }

    /// The request's body is being sent: it does not wait for a response yet.
    pub fn body_started(&mut self) {
        let mut inner = self.recorder.0.borrow_mut();
        inner.in_flight[self.key].waiting_since = None;
    }

    /// A part of the body was sent: a response that comes before the body's end was waited for since the last
    /// part that went before it, so that a slow upload is no slow response.
    pub const fn body_progressed(&mut self, now: Timestamp) {
        self.waiting_since = now;
        self.waiting_in = self.assignment.generation;
    }

    /// The last body byte was sent: the wait for the response begins now.
    pub fn body_sent(&mut self, now: Timestamp) {
        self.body_progressed(now);
        if self.wait == Wait::ForHead {
            let mut inner = self.recorder.0.borrow_mut();
            let request = &mut inner.in_flight[self.key];
            request.waiting_since = Some(now);
            request.waiting_in = self.waiting_in;
        }
    }

    /// The final response head arrived. Only the first call counts.
    pub fn head(&mut self, now: Timestamp) {
        if mem::replace(&mut self.wait, Wait::Over) == Wait::Over {
            return;
        }
        let mut inner = self.recorder.0.borrow_mut();
        let request = &mut inner.in_flight[self.key];
        request.waiting_since = None;
        let head = Head {
            at: now,
            assignment: Assignment {
                generation: self.waiting_in,
                ..self.assignment
            },
            route: self.route,
            endpoint: self.tried,
            latency: now.since(self.waiting_since),
            told: request.told,
        };
        inner.push(Measurement::Head(head));
    }

    /// The request ended. A time-out while it waited for a head counts as a latency of that wait, so that a
    /// slow request does not become a fast one by being given up.
    ///
    /// So does a client that gives up while it waits, from a tenth of a second on: else a side that hangs would show
    /// nothing but its fast answers where clients are less patient than the time-out. The latency would have been at
    /// least that long, so this can make a side look faster than it is, never slower, and no faster than the wait was.
    /// A shorter wait says more about the client than about the side, and is left out.
    pub fn finish(mut self, outcome: Outcome, now: Timestamp) {
        let waits = self.recorder.0.borrow().in_flight[self.key]
            .waiting_since
            .is_some();
        let counts = match outcome.class {
            Class::Timeout => true,
            Class::ClientAbort => now.since(self.waiting_since) >= ABORTED_WAIT_MIN,
            _ => false,
        };
        if waits && counts {
            self.head(now);
        }
        let finished = self.finished(outcome, now);
        let mut inner = self.recorder.0.borrow_mut();
        inner.push(Measurement::Finished(finished));
        self.outcome = Recording::Done;
    }

    pub(super) fn finished(&self, outcome: Outcome, at: Timestamp) -> Finished {
        Finished {
            at,
            assignment: self.assignment,
            route: self.route,
            endpoint: self.tried,
            class: outcome.class,
            status: outcome.status,
            is_failover: outcome.is_failover,
            attempts: self.attempts,
            duration: at.since(self.arrived),
            bytes_up: outcome.bytes_up,
            bytes_down: outcome.bytes_down,
        }
    }

    fn occupy(&mut self, side: Side, index: u16) {
        let mut inner = self.recorder.0.borrow_mut();
        inner.leave(&mut self.occupied);
        if let Some(count) = inner.endpoints_in_flight[side].get_mut(usize::from(index)) {
            *count += 1;
            self.occupied = Some(EndpointId { side, index });
        }
    }
}

/// Leaves the list of requests in flight, and sees to it that there is an outcome.
impl Drop for Ticket {
    fn drop(&mut self) {
        let abandoned = Outcome {
            class: Class::ClientAbort,
            status: None,
            is_failover: false,
            bytes_up: 0,
            bytes_down: 0,
        };
        let finished = self.finished(abandoned, self.arrived);
        let mut inner = self.recorder.0.borrow_mut();
        if self.outcome == Recording::Due {
            inner.abandon(finished);
        }
        inner.leave(&mut self.occupied);
        inner.in_flight.remove(self.key);
        inner.in_flight_count[self.assignment.side] -= 1;
    }
}

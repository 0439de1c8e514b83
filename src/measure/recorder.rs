//! One worker's recorder: a bounded log of measurements and the list of requests in flight.
//!
//! It belongs to one core: no lock, and no allocation per request once its buffers have grown to the traffic.
//! A [`Ticket`] is given out per request and consumed by its outcome, so that each is recorded exactly once.

use std::{cell::RefCell, mem, rc::Rc, time::Duration};

use slab::Slab;

use crate::{
    measure::{Class, Finished, Head, Interval, Measurement, Rejection, Waiting, WorkerId},
    plan::RouteId,
    split::{Assignment, Cause},
    units::{PerSide, Side, Timestamp},
};

/// Measurements that one worker keeps until they are taken. At 100,000 requests/s that is 2.6 s of them.
const MEASUREMENTS_MAX: usize = 1 << 19;

/// A worker's recorder; clones share it within the worker's thread.
#[derive(Clone, Debug)]
pub struct Recorder(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    worker: WorkerId,
    measurements: Vec<Measurement>,
    in_flight: Slab<InFlight>,
    in_flight_count: PerSide<u32>,
    endpoints_in_flight: PerSide<Vec<u32>>,
    tunnels: PerSide<u32>,
    connections: u32,
    rejected: [u64; Rejection::ALL.len()],
    lost: u64,
}

#[derive(Debug)]
struct InFlight {
    assignment: Assignment,
    /// Since when it waits for a response head; `None` while its body is sent and after the head came.
    waiting_since: Option<Timestamp>,
}

/// One request from its assignment to its outcome.
#[derive(Debug)]
pub struct Ticket {
    recorder: Recorder,
    key: usize,
    assignment: Assignment,
    route: RouteId,
    arrived: Timestamp,
    waiting_since: Timestamp,
    endpoint: Option<u16>,
    attempts: u8,
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

/// One open tunnel; closing it is dropping this.
#[derive(Debug)]
pub struct TunnelTicket {
    recorder: Recorder,
    side: Side,
}

impl Recorder {
    /// A recorder for `worker`, with so many endpoints on each side.
    #[must_use]
    pub fn new(worker: WorkerId, endpoints: PerSide<usize>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            worker,
            measurements: Vec::new(),
            in_flight: Slab::new(),
            in_flight_count: PerSide::default(),
            endpoints_in_flight: endpoints.map(|count| vec![0; count]),
            tunnels: PerSide::default(),
            connections: 0,
            rejected: Default::default(),
            lost: 0,
        })))
    }

    /// Starts measuring a request whose head arrived and was assigned at `now`.
    #[must_use]
    pub fn begin(&self, assignment: Assignment, route: RouteId, now: Timestamp) -> Ticket {
        let mut inner = self.0.borrow_mut();
        inner.in_flight_count[assignment.side] += 1;
        let key = inner.in_flight.insert(InFlight {
            assignment,
            waiting_since: Some(now),
        });
        Ticket {
            recorder: self.clone(),
            key,
            assignment,
            route,
            arrived: now,
            waiting_since: now,
            endpoint: None,
            attempts: 0,
        }
    }

    /// Counts a request that was refused before it was assigned.
    pub fn reject(&self, reason: Rejection) {
        self.0.borrow_mut().rejected[reason.index()] += 1;
    }

    /// Counts a client connection that was opened.
    pub fn connection_opened(&self) {
        self.0.borrow_mut().connections += 1;
    }

    /// Counts a client connection that was closed.
    pub fn connection_closed(&self) {
        let mut inner = self.0.borrow_mut();
        inner.connections = inner.connections.saturating_sub(1);
    }

    /// Counts a tunnel until the ticket is dropped.
    #[must_use]
    pub fn tunnel(&self, side: Side) -> TunnelTicket {
        self.0.borrow_mut().tunnels[side] += 1;
        TunnelTicket {
            recorder: self.clone(),
            side,
        }
    }

    /// Takes everything measured since the last time. `spare` becomes the next buffer, so that a taken one can
    /// be given back emptied.
    #[must_use]
    pub fn take(&self, now: Timestamp, spare: Vec<Measurement>) -> Interval {
        let mut inner = self.0.borrow_mut();
        Interval {
            worker: inner.worker,
            at: now,
            measurements: mem::replace(&mut inner.measurements, spare),
            waiting: PerSide::from_fn(|side| inner.waiting(side, now)),
            in_flight: inner.in_flight_count,
            endpoints_in_flight: inner.endpoints_in_flight.clone(),
            tunnels: inner.tunnels,
            connections: inner.connections,
            rejected: mem::take(&mut inner.rejected),
            lost: mem::take(&mut inner.lost),
        }
    }

    /// Puts back an interval that could not be handed over, in front of what was measured since.
    pub fn put_back(&self, mut interval: Interval) {
        let mut inner = self.0.borrow_mut();
        let since = mem::take(&mut inner.measurements);
        inner.measurements = mem::take(&mut interval.measurements);
        for measurement in since {
            inner.push(measurement);
        }
        for (count, earlier) in inner.rejected.iter_mut().zip(interval.rejected) {
            *count += earlier;
        }
        inner.lost += interval.lost;
    }
}

impl Inner {
    fn push(&mut self, measurement: Measurement) {
        if self.measurements.len() < MEASUREMENTS_MAX {
            self.measurements.push(measurement);
        } else {
            self.lost += 1;
        }
    }

    /// Ages of waiting requests, rounded down to three significant digits at most, equal ones merged.
    fn waiting(&self, side: Side, now: Timestamp) -> Vec<Waiting> {
        let mut found: Vec<Waiting> = Vec::new();
        for (_, request) in &self.in_flight {
            let Some(since) = request.waiting_since else {
                continue;
            };
            if request.assignment.side != side || request.assignment.cause == Cause::Forced {
                continue;
            }
            found.push(Waiting {
                age: round_down(now.since(since)),
                requests: 1,
                drawn: u32::from(request.assignment.cause == Cause::Weighted),
                generation: request.assignment.generation,
            });
        }
        found.sort_unstable_by_key(|it| (it.generation, it.age));
        found.dedup_by(|next, kept| {
            let same = (next.generation, next.age) == (kept.generation, kept.age);
            if same {
                kept.requests += next.requests;
                kept.drawn += next.drawn;
            }
            same
        });
        found
    }
}

/// Rounds down to 1 ms below a second, 10 ms below 10 s, and 100 ms beyond.
fn round_down(age: Duration) -> Duration {
    let millis = age.as_millis();
    let granule = match millis {
        0..1_000 => 1,
        1_000..10_000 => 10,
        _ => 100,
    };
    let rounded = millis / granule * granule;
    Duration::from_millis(u64::try_from(rounded).unwrap_or(u64::MAX))
}

impl Ticket {
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
    /// anything was sent.
    pub fn reassign(&mut self, assignment: Assignment) {
        let recorder = self.recorder.clone();
        let mut inner = recorder.0.borrow_mut();
        self.leave_endpoint(&mut inner);
        inner.in_flight_count[self.assignment.side] -= 1;
        inner.in_flight_count[assignment.side] += 1;
        inner.in_flight[self.key].assignment = assignment;
        self.assignment = assignment;
    }

    /// Notes the endpoint that the request is for now.
    pub fn choose(&mut self, endpoint: u16) {
        let recorder = self.recorder.clone();
        let mut inner = recorder.0.borrow_mut();
        self.leave_endpoint(&mut inner);
        let counts = &mut inner.endpoints_in_flight[self.assignment.side];
        if let Some(count) = counts.get_mut(usize::from(endpoint)) {
            *count += 1;
            self.endpoint = Some(endpoint);
        }
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

    /// The last body byte was sent: the wait for the response begins now.
    pub fn body_sent(&mut self, now: Timestamp) {
        self.waiting_since = now;
        let mut inner = self.recorder.0.borrow_mut();
        inner.in_flight[self.key].waiting_since = Some(now);
    }

    /// The response head arrived.
    pub fn head(&mut self, now: Timestamp) {
        let head = Head {
            at: now,
            assignment: self.assignment,
            route: self.route,
            endpoint: self.endpoint,
            latency: now.since(self.waiting_since),
        };
        let mut inner = self.recorder.0.borrow_mut();
        inner.in_flight[self.key].waiting_since = None;
        inner.push(Measurement::Head(head));
    }

    /// The request ended. A time-out while it waited for a head counts as a latency of that wait, so that a
    /// slow request does not become a fast one by being given up.
    pub fn finish(mut self, outcome: Outcome, now: Timestamp) {
        let waits = self.recorder.0.borrow().in_flight[self.key]
            .waiting_since
            .is_some();
        if waits && outcome.class == Class::Timeout {
            self.head(now);
        }
        let finished = Finished {
            at: now,
            assignment: self.assignment,
            route: self.route,
            endpoint: self.endpoint,
            class: outcome.class,
            status: outcome.status,
            is_failover: outcome.is_failover,
            attempts: self.attempts,
            duration: now.since(self.arrived),
            bytes_up: outcome.bytes_up,
            bytes_down: outcome.bytes_down,
        };
        self.recorder
            .0
            .borrow_mut()
            .push(Measurement::Finished(finished));
    }

    fn leave_endpoint(&mut self, inner: &mut Inner) {
        if let Some(index) = self.endpoint.take() {
            inner.endpoints_in_flight[self.assignment.side][usize::from(index)] -= 1;
        }
    }
}

/// Leaves the list of requests in flight; the outcome itself is [`Ticket::finish`]'s.
impl Drop for Ticket {
    fn drop(&mut self) {
        let recorder = self.recorder.clone();
        let mut inner = recorder.0.borrow_mut();
        self.leave_endpoint(&mut inner);
        inner.in_flight.remove(self.key);
        inner.in_flight_count[self.assignment.side] -= 1;
    }
}

impl Drop for TunnelTicket {
    fn drop(&mut self) {
        let mut inner = self.recorder.0.borrow_mut();
        let count = &mut inner.tunnels[self.side];
        *count = count.saturating_sub(1);
    }
}

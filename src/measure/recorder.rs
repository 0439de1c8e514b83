//! One worker's recorder: a bounded log of measurements and the list of requests in flight.
//!
//! It belongs to one core: no lock, and no allocation per request once its buffers have grown to the traffic.
//! A [`Ticket`] is given out per request and consumed by its outcome, so that each is recorded exactly once.

mod ticket;

use std::{cell::RefCell, mem, net::IpAddr, rc::Rc, time::Duration};

use slab::Slab;

use crate::{
    measure::{
        Arrived, Finished, Interval, Measurement, Overdue, Pause, Rejection, WaitMark, Waiting,
        WorkerId,
    },
    plan::{EndpointId, RouteId},
    split::{Assignment, Cause},
    units::{Generation, PerSide, Side, Timestamp},
};

pub use ticket::{Outcome, Ticket};

/// Measurements that one worker keeps until they are taken, in 36 MiB at most. A request makes two of them: at
/// 100,000 requests/s this is 2.6 s of traffic.
const MEASUREMENTS_MAX: usize = 1 << 19;

/// Waits that one worker keeps until they are told of, in 1.5 MiB at most: one of each request in flight at a hand-over.
const OVERDUE_MAX: usize = 1 << 16;

const _: () = assert!(
    size_of::<Measurement>() <= 72,
    "the log is as large as it says"
);

/// A worker's recorder; clones share it within the worker's thread.
#[derive(Clone, Debug)]
pub struct Recorder(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    worker: WorkerId,
    measurements: Vec<Measurement>,
    overdue: Vec<Overdue>,
    /// Outcomes of tickets that were dropped without one; their time is that of the next hand-over.
    abandoned: Vec<Finished>,
    in_flight: Slab<InFlight>,
    in_flight_count: PerSide<u32>,
    endpoints_in_flight: PerSide<Vec<u32>>,
    tunnels: PerSide<u32>,
    connections: u32,
    paused: [u32; Pause::ALL.len()],
    pauses: [u64; Pause::ALL.len()],
    rejected: [u64; Rejection::ALL.len()],
    arrived: Arrived,
    drilled: u64,
    lost: u64,
}

#[derive(Debug)]
struct InFlight {
    assignment: Assignment,
    route: RouteId,
    /// Since when it waits for its side's response head; `None` while its body is sent, after the head came,
    /// and when the other side answers in its place.
    waiting_since: Option<Timestamp>,
    /// The generation at which that wait began.
    waiting_in: Generation,
    /// The mark of waiting that was told of; a wait that begins again for the same side is told of no more than once.
    told: WaitMark,
}

/// One open tunnel; closing it is dropping this.
#[derive(Debug)]
pub struct TunnelTicket {
    recorder: Recorder,
    side: Side,
}

/// A listening socket that accepts nobody; going on is dropping this.
#[derive(Debug)]
pub struct PauseTicket {
    recorder: Recorder,
    cause: Pause,
}

impl Recorder {
    /// A recorder for `worker`, with so many endpoints on each side.
    #[must_use]
    pub fn new(worker: WorkerId, endpoints: PerSide<usize>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            worker,
            measurements: Vec::new(),
            overdue: Vec::new(),
            abandoned: Vec::new(),
            in_flight: Slab::new(),
            in_flight_count: PerSide::default(),
            endpoints_in_flight: endpoints.map(|count| vec![0; count]),
            tunnels: PerSide::default(),
            connections: 0,
            paused: Default::default(),
            pauses: Default::default(),
            rejected: Default::default(),
            arrived: Arrived::default(),
            drilled: 0,
            lost: 0,
        })))
    }

    /// Makes room for endpoints that came to the plan; so many there are on each side, those that are gone included.
    pub fn make_room(&self, endpoints: PerSide<usize>) {
        let mut inner = self.0.borrow_mut();
        for side in Side::ALL {
            let counts = &mut inner.endpoints_in_flight[side];
            counts.resize(counts.len().max(endpoints[side]), 0);
        }
    }

    /// Starts measuring a request whose head arrived and was assigned at `now`.
    #[must_use]
    pub fn begin(&self, assignment: Assignment, route: RouteId, now: Timestamp) -> Ticket {
        let mut inner = self.0.borrow_mut();
        inner.in_flight_count[assignment.side] += 1;
        let key = inner.in_flight.insert(InFlight {
            assignment,
            route,
            waiting_since: Some(now),
            waiting_in: assignment.generation,
            told: WaitMark::NONE,
        });
        Ticket::new(self.clone(), key, assignment, route, now)
    }

    /// Notes at which listener a request came in, and from whom.
    pub fn arrived(&self, listener: u16, client: IpAddr) {
        self.0.borrow_mut().arrived.note(listener, client);
    }

    /// Counts a request that a drill's fault is injected into.
    pub fn drilled(&self) {
        self.0.borrow_mut().drilled += 1;
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

    /// Requests in flight on `side` now, forced ones included.
    #[must_use]
    pub fn in_flight(&self, side: Side) -> u32 {
        self.0.borrow().in_flight_count[side]
    }

    /// A listening socket accepts nobody until the pause is dropped.
    #[must_use]
    pub fn pause(&self, cause: Pause) -> PauseTicket {
        let mut inner = self.0.borrow_mut();
        inner.paused[cause.index()] += 1;
        inner.pauses[cause.index()] += 1;
        PauseTicket {
            recorder: self.clone(),
            cause,
        }
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

    /// Takes everything measured since the last time. What `spare` holds is thrown away, and its memory used for this
    /// interval and for what is measured next: a taken interval that is given back costs no allocation.
    #[must_use]
    pub fn take(&self, now: Timestamp, spare: Interval) -> Interval {
        let mut inner = self.0.borrow_mut();
        inner.settle_abandoned(now);
        let mut interval = spare;
        mem::swap(&mut inner.measurements, &mut interval.measurements);
        inner.measurements.clear();
        inner.survey(now, &mut interval);
        mem::swap(&mut inner.overdue, &mut interval.overdue);
        inner.overdue.clear();
        mem::swap(&mut inner.arrived, &mut interval.arrived);
        inner.arrived.clear();
        for side in Side::ALL {
            interval.endpoints_in_flight[side].clone_from(&inner.endpoints_in_flight[side]);
        }
        Interval {
            worker: inner.worker,
            at: now,
            in_flight: inner.in_flight_count,
            tunnels: inner.tunnels,
            connections: inner.connections,
            paused: inner.paused,
            pauses: mem::take(&mut inner.pauses),
            rejected: mem::take(&mut inner.rejected),
            drilled: mem::take(&mut inner.drilled),
            lost: mem::take(&mut inner.lost),
            ..interval
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
        let since = mem::take(&mut inner.overdue);
        inner.overdue = mem::take(&mut interval.overdue);
        inner.overdue.extend(since);
        for (count, earlier) in inner.rejected.iter_mut().zip(interval.rejected) {
            *count += earlier;
        }
        for (count, earlier) in inner.pauses.iter_mut().zip(interval.pauses) {
            *count += earlier;
        }
        inner.arrived.put_back(interval.arrived);
        inner.drilled += interval.drilled;
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

    fn abandon(&mut self, finished: Finished) {
        if self.measurements.len() + self.abandoned.len() < MEASUREMENTS_MAX {
            self.abandoned.push(finished);
        } else {
            self.lost += 1;
        }
    }

    fn leave(&mut self, occupied: &mut Option<EndpointId>) {
        if let Some(EndpointId { side, index }) = occupied.take() {
            self.endpoints_in_flight[side][usize::from(index)] -= 1;
        }
    }

    fn settle_abandoned(&mut self, now: Timestamp) {
        let mut abandoned = mem::take(&mut self.abandoned);
        for mut finished in abandoned.drain(..) {
            // Until now `at` held the arrival.
            finished.duration = now.since(finished.at);
            finished.at = now;
            self.push(Measurement::Finished(finished));
        }
        self.abandoned = abandoned;
    }

    /// Walks the requests in flight once: the ages of those that wait, rounded down to three significant digits at
    /// most and equal ones merged, how many each route has, and which of them passed a mark of waiting.
    fn survey(&mut self, now: Timestamp, interval: &mut Interval) {
        let Interval {
            waiting,
            routes_in_flight,
            ..
        } = interval;
        let Self {
            in_flight, overdue, ..
        } = self;
        routes_in_flight.clear();
        for side in Side::ALL {
            waiting[side].clear();
        }
        for (_, request) in in_flight {
            let Assignment { side, cause, .. } = request.assignment;
            of_route(routes_in_flight, request.route)[side] += 1;
            let Some(since) = request.waiting_since else {
                continue;
            };
            let age = now.since(since);
            let mark = WaitMark::passed(age);
            if cause == Cause::Weighted && mark > request.told && overdue.len() < OVERDUE_MAX {
                overdue.push(Overdue {
                    assignment: Assignment {
                        generation: request.waiting_in,
                        ..request.assignment
                    },
                    route: request.route,
                    mark,
                    told: mem::replace(&mut request.told, mark),
                });
            }
            if cause != Cause::Forced {
                waiting[side].push(Waiting {
                    age: round_down(age),
                    requests: 1,
                    drawn: u32::from(cause == Cause::Weighted),
                    generation: request.waiting_in,
                });
            }
        }
        for side in Side::ALL {
            merge_equal(&mut waiting[side]);
        }
    }
}

/// The counts of a route, in a list that is in the order of the ids.
fn of_route(routes: &mut Vec<(RouteId, PerSide<u32>)>, id: RouteId) -> &mut PerSide<u32> {
    let place = match routes.binary_search_by_key(&id, |it| it.0) {
        Ok(place) => place,
        Err(place) => {
            routes.insert(place, (id, PerSide::default()));
            place
        }
    };
    &mut routes[place].1
}

fn merge_equal(waiting: &mut Vec<Waiting>) {
    waiting.sort_unstable_by_key(|it| (it.generation, it.age));
    waiting.dedup_by(|next, kept| {
        let same = (next.generation, next.age) == (kept.generation, kept.age);
        if same {
            kept.requests += next.requests;
            kept.drawn += next.drawn;
        }
        same
    });
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

impl Drop for PauseTicket {
    fn drop(&mut self) {
        let mut inner = self.recorder.0.borrow_mut();
        let count = &mut inner.paused[self.cause.index()];
        *count = count.saturating_sub(1);
    }
}

impl Drop for TunnelTicket {
    fn drop(&mut self) {
        let mut inner = self.recorder.0.borrow_mut();
        let count = &mut inner.tunnels[self.side];
        *count = count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;

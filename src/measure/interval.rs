//! What one worker hands over: every measurement since the last time, and how long its requests wait now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    measure::{Arrived, Class, Pause, Rejection, WaitMark},
    plan::RouteId,
    split::{Assignment, Cause, WriterCell},
    units::{Generation, PerSide, Side, Slot, Timestamp},
};

/// Which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId(pub u16);

/// Everything one worker measured between two hand-overs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Whose.
    pub worker: WorkerId,
    /// When it was taken; the measurements lie before it.
    pub at: Timestamp,
    /// What was measured, in order.
    pub measurements: Vec<Measurement>,
    /// Drawn requests that have passed a mark of waiting, and wait on.
    pub overdue: Vec<Overdue>,
    /// Requests that wait for a response head now, by age.
    pub waiting: PerSide<Vec<Waiting>>,
    /// Requests in flight now, forced ones included.
    pub in_flight: PerSide<u32>,
    /// Requests in flight now for each endpoint, by its index.
    pub endpoints_in_flight: PerSide<Vec<u32>>,
    /// Requests in flight now for each route that has any, in the order of the ids.
    pub routes_in_flight: Vec<(RouteId, PerSide<u32>)>,
    /// Tunnels open now.
    pub tunnels: PerSide<u32>,
    /// Client connections open now.
    pub connections: u32,
    /// Bytes that wait for their other end now.
    #[serde(default)]
    pub buffered: u64,
    /// Listening sockets that accept nobody now, by [`Pause::index`].
    pub paused: [u32; Pause::ALL.len()],
    /// How often accepting has paused since the last interval, by [`Pause::index`].
    pub pauses: [u64; Pause::ALL.len()],
    /// Requests refused before assignment since the last interval, by [`Rejection::index`].
    pub rejected: [u64; Rejection::ALL.len()],
    /// Requests taken in since the last interval, where the plan moves names.
    #[serde(default)]
    pub arrived: Arrived,
    /// Requests that a drill's fault was injected into since the last interval.
    #[serde(default)]
    pub drilled: u64,
    /// Measurements that had to be dropped since the last interval because nobody took them.
    pub lost: u64,
    /// Clients whose writes are under way now, said only by a worker that drains: for the process that has taken over.
    #[serde(default)]
    pub writers: Vec<WriterCell>,
}

impl Interval {
    /// An interval in which nothing happened.
    #[must_use]
    pub fn empty(worker: WorkerId, at: Timestamp) -> Self {
        Self {
            worker,
            at,
            measurements: Vec::new(),
            overdue: Vec::new(),
            waiting: PerSide::default(),
            in_flight: PerSide::default(),
            endpoints_in_flight: PerSide::default(),
            routes_in_flight: Vec::new(),
            tunnels: PerSide::default(),
            connections: 0,
            buffered: 0,
            paused: Default::default(),
            pauses: Default::default(),
            rejected: Default::default(),
            arrived: Arrived::default(),
            drilled: 0,
            lost: 0,
            writers: Vec::new(),
        }
    }
}

/// One measurement of one request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Measurement {
    /// Its response head arrived from the side it was drawn for, or was given up waiting for.
    Head(Head),
    /// It ended.
    Finished(Finished),
}

/// What identifies a request's place in every count: where it went, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When.
    pub at: Timestamp,
    /// The side and why, the slot and the generation at which the wait for it began.
    pub assignment: Assignment,
    /// The route it matched.
    pub route: RouteId,
    /// The index of the endpoint that answered, within the side.
    pub endpoint: Option<u16>,
    /// From the head's arrival, or the last body byte sent if that is later, to the response head.
    pub latency: Duration,
    /// The mark that the request was told to have passed while it waited.
    pub told: WaitMark,
}

/// A request that still waits for its response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// The side and why, the slot and the generation at which the wait began.
    pub assignment: Assignment,
    /// The route it matched.
    pub route: RouteId,
    /// The mark that it has passed.
    pub mark: WaitMark,
    /// The one that was told of it before.
    pub told: WaitMark,
}

/// A request's final outcome; exactly one for each assigned request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// When.
    pub at: Timestamp,
    /// The side that it was drawn for (which owns the outcome also if the other one answered), why, slot, generation.
    pub assignment: Assignment,
    /// The route it matched.
    pub route: RouteId,
    /// The index of the last endpoint tried, within the side that it was drawn for.
    pub endpoint: Option<u16>,
    /// How it ended for its side.
    pub class: Class,
    /// The final response status that the client got, if any.
    pub status: Option<u16>,
    /// Whether old answered in place of new; the class is then new's error.
    pub is_failover: bool,
    /// Sends to endpoints; refused connects are none.
    pub attempts: u8,
    /// From the head's arrival to the end.
    pub duration: Duration,
    /// Request body bytes.
    pub bytes_up: u64,
    /// Response body bytes.
    pub bytes_down: u64,
}

/// Requests that have waited for a response head for the same time, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// For how long.
    pub age: Duration,
    /// How many.
    pub requests: u32,
    /// Of those, the ones assigned by weight.
    pub drawn: u32,
    /// The generation they were sent at.
    pub generation: Generation,
}

impl Measurement {
    /// When it was measured.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Head(it) => it.at,
            Self::Finished(it) => it.at,
        }
    }

    /// The assignment of its request.
    #[must_use]
    pub const fn assignment(&self) -> &Assignment {
        match self {
            Self::Head(it) => &it.assignment,
            Self::Finished(it) => &it.assignment,
        }
    }
}

impl Finished {
    /// Whether evidence may compare it: it was drawn by weight.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        self.assignment.cause == Cause::Weighted
    }

    /// The side that owns the outcome.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.assignment.side
    }

    /// The slot it was drawn from.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.assignment.slot
    }
}

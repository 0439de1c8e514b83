//! Counts since start: what status and metrics show.

mod part;

use std::collections::BTreeMap;

use crate::{
    measure::{
        Finished, Head, Interval, Latencies, Measurement, Pause, Rejection, Tally, WorkerId,
    },
    plan::{EndpointId, RouteId},
    split::Cause,
    units::{PerSide, Side, Timestamp},
};

pub use part::PartTotals;

/// Everything since start, by side, route and endpoint, and what is in flight now.
///
/// Routes and endpoints are the plan's, which bounds their number. Cloning copies 736 KiB of histograms
/// at most and 370 KiB with ordinary latencies, in 0.1 ms.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// By side.
    pub sides: PerSide<SideTotals>,
    /// By route; only those that had requests.
    pub routes: BTreeMap<RouteId, PerSide<PartTotals>>,
    /// By endpoint, for the requests whose last try it was; only those that had any.
    pub endpoints: BTreeMap<EndpointId, PartTotals>,
    /// Requests refused before they were assigned, by [`Rejection::index`].
    pub rejected: [u64; Rejection::ALL.len()],
    /// How often accepting has paused, by [`Pause::index`].
    pub pauses: [u64; Pause::ALL.len()],
    /// Measurements that were lost because a worker's log was full.
    pub lost: u64,
    /// What each worker reported last.
    workers: BTreeMap<WorkerId, Gauges>,
}

/// One side's counts. Forced requests are in `forced` and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct SideTotals {
    /// Outcomes by class, and latencies to the response head.
    pub tally: Tally,
    /// From the request head's arrival to the end.
    pub durations: Latencies,
    /// Request body bytes.
    pub bytes_up: u64,
    /// Response body bytes.
    pub bytes_down: u64,
    /// Sends to endpoints.
    pub attempts: u64,
    /// Requests drawn for this side that the other one answered.
    pub failovers: u64,
    /// Requests assigned by weight.
    pub weighted: u64,
    /// Requests that a pinned route sent here.
    pub pinned: u64,
    /// Requests that the rule for writes sent here.
    pub by_writes: u64,
    /// Reads of clients that had just written, kept on old.
    pub kept: u64,
    /// Requests by a signed override.
    pub forced: u64,
}

/// What is open at one worker now.
#[derive(Clone, Debug, Default)]
struct Gauges {
    at: Timestamp,
    in_flight: PerSide<u32>,
    endpoints_in_flight: PerSide<Vec<u32>>,
    routes_in_flight: Vec<(RouteId, PerSide<u32>)>,
    tunnels: PerSide<u32>,
    connections: u32,
    buffered: u64,
    paused: [u32; Pause::ALL.len()],
}

impl Totals {
    /// Adds one interval. Its gauges replace the ones that the same worker reported before.
    pub fn add(&mut self, interval: &Interval) {
        for measurement in &interval.measurements {
            match measurement {
                Measurement::Head(head) => self.add_head(head),
                Measurement::Finished(finished) => self.add_finished(finished),
            }
        }
        for (count, more) in self.rejected.iter_mut().zip(interval.rejected) {
            *count += more;
        }
        for (count, more) in self.pauses.iter_mut().zip(interval.pauses) {
            *count += more;
        }
        self.lost += interval.lost;
        let reported = self.workers.entry(interval.worker).or_default();
        if reported.at <= interval.at {
            reported.replace(interval);
        }
    }

    /// Requests in flight on `side`, forced ones included.
    #[must_use]
    pub fn in_flight(&self, side: Side) -> u64 {
        self.gauge(|it| it.in_flight[side])
    }

    /// Requests in flight at an endpoint, failed-over ones of the other side included.
    #[must_use]
    pub fn endpoint_in_flight(&self, id: EndpointId) -> u64 {
        let index = usize::from(id.index);
        self.gauge(|it| {
            it.endpoints_in_flight[id.side]
                .get(index)
                .copied()
                .unwrap_or(0)
        })
    }

    /// Requests in flight of a route.
    #[must_use]
    pub fn route_in_flight(&self, id: RouteId, side: Side) -> u64 {
        self.gauge(|it| {
            let found = it
                .routes_in_flight
                .binary_search_by_key(&id, |route| route.0);
            found.map_or(0, |index| it.routes_in_flight[index].1[side])
        })
    }

    /// Tunnels open to `side`.
    #[must_use]
    pub fn tunnels(&self, side: Side) -> u64 {
        self.gauge(|it| it.tunnels[side])
    }

    /// Client connections open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.gauge(|it| it.connections)
    }

    /// Bytes that wait for their other end.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.workers.values().map(|it| it.buffered).sum()
    }

    /// Whether some listening socket accepts nobody now, for this cause.
    #[must_use]
    pub fn is_paused(&self, cause: Pause) -> bool {
        self.gauge(|it| it.paused[cause.index()]) > 0
    }

    /// Requests refused before they were assigned, for whatever reason.
    #[must_use]
    pub fn rejections(&self) -> u64 {
        self.rejected.iter().sum()
    }

    fn add_head(&mut self, head: &Head) {
        let Head { assignment, .. } = head;
        if assignment.cause == Cause::Forced {
            return;
        }
        let side = assignment.side;
        self.sides[side].tally.add_heads(head.latency, 1);
        let route = self.routes.entry(head.route).or_default();
        route[side].heads.add(head.latency);
        if let Some(index) = head.endpoint {
            let endpoint = self.endpoints.entry(EndpointId { side, index });
            endpoint.or_default().heads.add(head.latency);
        }
    }

    fn add_finished(&mut self, finished: &Finished) {
        let side = finished.side();
        if self.sides[side].add(finished) == Counted::Apart {
            return;
        }
        let route = self.routes.entry(finished.route).or_default();
        route[side].add(finished);
        if let Some(index) = finished.endpoint {
            let endpoint = self.endpoints.entry(EndpointId { side, index });
            endpoint.or_default().add(finished);
        }
    }

    fn gauge(&self, of: impl Fn(&Gauges) -> u32) -> u64 {
        self.workers.values().map(|it| u64::from(of(it))).sum()
    }
}

/// Whether a request was counted with its side's, or only apart from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    With,
    Apart,
}

impl SideTotals {
    fn add(&mut self, finished: &Finished) -> Counted {
        match finished.assignment.cause {
            Cause::Forced => {
                self.forced += 1;
                return Counted::Apart;
            }
            Cause::Pinned => self.pinned += 1,
            Cause::Writes => self.by_writes += 1,
            Cause::Kept => self.kept += 1,
            Cause::Weighted => self.weighted += 1,
        }
        self.tally.add_finished(finished);
        self.durations.add(finished.duration, 1);
        self.bytes_up += finished.bytes_up;
        self.bytes_down += finished.bytes_down;
        self.attempts += u64::from(finished.attempts);
        self.failovers += u64::from(finished.is_failover);
        Counted::With
    }
}

impl Gauges {
    /// Takes the place of what was reported before, in the same memory.
    fn replace(&mut self, interval: &Interval) {
        self.at = interval.at;
        self.in_flight = interval.in_flight;
        for side in Side::ALL {
            let counts = &interval.endpoints_in_flight[side];
            self.endpoints_in_flight[side].clone_from(counts);
        }
        self.routes_in_flight.clone_from(&interval.routes_in_flight);
        self.tunnels = interval.tunnels;
        self.connections = interval.connections;
        self.buffered = interval.buffered;
        self.paused = interval.paused;
    }
}

#[cfg(test)]
mod tests;

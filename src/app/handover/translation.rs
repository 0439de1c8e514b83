//! From the numbers that another process gave to workers, endpoints and routes to our own.

use std::collections::BTreeMap;

use crate::{
    app::handover::hello::Hello,
    measure::{Interval, Measurement, WorkerId},
    plan::{Edition, RouteId},
    units::{PerSide, Side, Timestamp},
};

/// Our own workers are numbered from 0, far below this.
const FIRST_WORKER: u16 = 0x8000;

/// What an earlier process's numbers mean here.
#[derive(Debug)]
pub(super) struct Translation {
    workers: BTreeMap<WorkerId, WorkerId>,
    endpoints: PerSide<BTreeMap<u16, u16>>,
    routes: BTreeMap<u16, RouteId>,
}

impl Translation {
    /// Endpoints are known by their address, routes by their name.
    pub(super) fn new(hello: &Hello, edition: &Edition) -> Self {
        let endpoints = |side| {
            let theirs = hello.endpoints[side].iter();
            let ours = |address: &String| {
                let mut ours = edition.endpoints(side);
                let found = ours.find(|(_, it)| it.to_string() == *address);
                found.map(|(id, _)| id.index)
            };
            theirs
                .filter_map(|(index, address)| Some((*index, ours(address)?)))
                .collect()
        };
        let ours = |name: &String| {
            let found = edition.routes().find(|(_, it)| it.name == *name);
            found.map(|(id, _)| id)
        };
        let routes = hello.routes.iter();
        Self {
            workers: BTreeMap::new(),
            endpoints: PerSide::from_fn(endpoints),
            routes: routes
                .filter_map(|(id, name)| Some((*id, ours(name)?)))
                .collect(),
        }
    }

    /// The same measurements in our numbers. What is not there any more is booked with no endpoint, or with the rest.
    pub(super) fn apply(&mut self, mut interval: Interval) -> Interval {
        let next = u16::try_from(self.workers.len()).map_or(u16::MAX, |it| FIRST_WORKER | it);
        let worker = self.workers.entry(interval.worker);
        interval.worker = *worker.or_insert(WorkerId(next));
        for measurement in &mut interval.measurements {
            let (side, route, endpoint) = match measurement {
                Measurement::Head(it) => (it.assignment.side, &mut it.route, &mut it.endpoint),
                Measurement::Finished(it) => (it.assignment.side, &mut it.route, &mut it.endpoint),
            };
            *route = self.route(*route);
            *endpoint = endpoint.and_then(|it| self.endpoints[side].get(&it).copied());
        }
        for overdue in &mut interval.overdue {
            overdue.route = self.route(overdue.route);
        }
        for side in Side::ALL {
            let theirs = std::mem::take(&mut interval.endpoints_in_flight[side]);
            let ours = &mut interval.endpoints_in_flight[side];
            for (index, count) in (0..).zip(theirs) {
                if let Some(index) = self.endpoints[side].get(&index) {
                    let index = usize::from(*index);
                    ours.resize(ours.len().max(index + 1), 0);
                    ours[index] = count;
                }
            }
        }
        let theirs = std::mem::take(&mut interval.routes_in_flight);
        let mut routes: BTreeMap<RouteId, PerSide<u32>> = BTreeMap::new();
        for (id, count) in theirs {
            let sum = routes.entry(self.route(id)).or_default();
            for side in Side::ALL {
                sum[side] += count[side];
            }
        }
        interval.routes_in_flight = routes.into_iter().collect();
        interval
    }

    /// That nothing is open any more at any of its workers.
    pub(super) fn farewells(&self, now: Timestamp) -> impl Iterator<Item = Interval> {
        let workers = self.workers.values();
        workers.map(move |id| Interval::empty(*id, now))
    }

    fn route(&self, id: RouteId) -> RouteId {
        self.routes.get(&id.0).copied().unwrap_or(RouteId::REST)
    }
}

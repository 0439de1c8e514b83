//! Counts since start: what status and metrics show.

use std::collections::BTreeMap;

use crate::{
    measure::{Class, Interval, Tally},
    plan::{EndpointId, RouteId},
    units::PerSide,
};

/// Everything since start, by side, route and endpoint.
#[derive(Debug, Default)]
pub struct Totals {
    /// By side.
    pub sides: PerSide<SideTotals>,
    /// By route.
    pub routes: BTreeMap<RouteId, RouteTotals>,
    /// By endpoint.
    pub endpoints: BTreeMap<EndpointId, EndpointTotals>,
}

/// One side's counts.
#[derive(Debug, Default)]
pub struct SideTotals {
    /// Outcomes by class and latencies.
    pub tally: Tally,
}

/// One route's counts.
#[derive(Debug, Default)]
pub struct RouteTotals {
    /// Outcomes by class.
    pub classes: PerSide<[u64; Class::ALL.len()]>,
}

/// One endpoint's counts.
#[derive(Debug, Default)]
pub struct EndpointTotals {
    /// Outcomes by class.
    pub classes: [u64; Class::ALL.len()],
}

impl Totals {
    /// Adds one interval.
    pub fn add(&mut self, _interval: &Interval) {}
}

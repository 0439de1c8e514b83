//! The immutable table that assigns requests.

use std::sync::Arc;

use crate::{
    plan::SplitPlan,
    split::RouteTable,
    units::{Generation, Salt, Timestamp, Weight},
};

/// Everything that an assignment depends on, but the request. Replaced whole, never changed.
#[derive(Clone, Debug)]
pub struct SplitTable {
    /// Its number.
    pub generation: Generation,
    /// The share of new.
    pub weight: Weight,
    /// The key of the assignment hash.
    pub salt: Salt,
    /// The edition of the plan that what follows is of.
    pub edition: u32,
    /// Stickiness and the rule for writes.
    pub split: Arc<SplitPlan>,
    /// The routes, compiled.
    pub routes: Arc<RouteTable>,
    /// The last withdrawal of new, if there was one.
    pub withdrawal: Option<Withdrawal>,
}

/// A rollback's order about tunnels that were open to new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The rollback's generation: tunnels assigned at an earlier one end.
    pub generation: Generation,
    /// When they end.
    pub tunnels_end: Timestamp,
}

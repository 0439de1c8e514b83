//! `[resolver]`: who says where endpoints' names lead.

use std::time::Duration;

use crate::{
    config::{
        reader::{Section, Shape, duration, list, parsed},
        scalar,
    },
    plan::ResolverPlan,
};

/// The keys of `[resolver]`.
pub(super) const SHAPE: Shape = Shape {
    path: "resolver",
    keys: &["addresses", "interval"],
};

/// More are no more reliable, and each that does not answer delays the next.
const ADDRESSES: usize = 8;
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);

/// Reads `[resolver]`.
pub(super) fn read(root: &Section<'_>) -> ResolverPlan {
    let section = root.table("resolver", &SHAPE);
    let address = parsed(scalar::ADDRESS, scalar::address);
    let addresses = section.get("addresses", list(ADDRESSES, address));
    let interval = section.get("interval", duration(LEAST..=MOST));
    ResolverPlan {
        addresses: addresses.into_iter().flatten().map(|(it, _)| it).collect(),
        interval: interval.unwrap_or(ResolverPlan::DEFAULT.interval),
    }
}

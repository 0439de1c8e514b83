//! The whole file, section by section.

use toml::de::DeTable;

use crate::{
    config::{
        admin, defaults, dns, evidence, forwarding, gate, limits, listener, ramp,
        reader::{Reader, Section, Shape, count, text},
        replication, resolver, rollback, route, shadow, split, store, timeouts, trigger, upstream,
    },
    plan::Plan,
    units::{PerSide, Side},
};

/// The keys of the file outside any table, and its tables.
pub(super) const SHAPE: Shape = Shape {
    path: "",
    keys: &[
        "name",
        "workers",
        "store",
        "admin",
        "listener",
        "old",
        "new",
        "split",
        "route",
        "ramp",
        "evidence",
        "trigger",
        "gate",
        "rollback",
        "forwarding",
        "resolver",
        "replication",
        "dns",
        "shadow",
        "timeouts",
        "limits",
    ],
};

/// Every kind of table that a file may hold.
#[cfg(test)]
pub(super) const SHAPES: &[&Shape] = &[
    &SHAPE,
    &store::SHAPE,
    &admin::SHAPE,
    &admin::OPERATOR,
    &admin::CERTIFICATE,
    &listener::SHAPE,
    &listener::CERTIFICATE,
    &upstream::SHAPE,
    &upstream::HEALTH,
    &upstream::EJECTION,
    &upstream::TLS,
    &upstream::CLIENT_CERTIFICATE,
    &split::SHAPE,
    &split::COOKIE,
    &split::FORCE,
    &route::SHAPE,
    &ramp::SHAPE,
    &ramp::STEP,
    &evidence::SHAPE,
    &evidence::TOLERATE,
    &trigger::SHAPE,
    &gate::SHAPE,
    &gate::REPLICATION,
    &gate::DRILL,
    &rollback::SHAPE,
    &forwarding::SHAPE,
    &resolver::SHAPE,
    &replication::SHAPE,
    &dns::SHAPE,
    &dns::PROVIDER,
    &dns::NAME,
    &dns::FROM,
    &dns::TO,
    &shadow::SHAPE,
    &shadow::IGNORE,
    &timeouts::SHAPE,
    &limits::SHAPE,
];

/// Reads the whole file. Whatever is wrong is noted with the reader; `None` where nothing could stand in for it.
pub(super) fn read<'r>(reader: &'r Reader<'r>, table: &'r DeTable<'r>) -> Option<Plan> {
    let root = Section::root(reader, table, &SHAPE);
    let name = root.get("name", text());
    let workers = root.get("workers", count(1..=1_024));
    let store::StorePart { path, observations } = store::read(&root);
    let admin = admin::read(&root);
    let listeners = listener::read(&root, admin.address);
    let old = upstream::read(&root, Side::Old);
    let new = upstream::read(&root, Side::New);
    let split = split::read(&root);
    let routes = route::read(&root);
    let (evidence, holdback) = evidence::read(&root);
    let ramp = ramp::read(&root, holdback);
    let replications = replication::read(&root);
    let triggers = trigger::read(&root, &replications);
    let gates = gate::read(&root, &replications);
    let rollback = rollback::read(&root);
    let forwarding = forwarding::read(&root);
    let resolver = resolver::read(&root);
    let dns = dns::read(&root);
    let shadow = shadow::read(&root, &routes);
    let timeouts = timeouts::read(&root);
    let limits = limits::read(&root);
    Some(Plan {
        name: name.unwrap_or_else(|| defaults::NAME.to_owned()),
        store: path,
        observations,
        admin,
        listeners,
        upstreams: PerSide {
            old: old?,
            new: new?,
        },
        split,
        routes,
        ramp,
        evidence,
        triggers,
        gates,
        rollback,
        forwarding,
        resolver,
        replications,
        shadow,
        dns,
        timeouts,
        limits,
        workers: workers.unwrap_or_else(defaults::workers),
    })
}

//! A plan, a table and a time for all benchmarks.

use std::{fmt::Write, path::Path, sync::Arc};

use changeover::{
    config,
    plan::{Plan, RouteId},
    split::{Assignment, Cause, RouteTable, SplitTable},
    units::{Generation, Salt, Side, Slot, Timestamp, Weight},
};

/// A Sunday at noon.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

/// What the benchmarks of peers are measured with: a sticky cookie, one trigger more, and the ramp as it comes.
pub(crate) fn plan(routes: usize) -> Plan {
    let mut text = String::from(PLAN);
    for number in 0..routes {
        write!(
            text,
            "[[route]]\nname = \"part-{number}\"\npath = \"/part/{number}\"\n"
        )
        .expect("a string takes everything");
    }
    let loaded = config::parse(&text, Path::new("micro.toml"), Path::new("/tmp"));
    loaded.expect("it is a right file").plan
}

/// At 5 %.
pub(crate) fn table(plan: &Plan) -> SplitTable {
    SplitTable {
        generation: Generation::new(7),
        weight: Weight::from_basis_points(500).expect("a weight"),
        salt: Salt::new([3; 16]),
        edition: 0,
        split: Arc::new(plan.split.clone()),
        routes: Arc::new(RouteTable::new(&plan.routes)),
        withdrawal: None,
    }
}

/// The assignment of the request of that number: every 20th is on new.
pub(crate) fn assignment(number: usize) -> Assignment {
    Assignment {
        side: if number.is_multiple_of(20) {
            Side::New
        } else {
            Side::Old
        },
        cause: Cause::Weighted,
        slot: Slot::from_hash(u64::try_from(number).expect("a small number")),
        generation: Generation::new(7),
    }
}

/// The route of every request.
pub(crate) const ROUTE: RouteId = RouteId::REST;

const PLAN: &str = r#"
name = "micro"

[[listener]]
address = "127.0.0.1:0"

[old]
endpoints = ["http://127.0.0.1:9001"]

[new]
endpoints = ["http://127.0.0.1:9002"]

[split]
sticky = "cookie"
writes = "split"

[forwarding]
trusted = ["127.0.0.0/8"]

[[trigger]]
name = "errors"
reading = "error_rate"
above = "2%"
window = "10s"
requests = 50

[[trigger]]
name = "slow"
reading = "latency_p99"
above = "500ms"
window = "10s"
requests = 50

[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5

"#;

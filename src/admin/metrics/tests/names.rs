//! What is shown of names: two servers, one of which is behind or silent.

use std::{collections::BTreeMap, time::Duration};

use hickory_resolver::proto::rr::Name;

use super::{Expected, Exposition, check, exposition_of, plan};
use crate::{
    admin::fixture,
    control::{ArrivalsStatus, DnsOrderStatus, DnsStatus, LoweredStatus, ServerStatus},
    cutover::{Actor, DnsOrder, DnsPurpose, DnsStanding, Leads, Lowered, Names},
    plan::{
        DnsPlan,
        dns::{Change, DnsMoves, DnsName, Kind, LookPlan, ProviderPlan, RecordSet, Ttl, Value},
    },
};

const FIRST: [(&str, &str); 2] = [
    ("server", "ns1.shop.example."),
    ("address", "192.0.2.53:53"),
];
const SECOND: [(&str, &str); 2] = [
    ("server", "ns2.shop.example."),
    ("address", "[2001:db8::53]:53"),
];

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn value(address: &str) -> Value {
    Value::parse(Kind::A, address).expect("an address")
}

fn set(ttl: u32, address: &str) -> RecordSet {
    RecordSet {
        name: name("www.shop.example."),
        kind: Kind::A,
        ttl: Ttl(ttl),
        values: [value(address)].into(),
    }
}

const OLD: &str = "192.0.2.1";
const NEW: &str = "198.51.100.1";

fn dns_plan() -> DnsPlan {
    let leads_to = |address| BTreeMap::from([(Kind::A, [value(address)].into())]);
    DnsPlan {
        zone: name("shop.example."),
        names: vec![DnsName {
            name: name("www.shop.example."),
            from: leads_to(OLD),
            to: leads_to(NEW),
        }],
        ttl: Ttl(60),
        moves: DnsMoves::Manually,
        quiet: crate::plan::dns::Quiet::DEFAULT,
        gap: Duration::from_secs(60),
        look: LookPlan {
            start: Vec::new(),
            port: 53,
            timeout: Duration::from_secs(2),
            resolvers: Vec::new(),
        },
        provider: ProviderPlan::Manual,
    }
}

/// What a server says, or why that is not known.
type Said = Result<Vec<RecordSet>, &'static str>;

fn server([(_, name), (_, address)]: [(&str, &str); 2], said: &Said) -> ServerStatus {
    ServerStatus {
        name: name.to_owned(),
        address: address.parse().expect("an address"),
        says: said.clone().unwrap_or_default(),
        fault: said.clone().err().map(str::to_owned),
    }
}

/// Before any order.
fn unordered(first: &Said, second: &Said) -> DnsStatus {
    DnsStatus {
        leads: Leads::From,
        order: None,
        progress: None,
        names: None,
        is_recorded: true,
        due: None,
        ttl: None,
        waits: Vec::new(),
        servers: vec![server(FIRST, first), server(SECOND, second)],
        unknown: None,
        resolvers: Vec::new(),
        arrivals: ArrivalsStatus::default(),
        quiet: None,
    }
}

/// After an order to move, whose state this is, with 100 s of a day left.
fn moving(standing: DnsStanding, first: &Said, second: &Said) -> DnsStatus {
    let change = Change::new(
        name("shop.example."),
        vec![set(60, OLD)],
        vec![set(60, NEW)],
    );
    let change = change.expect("a change");
    let state = match &standing {
        DnsStanding::Ordered => "ordered",
        DnsStanding::Served { .. } => "served",
        DnsStanding::Stopped { .. } => "stopped",
    };
    let order = DnsOrderStatus {
        purpose: DnsPurpose::Move,
        change: change.clone(),
        then: Vec::new(),
        at: fixture::AT,
        actor: "plan".to_owned(),
        state: state.to_owned(),
        why: None,
        served_at: None,
        stale_until: None,
    };
    let leads = match &standing {
        DnsStanding::Ordered | DnsStanding::Served { .. } => Leads::To,
        DnsStanding::Stopped { .. } => Leads::From,
    };
    let names = Names {
        order: DnsOrder {
            purpose: DnsPurpose::Move,
            change: change.clone(),
            then: Vec::new(),
            is_proven: false,
        },
        at: fixture::AT,
        actor: Actor::Plan,
        standing,
        leads,
        lowered: Some(Lowered {
            ttl: Ttl(60),
            wait: Duration::from_secs(86_400),
            original: vec![set(86_400, OLD)],
        }),
        moved: Some(change),
        moved_at: None,
        quiet_at: None,
    };
    DnsStatus {
        leads,
        order: Some(order),
        names: Some(names),
        ttl: Some(LoweredStatus {
            ttl: Ttl(60),
            needed_s: 86_400.0,
            observed_s: 86_300.0,
            unobserved_s: 0.0,
            gaps: 0,
            since: Some(fixture::AT),
            satisfied: false,
            earliest: None,
            broken_at: None,
            broken_by: None,
        }),
        ..unordered(first, second)
    }
}

fn shown(dns: DnsStatus) -> Exposition {
    let mut plan = plan();
    plan.dns = Some(dns_plan());
    let mut status = fixture::status();
    status.dns = Some(dns);
    exposition_of(plan, &status)
}

/// An exposition that has every metric of names.
pub(super) fn exposition() -> Exposition {
    let said = Ok(vec![set(60, NEW)]);
    shown(moving(DnsStanding::Ordered, &said, &said))
}

fn order(state: &'static str, purpose: &'static str) -> [(&'static str, &'static str); 2] {
    [("order", purpose), ("state", state)]
}

#[test]
fn a_move_is_shown_with_every_server_that_is_behind() {
    let (moved, late) = (Ok(vec![set(60, NEW)]), Ok(vec![set(3600, OLD)]));
    let found = shown(moving(DnsStanding::Ordered, &moved, &late));
    let expected: &[Expected<'_>] = &[
        ("changeover_dns_moved", &[], 1.0),
        ("changeover_dns_servers_known", &[], 1.0),
        ("changeover_dns_ttl_remaining_seconds", &[], 100.0),
        ("changeover_dns_order_state", &order("ordered", "move"), 1.0),
        ("changeover_dns_order_state", &order("served", "move"), 0.0),
        (
            "changeover_dns_order_state",
            &order("ordered", "revert"),
            0.0,
        ),
        ("changeover_dns_server_answers", &FIRST, 1.0),
        ("changeover_dns_server_as_expected", &FIRST, 1.0),
        ("changeover_dns_server_ttl_seconds", &FIRST, 60.0),
        ("changeover_dns_server_answers", &SECOND, 1.0),
        ("changeover_dns_server_as_expected", &SECOND, 0.0),
        ("changeover_dns_server_ttl_seconds", &SECOND, 3600.0),
    ];
    check(&found, expected);
    let orders = found.of("changeover_dns_order_state");
    assert_eq!(orders.count(), 12, "four kinds in three states");
}

#[test]
fn nothing_is_said_of_what_a_silent_server_says() {
    let (moved, silent) = (Ok(vec![set(60, NEW)]), Err("no answer within 2s"));
    let served = DnsStanding::Served { at: fixture::AT };
    let found = shown(moving(served, &moved, &silent));
    let expected: &[Expected<'_>] = &[
        ("changeover_dns_order_state", &order("served", "move"), 1.0),
        ("changeover_dns_server_answers", &SECOND, 0.0),
    ];
    check(&found, expected);
    for name in [
        "changeover_dns_server_as_expected",
        "changeover_dns_server_ttl_seconds",
    ] {
        assert_eq!(found.value(name, &SECOND), None, "{name}");
        assert!(found.value(name, &FIRST).is_some(), "{name}");
    }
}

#[test]
fn a_stopped_order_leaves_what_was_before_it() {
    let (stayed, moved) = (Ok(vec![set(60, OLD)]), Ok(vec![set(60, NEW)]));
    let stopped = DnsStanding::Stopped {
        why: "refused".to_owned(),
    };
    let expected: &[Expected<'_>] = &[
        ("changeover_dns_moved", &[], 0.0),
        ("changeover_dns_order_state", &order("stopped", "move"), 1.0),
        ("changeover_dns_server_as_expected", &FIRST, 1.0),
        ("changeover_dns_server_as_expected", &SECOND, 0.0),
    ];
    check(&shown(moving(stopped, &stayed, &moved)), expected);
}

#[test]
fn before_any_order_servers_are_held_against_the_plan() {
    let forgotten = RecordSet {
        kind: Kind::Aaaa,
        values: [Value::parse(Kind::Aaaa, "2001:db8::1").expect("an address")].into(),
        ..set(300, OLD)
    };
    let (planned, odd) = (
        Ok(vec![set(86_400, OLD)]),
        Ok(vec![set(300, OLD), forgotten]),
    );
    let found = shown(unordered(&planned, &odd));
    let expected: &[Expected<'_>] = &[
        ("changeover_dns_moved", &[], 0.0),
        ("changeover_dns_server_as_expected", &FIRST, 1.0),
        ("changeover_dns_server_as_expected", &SECOND, 0.0),
        ("changeover_dns_server_ttl_seconds", &FIRST, 86_400.0),
    ];
    check(&found, expected);
    let remaining = found.value("changeover_dns_ttl_remaining_seconds", &[]);
    assert_eq!(remaining, None);
    let orders = found.of("changeover_dns_order_state");
    assert!(orders.map(|it| it.value).all(|it| it < 0.5));
}

#[test]
fn servers_that_are_not_found_are_no_series() {
    let unknown = DnsStatus {
        servers: Vec::new(),
        unknown: Some("the servers of shop.example. were not found".to_owned()),
        ..unordered(&Err(""), &Err(""))
    };
    let found = shown(unknown);
    check(&found, &[("changeover_dns_servers_known", &[], 0.0)]);
    assert_eq!(found.of("changeover_dns_server_answers").count(), 0);
}

#[test]
fn without_names_nothing_is_shown_of_them() {
    let found = super::exposition();
    let mut kinds = found.kinds.keys();
    assert!(!kinds.any(|it| it.starts_with("changeover_dns_")));
}

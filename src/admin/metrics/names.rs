//! What `/metrics` says of names in DNS. Series are bounded by the zone's servers, of which a walk takes only so many.

use super::{
    families::{Families, Family},
    table, truth,
};
use crate::{
    control::{DnsStatus, ServerStatus, Status},
    cutover::{DnsPurpose, DnsStanding, Leads},
    plan::{
        DnsPlan, Edition,
        dns::{Kind, RecordSet},
    },
};

/// What orders are for.
const PURPOSES: [DnsPurpose; 4] = [
    DnsPurpose::LowerTtl,
    DnsPurpose::Move,
    DnsPurpose::Revert,
    DnsPurpose::RestoreTtl,
];

/// The states of an order, as in the status.
const STATES: [&str; 3] = ["ordered", "served", "stopped"];

/// Adds what is known of names; nothing where the configuration has none.
pub(super) fn add_names(families: &mut Families, edition: &Edition, status: &Status) {
    let (Some(plan), Some(dns)) = (&edition.plan().dns, &status.dns) else {
        return;
    };
    families.single(table::DNS_MOVED, truth(dns.leads == Leads::To));
    add_order(families, dns);
    if let Some(ttl) = &dns.ttl {
        let left = (ttl.needed_s - ttl.observed_s).max(0.0);
        families.single(table::DNS_TTL_REMAINING, left);
    }
    families.single(table::DNS_SERVERS_KNOWN, truth(dns.unknown.is_none()));
    add_servers(families, plan, dns);
}

fn add_order(families: &mut Families, dns: &DnsStatus) {
    let mut orders = Family::of(table::DNS_ORDER);
    for purpose in PURPOSES {
        let name = purpose.to_string();
        for state in STATES {
            let last = dns.order.as_ref();
            let is_last = last.is_some_and(|it| it.purpose == purpose && it.state == state);
            orders.push(&[("order", &name), ("state", state)], truth(is_last));
        }
    }
    families.add(orders);
}

fn add_servers(families: &mut Families, plan: &DnsPlan, dns: &DnsStatus) {
    let mut answers = Family::of(table::DNS_SERVER_ANSWERS);
    let mut expected = Family::of(table::DNS_SERVER_EXPECTED);
    let mut ttl = Family::of(table::DNS_SERVER_TTL);
    for server in &dns.servers {
        let address = server.address.to_string();
        let labels = [
            ("server", server.name.as_str()),
            ("address", address.as_str()),
        ];
        answers.push(&labels, truth(server.fault.is_none()));
        if server.fault.is_some() {
            continue;
        }
        expected.push(&labels, truth(is_as_expected(plan, dns, server)));
        if let Some(longest) = server.says.iter().map(|it| it.ttl).max() {
            ttl.push(&labels, longest.duration().as_secs_f64());
        }
    }
    for family in [answers, expected, ttl] {
        families.add(family);
    }
}

/// Whether a server says what the last order came to. One that stopped left what was there before it; before the first, the plan
/// says what is there, whatever the TTL.
fn is_as_expected(plan: &DnsPlan, dns: &DnsStatus, server: &ServerStatus) -> bool {
    let Some(names) = &dns.names else {
        return says_from(plan, &server.says);
    };
    let change = &names.order.change;
    let expected = match &names.standing {
        DnsStanding::Ordered | DnsStanding::Served { .. } => change.after(),
        DnsStanding::Stopped { .. } => change.before(),
    };
    RecordSet::are_same(&server.says, expected)
}

fn says_from(plan: &DnsPlan, says: &[RecordSet]) -> bool {
    plan.names.iter().all(|name| {
        Kind::ALL.iter().all(|kind| {
            let mut sets = says.iter();
            let said = sets.find(|it| it.name == name.name && it.kind == *kind);
            said.map(|it| &it.values) == name.from.get(kind)
        })
    })
}

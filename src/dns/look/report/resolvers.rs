//! Resolvers: whether they keep answers for longer than they are told.

use std::net::SocketAddr;

use super::{Case, Fault, joined, said};
use crate::{
    dns::look::{authority::plain, view::find},
    plan::dns::{DnsName, Kind, RecordSet},
};

pub(super) fn keep_to_ttls(case: &Case<'_>) -> Vec<Fault> {
    if case.seen.resolvers.is_empty() {
        return vec![Fault::pass("none is asked: `resolvers` in [dns] is empty")];
    }
    let mut faults = Vec::new();
    for view in &case.seen.resolvers {
        match &view.sets {
            Ok(sets) => {
                for name in &case.plan.names {
                    let kinds = Kind::ALL.iter();
                    faults
                        .extend(kinds.filter_map(|it| fault(case, view.address, sets, name, *it)));
                }
            }
            Err(why) => {
                let remedy = "see whether this resolver shall be watched at all";
                faults.push(Fault::warn(why.to_string(), remedy).about(view.address.to_string()));
            }
        }
    }
    faults
}

fn fault(
    case: &Case<'_>,
    resolver: SocketAddr,
    sets: &[RecordSet],
    name: &DnsName,
    kind: Kind,
) -> Option<Fault> {
    let served: Vec<Option<&RecordSet>> = case
        .answers()
        .map(|(_, it)| find(&it.sets, &name.name, kind))
        .collect();
    let found = find(sets, &name.name, kind);
    let values = |it: &RecordSet| it.values.clone();
    let is_served = served.iter().any(|it| it.map(values) == found.map(values));
    let longest = served.iter().flatten().map(|it| it.ttl).max();
    let what = format!("{resolver}, {} {kind}", plain(&name.name));
    match (is_served, found, longest) {
        _ if served.is_empty() => None,
        (false, _, _) => {
            let each = served.iter().map(|it| said(*it));
            let mut each: Vec<String> = each.collect();
            each.dedup();
            let fault = Fault::warn(
                format!(
                    "it says {}, the zone's servers {}",
                    said(found),
                    joined(each.iter())
                ),
                "wait until its answer is too old, or ask whoever runs it",
            );
            Some(fault.about(what))
        }
        (true, Some(found), Some(longest)) if found.ttl > longest => {
            let fault = Fault::warn(
                format!(
                    "it keeps the answer for {} and is told {longest}",
                    found.ttl
                ),
                "expect its clients at the old address for so much longer after the move",
            );
            Some(fault.about(what))
        }
        (true, _, _) => None,
    }
}

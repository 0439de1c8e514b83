//! The names of the plan: what they say, and what of it would stay behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Case, Fault, Standing, joined};
use crate::{
    dns::look::{authority::plain, seen::target, view::find},
    plan::dns::{DnsName, Kind, RecordSet, Records, Value},
};

/// Where a name leads; kinds that the plan does not name are left out, and so are TTLs.
pub(super) fn standing(case: &Case<'_>, name: &DnsName) -> Standing {
    let (mut from, mut to, mut all) = (0, 0, 0);
    for (_, answers) in case.answers() {
        all += 1;
        if differing(&answers.sets, name, &name.from).is_empty() {
            from += 1;
        } else if differing(&answers.sets, name, &name.to).is_empty() {
            to += 1;
        }
    }
    match (from, to, all) {
        (_, _, 0) => Standing::Unknown,
        (from, _, all) if from == all => Standing::From,
        (_, to, all) if to == all => Standing::To,
        (from, to, all) if from + to == all => Standing::Between,
        (_, _, _) => Standing::Other,
    }
}

/// The kinds of the plan that say something else than they should.
fn differing(sets: &[RecordSet], name: &DnsName, expected: &Records) -> Vec<Kind> {
    let kinds: BTreeSet<Kind> = name.from.keys().chain(name.to.keys()).copied().collect();
    let differs = |kind: &Kind| {
        let found = find(sets, &name.name, *kind).map(|it| &it.values);
        found != expected.get(kind)
    };
    kinds.into_iter().filter(differs).collect()
}

pub(super) fn expected(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in &case.plan.names {
        let fault = match standing(case, name) {
            Standing::From | Standing::Unknown => continue,
            Standing::To => Fault::warn(
                "it says what the plan has in `to`: it has moved already",
                "nothing, if it was you; otherwise find out who moved it",
            ),
            Standing::Between => Fault::fail(
                "some servers say what the plan has in `from`, others what it has in `to`",
                "wait until all of them say the same",
            ),
            Standing::Other => Fault::fail(
                others(case, name),
                "make `from` what is served, or the zone what the plan says: a move replaces what it expects, and \
                 nothing else",
            ),
        };
        faults.push(fault.about(plain(&name.name)));
    }
    faults
}

/// What is expected and what is there, on the first server where that differs from both.
fn others(case: &Case<'_>, name: &DnsName) -> String {
    let mut servers = case.answers().filter_map(|(seen, answers)| {
        let kinds = differing(&answers.sets, name, &name.from);
        let is_other = !differing(&answers.sets, name, &name.to).is_empty();
        (is_other && !kinds.is_empty()).then_some((seen, answers, kinds))
    });
    let Some((seen, answers, kinds)) = servers.next() else {
        return "no server says what the plan expects".to_owned();
    };
    let values = |it: Option<&BTreeSet<Value>>| {
        it.map_or_else(|| "no record".to_owned(), |it| joined(it.iter()))
    };
    let each = kinds.iter().map(|kind| {
        let set = find(&answers.sets, &name.name, *kind);
        format!(
            "{kind}: expected {}, found {}",
            values(name.from.get(kind)),
            values(set.map(|it| &it.values))
        )
    });
    let each = each.collect::<Vec<_>>().join("; ");
    let alias = find(&answers.sets, &name.name, Kind::Cname)
        .filter(|_| !kinds.contains(&Kind::Cname))
        .map(|it| format!("; it is an alias of {}", joined(it.values.iter())));
    format!("{each}{} ({})", alias.unwrap_or_default(), seen.view.server)
}

/// Kinds that are served and that no move would touch. An alias is not among them: it takes the place of every other kind.
pub(super) fn left_behind(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in &case.plan.names {
        let mut left: BTreeMap<Kind, BTreeSet<&Value>> = BTreeMap::new();
        for (_, answers) in case.answers() {
            let of_name = answers.sets.iter().filter(|it| it.name == name.name);
            for set in of_name.filter(|it| it.kind != Kind::Cname && !is_named(name, it.kind)) {
                left.entry(set.kind).or_default().extend(&set.values);
            }
        }
        for (kind, values) in left {
            let fault = Fault::fail(
                format!(
                    "{kind} {} is served, and the plan does not name it: it would stay as it is when the others move",
                    joined(values.into_iter())
                ),
                format!(
                    "add {kind} to `from` of this name, and to `to` if it shall have one at new"
                ),
            );
            faults.push(fault.about(plain(&name.name)));
        }
    }
    faults
}

fn is_named(name: &DnsName, kind: Kind) -> bool {
    name.from.contains_key(&kind) || name.to.contains_key(&kind)
}

/// Clients may connect to a hint without ever asking for the address (RFC 9460 section 7.3), so that each has to be one of new.
pub(super) fn hints(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in &case.plan.names {
        let Some(addresses) = addresses(case, name) else {
            continue;
        };
        let served = case.answers().flat_map(|(_, it)| &it.sets);
        let served = served.filter(|it| it.name == name.name && it.kind == Kind::Https);
        let (records, place): (BTreeSet<&Value>, _) = match is_named(name, Kind::Https) {
            true => (
                name.to.get(&Kind::Https).into_iter().flatten().collect(),
                "`to` has the HTTPS record",
            ),
            false => (
                served.flat_map(|it| &it.values).collect(),
                "the HTTPS record that would stay is",
            ),
        };
        for record in records {
            let strange = record.addresses().into_iter();
            let strange: Vec<IpAddr> = strange.filter(|it| !addresses.contains(it)).collect();
            if strange.is_empty() {
                continue;
            }
            let fault = Fault::fail(
                format!(
                    "{place} {record}, whose hint {} is no address of `to`: clients would go on to it",
                    joined(strange.iter())
                ),
                "give `to` an HTTPS record with the hints of new, or with none",
            );
            faults.push(fault.about(plain(&name.name)));
        }
    }
    faults
}

/// Every address that the name leads to once it has moved; `None` where that is not known.
fn addresses(case: &Case<'_>, name: &DnsName) -> Option<BTreeSet<IpAddr>> {
    let own = [Kind::A, Kind::Aaaa].map(|kind| name.to.get(&kind));
    let mut all: BTreeSet<IpAddr> = own
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(Value::addresses)
        .collect();
    for alias in name.to.get(&Kind::Cname).into_iter().flatten() {
        let target = target(alias)?;
        let chain = case.seen.targets.iter().find(|it| it.name == target)?;
        let ends = chain.addresses().iter().flat_map(|it| &it.values);
        all.extend(ends.flat_map(Value::addresses));
    }
    (!all.is_empty()).then_some(all)
}

/// Who has asked for a kind that is not there yet keeps that answer, whatever TTL the kind gets.
pub(super) fn negative(case: &Case<'_>) -> Vec<Fault> {
    let longest = case.answers().map(|(_, it)| it.negative_ttl).max();
    let Some(longest) = longest.filter(|it| *it > case.plan.ttl) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for name in &case.plan.names {
        let kinds = name.to.keys().filter(|it| !name.from.contains_key(it));
        // An alias is found by whoever asks for an address.
        let kinds: Vec<&Kind> = kinds.filter(|it| **it != Kind::Cname).collect();
        if kinds.is_empty() {
            continue;
        }
        let fault = Fault::warn(
            format!(
                "`to` adds {}; resolvers keep for up to {longest} that there is none, longer than the lowered TTL of {}",
                joined(kinds.into_iter()),
                case.plan.ttl
            ),
            "lower the last number of the zone's SOA (and its TTL), or bear with it: the other kinds are seen sooner",
        );
        faults.push(fault.about(plain(&name.name)));
    }
    faults
}

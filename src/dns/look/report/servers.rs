//! The servers themselves: who names them, whether they answer, and whether they say the same.

use std::collections::BTreeSet;

use hickory_resolver::proto::rr::Name;

use super::{Case, Fault, joined, said};
use crate::{
    dns::look::{
        authority::{NamedBy, plain},
        exchange::Unanswered,
        view::find,
    },
    plan::dns::{Kind, RecordSet},
};

/// Resolvers begin with the parent's names and go on with the zone's own, so that either set gets questions.
pub(super) fn delegation(case: &Case<'_>) -> Vec<Fault> {
    let authorities = &case.seen.authorities;
    let mut faults = Vec::new();
    for (name, why) in &authorities.unresolved {
        let fault = Fault::warn(
            format!("this server's name has no address that can be found: {why}"),
            "give it one, or take it out of the zone and of its parent",
        );
        faults.push(fault.about(plain(name)));
    }
    let Some(parent) = &authorities.parent else {
        faults.push(Fault::warn(
            "the servers that the walk came to hold the zone themselves, so that what its parent says of it was not seen",
            "let `start` in [dns] name servers of a zone above it that do not hold this one, if there are any",
        ));
        return faults;
    };
    let child = &authorities.child;
    if child.is_empty() {
        return faults; // No server answers, which is the next question's.
    }
    faults.extend(only(parent, child).map(|it| {
        Fault::warn(
            "the parent sends resolvers to this server, and the zone itself does not name it",
            "ask whoever keeps the parent zone to take it out, or name it in the zone: it may hold an old copy",
        )
        .about(it)
    }));
    faults.extend(only(child, parent).map(|it| {
        Fault::warn(
            "the zone names this server, and its parent does not",
            "ask whoever keeps the parent zone to add it, or take it out of the zone",
        )
        .about(it)
    }));
    for server in &authorities.servers {
        let is_named = parent.contains(&server.name) && child.contains(&server.name);
        let found = match server.named_by {
            NamedBy::Parent if is_named => "the parent gives this address, the zone does not",
            NamedBy::Child if is_named => "the zone gives this address, the parent does not",
            NamedBy::Parent | NamedBy::Child | NamedBy::Both => continue,
        };
        let remedy = "make the addresses that the parent gives those of the zone";
        faults.push(Fault::warn(found, remedy).about(server.to_string()));
    }
    faults
}

fn only<'n>(these: &'n BTreeSet<Name>, those: &'n BTreeSet<Name>) -> impl Iterator<Item = String> {
    these.difference(those).map(plain)
}

pub(super) fn answers(case: &Case<'_>) -> Vec<Fault> {
    let silent = case.seen.servers.iter().filter_map(|it| {
        let why = it.view.answers.as_ref().err()?;
        Some((it.view.server.to_string(), why))
    });
    let faults = silent.map(|(server, why)| {
        let fault = match why {
            Unanswered::NoRoute => Fault::warn(
                why.to_string(),
                "run this from a machine that can reach it: what this server says is not known",
            ),
            Unanswered::NotAuthoritative => Fault::fail(
                why.to_string(),
                "let it load the zone, or stop sending resolvers to it",
            ),
            Unanswered::Silent { .. }
            | Unanswered::Closed { .. }
            | Unanswered::Refused { .. }
            | Unanswered::Garbled { .. } => Fault::fail(
                why.to_string(),
                "bring it back, or take it out of the zone and of its parent: what it says once it is back cannot be known",
            ),
        };
        fault.about(server)
    });
    faults.collect()
}

pub(super) fn transports(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for seen in &case.seen.servers {
        let fault = match (&seen.udp, &seen.tcp) {
            (Ok(()), Err(why)) => Fault::warn(
                format!("it answers by UDP only; over TCP: {why}"),
                "open TCP to it: answers that are too long for UDP are lost",
            ),
            (Err(why), Ok(())) => Fault::fail(
                format!("it answers over TCP only; by UDP: {why}"),
                "open UDP to it: resolvers ask by UDP first",
            ),
            (Ok(()), Ok(())) | (Err(_), Err(_)) => continue,
        };
        faults.push(fault.about(seen.view.server.to_string()));
    }
    faults
}

pub(super) fn agreement(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in &case.plan.names {
        for kind in Kind::ALL {
            let mut groups: Vec<(Option<&RecordSet>, Vec<String>)> = Vec::new();
            for (seen, answers) in case.answers() {
                let set = find(&answers.sets, &name.name, kind);
                let server = seen.view.server.to_string();
                match groups.iter_mut().find(|(it, _)| *it == set) {
                    Some((_, servers)) => servers.push(server),
                    None => groups.push((set, vec![server])),
                }
            }
            if groups.len() < 2 {
                continue;
            }
            let each = groups
                .iter()
                .map(|(set, servers)| format!("{} on {}", said(*set), joined(servers.iter())));
            let fault = Fault::fail(
                each.collect::<Vec<_>>().join("; "),
                "find out why some servers have another edition of the zone (a secondary that gets no NOTIFY or no \
                 transfer), and wait until all of them say the same",
            );
            faults.push(fault.about(format!("{} {kind}", plain(&name.name))));
        }
    }
    faults
}

//! What was seen of a zone, beside the plan: as it is, and what of it stands in the way of a move.
//!
//! Pure. What would leave clients at old, or some of them, is a `Fail`; what a person should know is a `Warn`.

mod aliases;
mod dnssec;
mod names;
mod resolvers;
mod servers;

use serde::Serialize;

use super::{
    authority::{NamedBy, plain},
    chain::Chain,
    seen::{Seen, ServerSeen},
    view::{Answers, ResolverView},
};
use crate::{
    plan::dns::{DnsName, DnsPlan, RecordSet, Ttl},
    units::{
        Timestamp,
        finding::{Answer, Fault, Finding},
    },
};

/// Everything there is to say about a zone before its names move.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The zone, without its last dot, as every name here.
    pub zone: String,
    /// What TTLs are to be lowered to, in seconds.
    pub ttl: u32,
    /// For how long resolvers keep that there is no record, in seconds; the longest that a server asks for.
    pub negative_ttl: Option<u32>,
    /// Every address of its servers.
    pub servers: Vec<ServerReport>,
    /// Every name of the plan.
    pub names: Vec<NameReport>,
    /// Whether the zone is signed.
    pub dnssec: DnssecReport,
    /// The resolvers of the plan.
    pub resolvers: Vec<ResolverReport>,
    /// Questions without a fault.
    pub passes: usize,
    /// Faults that somebody should look at.
    pub warns: usize,
    /// Faults that have to be put right.
    pub fails: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One server.
#[derive(Clone, Debug, Serialize)]
pub struct ServerReport {
    /// What it is called.
    pub name: String,
    /// Where it is asked.
    pub address: String,
    /// Who sends resolvers to it.
    pub named_by: NamedBy,
    /// Whether it answers by UDP.
    pub udp: bool,
    /// Whether it answers over TCP.
    pub tcp: bool,
    /// The number of the zone's edition there.
    pub serial: Option<u32>,
    /// Why it says nothing.
    pub trouble: Option<String>,
}

/// One name.
#[derive(Clone, Debug, Serialize)]
pub struct NameReport {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub standing: Standing,
    /// The largest TTL of what is served, aliases followed, in seconds: how long a change may go unseen.
    pub longest_ttl: Option<u32>,
    /// What is served; a set twice where servers differ.
    pub sets: Vec<SetReport>,
    /// Where its alias leads, if it is one.
    pub chain: Option<ChainReport>,
}

/// Where a name leads, by all servers that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It says what the plan has in `from`.
    From,
    /// It says what the plan has in `to`.
    To,
    /// Some servers say the one, some the other.
    Between,
    /// Something that the plan has in neither.
    Other,
    /// No server answers.
    Unknown,
}

/// One record set.
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// How long resolvers may keep it, in seconds.
    pub ttl: u32,
    /// What it says.
    pub values: Vec<String>,
    /// How many servers say so, where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<usize>,
}

/// Aliases in a row.
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Each alias.
    pub links: Vec<SetReport>,
    /// The addresses at its end.
    pub addresses: Vec<SetReport>,
    /// Why there are none.
    pub trouble: Option<String>,
}

/// Whether the zone is signed.
#[derive(Clone, Debug, Serialize)]
pub struct DnssecReport {
    /// Whether its servers have keys.
    pub is_signed: bool,
    /// Whether the parent vouches for a key, so that resolvers check signatures; none where that is not known.
    pub is_checked: Option<bool>,
    /// When the first of the signatures seen ends.
    pub signatures_end: Option<String>,
}

/// One resolver.
#[derive(Clone, Debug, Serialize)]
pub struct ResolverReport {
    /// Where it is asked.
    pub address: String,
    /// What it says, each with the TTL that is left.
    pub sets: Vec<SetReport>,
    /// Why it says nothing.
    pub trouble: Option<String>,
}

/// What the checks are asked about.
struct Case<'c> {
    plan: &'c DnsPlan,
    seen: &'c Seen,
    now: Timestamp,
}

/// One question, and what is said where it finds no fault.
struct Question {
    name: &'static str,
    pass: &'static str,
    ask: fn(&Case<'_>) -> Vec<Fault>,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "delegation",
        pass: "parent and zone name the same servers, with the same addresses",
        ask: servers::delegation,
    },
    Question {
        name: "servers",
        pass: "every one answers for the zone",
        ask: servers::answers,
    },
    Question {
        name: "UDP and TCP",
        pass: "every server that answers does so both ways",
        ask: servers::transports,
    },
    Question {
        name: "same answers",
        pass: "all servers say the same, TTLs included",
        ask: servers::agreement,
    },
    Question {
        name: "from",
        pass: "every name says what the plan expects",
        ask: names::expected,
    },
    Question {
        name: "left behind",
        pass: "nothing is served that the plan does not name",
        ask: names::left_behind,
    },
    Question {
        name: "hints",
        pass: "no HTTPS record will hint at an address that is not new's",
        ask: names::hints,
    },
    Question {
        name: "no record",
        pass: "no kind that is new will be missed for longer than the lowered TTL",
        ask: names::negative,
    },
    Question {
        name: "aliases",
        pass: "none leads nowhere",
        ask: aliases::lead_somewhere,
    },
    Question {
        name: "DNSSEC",
        pass: "nothing that a resolver checks is missing or ends soon",
        ask: dnssec::signing,
    },
    Question {
        name: "resolvers",
        pass: "none keeps anything for longer than it is told",
        ask: resolvers::keep_to_ttls,
    },
];

/// Holds what was seen against the plan.
#[must_use]
pub fn report(plan: &DnsPlan, seen: &Seen, now: Timestamp) -> Report {
    let case = Case { plan, seen, now };
    let mut findings = Vec::new();
    for question in QUESTIONS {
        let mut faults = (question.ask)(&case);
        if faults.is_empty() {
            faults.push(Fault::pass(question.pass));
        }
        findings.extend(faults.into_iter().map(|it| it.of(question.name)));
    }
    let count = |answer| findings.iter().filter(|it| it.answer == answer).count();
    Report {
        zone: plain(&plan.zone),
        ttl: plan.ttl.0,
        negative_ttl: case.answers().map(|(_, it)| it.negative_ttl.0).max(),
        servers: seen.servers.iter().map(of_server).collect(),
        names: plan.names.iter().map(|it| of_name(&case, it)).collect(),
        dnssec: dnssec::state(&case),
        resolvers: seen.resolvers.iter().map(of_resolver).collect(),
        passes: count(Answer::Pass),
        warns: count(Answer::Warn),
        fails: count(Answer::Fail),
        findings,
    }
}

impl Case<'_> {
    /// What each server says that answers.
    fn answers(&self) -> impl Iterator<Item = (&ServerSeen, &Answers)> {
        let servers = self.seen.servers.iter();
        servers.filter_map(|it| Some((it, it.view.answers.as_ref().ok()?)))
    }

    /// The longest that a resolver may keep what is served of the name, aliases followed. A chain is followed on one server
    /// only, so that what all of them say of its names counts as well, as far as it was asked for.
    fn longest_ttl(&self, name: &DnsName) -> Option<Ttl> {
        let chain = self.seen.chains.iter().find(|it| it.name == name.name);
        let on_the_way = |set: &RecordSet| {
            let mut sets = chain
                .iter()
                .flat_map(|it| it.links.iter().chain(it.addresses()));
            set.name == name.name || sets.any(|it| it.name == set.name && it.kind == set.kind)
        };
        let sets = self.answers().flat_map(|(_, it)| &it.sets);
        let served = sets.filter(|it| on_the_way(it)).map(|it| it.ttl);
        served.chain(chain.map(Chain::longest_ttl)).max()
    }
}

fn of_server(seen: &ServerSeen) -> ServerReport {
    let answers = seen.view.answers.as_ref();
    ServerReport {
        name: plain(&seen.view.server.name),
        address: seen.view.server.address.to_string(),
        named_by: seen.view.server.named_by,
        udp: seen.udp.is_ok(),
        tcp: seen.tcp.is_ok(),
        serial: answers.ok().map(|it| it.serial),
        trouble: answers.err().map(ToString::to_string),
    }
}

fn of_name(case: &Case<'_>, name: &DnsName) -> NameReport {
    let mut sets: Vec<(&RecordSet, usize)> = Vec::new();
    let served = case.answers().flat_map(|(_, it)| &it.sets);
    for set in served.filter(|it| it.name == name.name) {
        match sets.iter_mut().find(|(it, _)| *it == set) {
            Some((_, servers)) => *servers += 1,
            None => sets.push((set, 1)),
        }
    }
    sets.sort_by_key(|(it, _)| it.kind);
    let sets = sets.into_iter().map(|(set, servers)| SetReport {
        servers: Some(servers),
        ..of_set(set)
    });
    let mut chains = case.seen.chains.iter();
    NameReport {
        name: plain(&name.name),
        standing: names::standing(case, name),
        longest_ttl: case.longest_ttl(name).map(|it| it.0),
        sets: sets.collect(),
        chain: chains.find(|it| it.name == name.name).map(of_chain),
    }
}

fn of_chain(chain: &Chain) -> ChainReport {
    ChainReport {
        links: chain.links.iter().map(of_set).collect(),
        addresses: chain.addresses().iter().map(of_set).collect(),
        trouble: aliases::trouble(&chain.end),
    }
}

fn of_set(set: &RecordSet) -> SetReport {
    SetReport {
        name: plain(&set.name),
        kind: set.kind.name(),
        ttl: set.ttl.0,
        values: set.values.iter().map(ToString::to_string).collect(),
        servers: None,
    }
}

fn of_resolver(view: &ResolverView) -> ResolverReport {
    let sets = view.sets.as_ref();
    ResolverReport {
        address: view.address.to_string(),
        sets: sets.map_or_else(|_| Vec::new(), |it| it.iter().map(of_set).collect()),
        trouble: sets.err().map(ToString::to_string),
    }
}

/// What a set says, for a sentence: with its TTL, or that there is none.
fn said(set: Option<&RecordSet>) -> String {
    set.map_or_else(
        || "no record".to_owned(),
        |it| format!("{} for {}", joined(it.values.iter()), it.ttl),
    )
}

fn joined<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|it| it.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests;

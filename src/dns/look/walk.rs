//! From the start servers down the delegations, to whoever holds a name.
//!
//! A step asks servers of one zone until one answers or leads on. It leads on only downwards, so that a walk ends. Addresses
//! that come along with a delegation (glue) are taken for names within the zone whose server gives them, and every other
//! server's name is looked up by a walk of its own. What it may cost is bounded in questions, depth and time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    time::Duration,
};

use hickory_resolver::proto::{
    op::Message,
    rr::{Name, RData, Record, RecordType},
};
use thiserror::Error;
use tokio::time::timeout;

use super::{
    authority::{Authorities, NamedBy, Roll, plain},
    exchange::{Asks, Over, Question, Unanswered, ask_all, exchange},
    root,
    view::{authoritative, existing},
};
use crate::plan::dns::LookPlan;

/// For one walk to a zone, with everything that it has to look up on its way.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Questions of one walk: the public DNS needs about ten, and four more for each server of the zone.
const QUESTIONS: usize = 400;
/// Walks within walks: a server's name that is looked up at a server whose name is looked up …
const DEPTH: usize = 4;
/// Zones on the way down; no name of the public DNS is that deep.
const CUTS: usize = 16;
/// Servers that are asked in one step before it is given up.
const TRIES: usize = 6;
/// Names of servers of one zone; the root itself has 13.
const NAMES: usize = 26;

/// Why the servers of a zone are not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookError {
    /// No server of a zone on the way leads on.
    #[error("no server of the zone {cut} says where {name} is ({tried})")]
    NoAnswer {
        /// The zone whose servers were asked.
        cut: String,
        /// What they were asked for.
        name: String,
        /// Each of them, with what it said.
        tried: String,
    },
    /// There is no such zone.
    #[error(
        "{zone} is no zone of its own: its records are in {within}; expected the name of a zone"
    )]
    NoZone {
        /// What was looked for.
        zone: String,
        /// The zone that its servers answer for.
        within: String,
    },
    /// None of its servers has an address.
    #[error("no server of {zone} has an address ({unresolved})")]
    NoServers {
        /// The zone.
        zone: String,
        /// Their names, each with the reason.
        unresolved: String,
    },
    /// It goes beyond what a walk may cost.
    #[error("{what} would take more than {limit}")]
    TooMuch {
        /// What is too much.
        what: String,
        /// How much it may be.
        limit: String,
    },
}

/// Finds every address of every server of the zone, as the parent and the zone itself name them. Takes a minute at most.
///
/// # Errors
/// Why they cannot be found. A server that does not answer is no error: it is one of those found.
pub async fn servers(zone: &Name, plan: &LookPlan) -> Result<Authorities, LookError> {
    let mut walker = Walker::new(plan);
    let walk = timeout(PATIENCE, walker.authorities(zone));
    walk.await.unwrap_or_else(|_elapsed| {
        Err(LookError::TooMuch {
            what: format!("the walk to {}", plain(zone)),
            limit: format!("{PATIENCE:?}"),
        })
    })
}

/// One walk, and what it has learnt so far.
pub(super) struct Walker<'p> {
    plan: &'p LookPlan,
    questions: usize,
    /// The servers of each zone that it has come to.
    known: BTreeMap<Name, Vec<SocketAddr>>,
}

/// Where a step leads.
enum Step {
    /// Down to another zone.
    Down(Delegation),
    /// It was the last one.
    Here(Message),
}

/// What a zone says about one below it.
struct Delegation {
    cut: Name,
    names: BTreeSet<Name>,
    glue: Vec<(Name, IpAddr)>,
}

impl<'p> Walker<'p> {
    pub(super) fn new(plan: &'p LookPlan) -> Self {
        let start = match plan.start.is_empty() {
            true => root::SERVERS
                .map(|it| SocketAddr::new(it, plan.port))
                .into(),
            false => plan.start.clone(),
        };
        Self {
            plan,
            questions: 0,
            known: BTreeMap::from([(Name::root(), start)]),
        }
    }

    async fn authorities(&mut self, zone: &Name) -> Result<Authorities, LookError> {
        let (mut cut, mut servers) = self.nearest(zone);
        for _ in 0..CUTS {
            match self.step(&cut, &servers, zone, RecordType::NS).await? {
                Step::Here(answer) => {
                    return self.held_there(zone, &cut, servers, &answer).await;
                }
                Step::Down(below) if below.cut == *zone => {
                    return self.delegated(zone, servers, &below).await;
                }
                Step::Down(below) => {
                    servers = self.reach(&below, 0).await?;
                    cut = below.cut;
                }
            }
        }
        Err(too_deep(zone))
    }

    /// The servers that were asked hold the zone themselves, so that what its parent says of it cannot be seen.
    async fn held_there(
        &mut self,
        zone: &Name,
        cut: &Name,
        servers: Vec<SocketAddr>,
        answer: &Message,
    ) -> Result<Authorities, LookError> {
        let child = names(&answer.answers, zone);
        if child.is_empty() {
            let soa = answer.authorities.iter();
            let mut soa = soa.filter(|it| it.record_type() == RecordType::SOA);
            // An alias is answered without the zone's SOA: then it is the zone that the walk had come to.
            let within = soa.next().map_or(cut, |it| &it.name);
            return Err(LookError::NoZone {
                zone: plain(zone),
                within: plain(within),
            });
        }
        limit_names(zone, &child)?;
        self.known.insert(zone.clone(), servers);
        self.complete(zone, None, child, Vec::new()).await
    }

    async fn delegated(
        &mut self,
        zone: &Name,
        parents: Vec<SocketAddr>,
        below: &Delegation,
    ) -> Result<Authorities, LookError> {
        limit_names(zone, &below.names)?;
        let mut given = below.glue.clone();
        for name in &below.names {
            if given.iter().all(|(it, _)| it != name) {
                let found = self.addresses(name, 1).await.unwrap_or_default();
                given.extend(found.into_iter().map(|it| (name.clone(), it)));
            }
        }
        let addresses: BTreeSet<SocketAddr> = given.iter().map(|(_, it)| self.at(*it)).collect();
        let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
        self.spend(addresses.len())?;
        let questions = addresses.iter().map(|it| {
            let question = Question {
                name: zone.clone(),
                kind: RecordType::NS,
                asks: Asks::Authority,
            };
            (*it, question, Over::Either)
        });
        let answers = ask_all(questions.collect(), self.plan.timeout).await;
        let mut child = BTreeSet::new();
        // Those that answer come first, so that servers' names within the zone are found at once.
        let (mut alive, mut silent) = (Vec::new(), Vec::new());
        for (address, answer) in addresses.into_iter().zip(answers) {
            match answer.and_then(|it| authoritative(&it).map(|()| it)) {
                Ok(answer) => {
                    child.extend(names(&answer.answers, zone));
                    alive.push(address);
                }
                Err(_) => silent.push(address),
            }
        }
        limit_names(zone, &child)?;
        alive.append(&mut silent);
        self.known.insert(zone.clone(), alive);
        let parent = Some((below.names.clone(), parents));
        self.complete(zone, parent, child, given).await
    }

    /// Looks up every server's own addresses, beside those that the parent gives.
    async fn complete(
        &mut self,
        zone: &Name,
        parent: Option<(BTreeSet<Name>, Vec<SocketAddr>)>,
        child: BTreeSet<Name>,
        given: Vec<(Name, IpAddr)>,
    ) -> Result<Authorities, LookError> {
        let (parent, parents) = parent.unzip();
        let mut roll = Roll::default();
        for (name, address) in &given {
            roll.add(name, self.at(*address), NamedBy::Parent);
        }
        let mut unresolved = BTreeMap::new();
        let all: BTreeSet<&Name> = parent.iter().flatten().chain(&child).collect();
        for name in all {
            let found = match self.addresses(name, 1).await {
                Ok(found) if found.is_empty() => Err("it has neither A nor AAAA".to_owned()),
                Ok(found) => Ok(found),
                Err(error) => Err(error.to_string()),
            };
            match found {
                Ok(found) if child.contains(name) => {
                    for address in found {
                        roll.add(name, self.at(address), NamedBy::Child);
                    }
                }
                Ok(_of_the_parent_only) => (),
                // Those that the parent gives are seen, and that the zone does not give them is seen as well.
                Err(_) if given.iter().any(|(it, _)| it == name) => (),
                Err(why) => {
                    unresolved.insert(name.clone(), why);
                }
            }
        }
        let servers = roll.into_servers();
        if servers.is_empty() {
            let each = unresolved
                .iter()
                .map(|(name, why)| format!("{}: {why}", plain(name)));
            return Err(LookError::NoServers {
                zone: plain(zone),
                unresolved: each.collect::<Vec<_>>().join("; "),
            });
        }
        Ok(Authorities {
            zone: zone.clone(),
            servers,
            parent,
            child,
            unresolved,
            parents: parents.unwrap_or_default(),
        })
    }

    /// What whoever holds the name says about it.
    ///
    /// # Errors
    /// Nobody does, or it cannot be found out.
    pub(super) async fn lookup(
        &mut self,
        name: &Name,
        kind: RecordType,
        depth: usize,
    ) -> Result<Message, LookError> {
        if depth > DEPTH {
            return Err(too_deep(name));
        }
        let (mut cut, mut servers) = self.nearest(name);
        for _ in 0..CUTS {
            match self.step(&cut, &servers, name, kind).await? {
                Step::Here(answer) => return Ok(answer),
                Step::Down(below) => {
                    servers = self.reach(&below, depth).await?;
                    cut = below.cut;
                }
            }
        }
        Err(too_deep(name))
    }

    /// The addresses of a server's name, of both families; none if it has none. An alias is none (RFC 2181 section 10.3).
    fn addresses<'w>(
        &'w mut self,
        name: &'w Name,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookError>> + Send + 'w>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for kind in [RecordType::A, RecordType::AAAA] {
                let answer = self.lookup(name, kind, depth).await?;
                let of_name = answer.answers.iter().filter(|it| it.name == *name);
                found.extend(of_name.filter_map(address));
            }
            Ok(found)
        })
    }

    /// Where the zone below can be asked, kept for the next one that leads there.
    async fn reach(
        &mut self,
        below: &Delegation,
        depth: usize,
    ) -> Result<Vec<SocketAddr>, LookError> {
        let glue = below.glue.iter().map(|(_, it)| self.at(*it));
        let mut servers: Vec<SocketAddr> = glue.collect();
        let mut last = None;
        for name in &below.names {
            if !servers.is_empty() {
                break;
            }
            match self.addresses(name, depth + 1).await {
                Ok(found) => servers.extend(found.into_iter().map(|it| self.at(it))),
                Err(error) => last = Some(error),
            }
        }
        match (servers.is_empty(), last) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(LookError::NoServers {
                zone: plain(&below.cut),
                unresolved: "none of their names has one".to_owned(),
            }),
            (false, _) => {
                self.known.insert(below.cut.clone(), servers.clone());
                Ok(servers)
            }
        }
    }

    /// Asks servers of the zone `cut`, one after another, until one answers or leads on.
    async fn step(
        &mut self,
        cut: &Name,
        servers: &[SocketAddr],
        name: &Name,
        kind: RecordType,
    ) -> Result<Step, LookError> {
        let question = Question {
            name: name.clone(),
            kind,
            asks: Asks::Authority,
        };
        let mut tried = Vec::new();
        let mut tries = 0;
        for server in servers {
            if tries == TRIES {
                break;
            }
            self.spend(1)?;
            let answer = exchange(*server, &question, Over::Either, self.plan.timeout).await;
            match answer.and_then(|it| lead(cut, name, it)) {
                Ok(step) => return Ok(step),
                Err(why) => {
                    tries += usize::from(why != Unanswered::NoRoute);
                    tried.push(format!("{server}: {why}"));
                }
            }
        }
        Err(LookError::NoAnswer {
            cut: plain(cut),
            name: plain(name),
            tried: tried.join("; "),
        })
    }

    /// The zone nearest to the name that is known so far, and its servers.
    fn nearest(&self, name: &Name) -> (Name, Vec<SocketAddr>) {
        let above = self.known.iter().filter(|(cut, _)| cut.zone_of(name));
        let nearest = above.max_by_key(|(cut, _)| cut.num_labels());
        let (cut, servers) = nearest.expect("the root is above everything");
        (cut.clone(), servers.clone())
    }

    fn spend(&mut self, questions: usize) -> Result<(), LookError> {
        self.questions += questions;
        match self.questions > QUESTIONS {
            true => Err(LookError::TooMuch {
                what: "the walk".to_owned(),
                limit: format!("{QUESTIONS} questions"),
            }),
            false => Ok(()),
        }
    }

    const fn at(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.plan.port)
    }
}

/// Where the answer of a server of the zone `cut` leads.
fn lead(cut: &Name, name: &Name, answer: Message) -> Result<Step, Unanswered> {
    existing(&answer)?;
    if answer.authoritative {
        return Ok(Step::Here(answer));
    }
    let below = |it: &&Record| {
        it.record_type() == RecordType::NS
            && it.name.zone_of(name)
            && cut.zone_of(&it.name)
            && it.name != *cut
    };
    let first = answer.authorities.iter().find(below);
    let below = first.map(|it| it.name.to_lowercase());
    let below = below.ok_or(Unanswered::NotAuthoritative)?;
    let names = names(&answer.authorities, &below);
    let is_glue = |it: &&Record| names.contains(&it.name) && cut.zone_of(&it.name);
    let glue = answer.additionals.iter().filter(is_glue);
    let glue = glue.filter_map(|it| Some((it.name.to_lowercase(), address(it)?)));
    Ok(Step::Down(Delegation {
        glue: glue.collect(),
        cut: below,
        names,
    }))
}

/// The servers' names that records give for a zone.
fn names(records: &[Record], zone: &Name) -> BTreeSet<Name> {
    let of_zone = records.iter().filter(|it| it.name == *zone);
    let names = of_zone.filter_map(|it| match &it.data {
        RData::NS(name) => Some(name.0.to_lowercase()),
        _other => None,
    });
    names.collect()
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(it) => Some(IpAddr::V4(it.0)),
        RData::AAAA(it) => Some(IpAddr::V6(it.0)),
        _other => None,
    }
}

fn limit_names(zone: &Name, names: &BTreeSet<Name>) -> Result<(), LookError> {
    match names.len() > NAMES {
        true => Err(LookError::TooMuch {
            what: format!("looking at every server of {}", plain(zone)),
            limit: format!("{NAMES} names of servers"),
        }),
        false => Ok(()),
    }
}

fn too_deep(name: &Name) -> LookError {
    LookError::TooMuch {
        what: format!("the way to {}", plain(name)),
        limit: format!("{CUTS} zones, or {DEPTH} servers found through others"),
    }
}

#[cfg(test)]
mod tests;

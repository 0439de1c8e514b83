//! What one server says about record sets, and whether that is what is expected of it.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::proto::{
    dnssec::rdata::DNSSECRData,
    op::{Message, ResponseCode},
    rr::{Name, RData, RecordType},
};

use super::{
    authority::{Authorities, Server},
    exchange::{Asks, Over, Question, Unanswered, ask_all},
};
use crate::plan::dns::{Kind, LookPlan, RecordSet, Ttl};

/// What one authoritative server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// The server.
    pub server: Server,
    /// What it says to every question, or why it did not answer one of them.
    pub answers: Result<Answers, Unanswered>,
}

/// What a server says about everything that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The sets that are there. One that was asked for and is not among them does not exist: the server says so itself.
    pub sets: Vec<RecordSet>,
    /// For how long resolvers keep that there is no record (RFC 2308 section 5).
    pub negative_ttl: Ttl,
    /// The number of the zone's edition. It says nothing about what is in it: some servers never raise it.
    pub serial: u32,
    /// The signatures that came along, where they were asked for.
    pub signatures: Vec<Signature>,
}

/// A signature over a record set (RFC 4034 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the set.
    pub name: Name,
    /// The type of the set.
    pub covers: RecordType,
    /// When it ends, in seconds since 1970, modulo 2^32.
    pub ends: u32,
}

/// What one resolver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverView {
    /// The resolver.
    pub address: SocketAddr,
    /// The sets that it knows, each with the TTL that is left, or why it did not answer.
    pub sets: Result<Vec<RecordSet>, Unanswered>,
}

/// What a server says, beside what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison<'v> {
    /// Exactly what is expected, TTL and all.
    Serves,
    /// Something else.
    Differs(Vec<Difference<'v>>),
    /// It is not known what.
    Unknown(&'v Unanswered),
}

/// One set that is not as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'v> {
    /// What should be there; nothing, if it is none.
    pub expected: Option<&'v RecordSet>,
    /// What is there.
    pub found: Option<&'v RecordSet>,
}

impl ServerView {
    /// Holds what the server says against the sets that should be there. They have to be about the same subjects: a set that
    /// was asked for and is not expected must not be there.
    #[must_use]
    pub fn compare<'v>(&'v self, expected: &'v [RecordSet]) -> Comparison<'v> {
        let sets = match &self.answers {
            Ok(answers) => &answers.sets,
            Err(why) => return Comparison::Unknown(why),
        };
        let wanted = expected.iter().map(|set| Difference {
            expected: Some(set),
            found: find(sets, &set.name, set.kind),
        });
        let others = sets.iter().filter_map(|set| {
            let is_wanted = find(expected, &set.name, set.kind).is_some();
            (!is_wanted).then_some(Difference {
                expected: None,
                found: Some(set),
            })
        });
        let differences = wanted.chain(others).filter(|it| it.expected != it.found);
        let differences: Vec<_> = differences.collect();
        match differences.is_empty() {
            true => Comparison::Serves,
            false => Comparison::Differs(differences),
        }
    }
}

/// The set of this name and kind.
pub(super) fn find<'s>(sets: &'s [RecordSet], name: &Name, kind: Kind) -> Option<&'s RecordSet> {
    sets.iter().find(|it| it.kind == kind && it.name == *name)
}

/// Asks every server for every subject: name and kind. It takes no longer than four times the plan's timeout where no more
/// than 64 questions are to be asked.
pub async fn ask(
    authorities: &Authorities,
    subjects: &[(Name, Kind)],
    plan: &LookPlan,
) -> Vec<ServerView> {
    ask_for(authorities, subjects, plan, Asks::Authority).await
}

pub(super) async fn ask_for(
    authorities: &Authorities,
    subjects: &[(Name, Kind)],
    plan: &LookPlan,
    asks: Asks,
) -> Vec<ServerView> {
    let zone = Question {
        name: authorities.zone.clone(),
        kind: RecordType::SOA,
        asks,
    };
    let servers = authorities.servers.iter();
    let of_zone = servers.map(|it| (it.address, zone.clone(), Over::Either));
    let of_zone = ask_all(of_zone.collect(), plan.timeout).await;
    let pairs = authorities.servers.iter().zip(of_zone);
    let mut views: Vec<ServerView> = pairs
        .map(|(server, answer)| ServerView {
            server: server.clone(),
            answers: answer.and_then(|it| of_soa(&it)),
        })
        .collect();
    // Who does not answer once is not asked again: that would only take time.
    let mut asked = Vec::new();
    let mut questions = Vec::new();
    for (index, view) in views.iter().enumerate() {
        for (name, kind) in subjects.iter().filter(|_| view.answers.is_ok()) {
            asked.push((index, name, *kind));
            questions.push((
                view.server.address,
                question(name, *kind, asks),
                Over::Either,
            ));
        }
    }
    let answers = ask_all(questions, plan.timeout).await;
    for ((index, name, kind), answer) in asked.into_iter().zip(answers) {
        if let Some(view) = views.get_mut(index) {
            view.take_in(name, kind, answer);
        }
    }
    views
}

impl ServerView {
    fn take_in(&mut self, name: &Name, kind: Kind, answer: Result<Message, Unanswered>) {
        let Ok(answers) = &mut self.answers else {
            return;
        };
        let answer = answer.and_then(|it| authoritative(&it).map(|()| it));
        match answer {
            Ok(answer) => {
                answers
                    .sets
                    .extend(RecordSet::among(&answer.answers, name, kind));
                answers.signatures.extend(signatures(&answer, name));
            }
            Err(why) => self.answers = Err(why),
        }
    }
}

/// Asks one server, over TCP only, for the sets that it holds itself.
///
/// # Errors
/// Why that is not known of all of them.
pub(in crate::dns) async fn held(
    server: SocketAddr,
    subjects: &[(Name, Kind)],
    limit: Duration,
) -> Result<Vec<RecordSet>, Unanswered> {
    let questions = subjects.iter().map(|(name, kind)| {
        let question = question(name, *kind, Asks::Authority);
        (server, question, Over::Tcp)
    });
    let answers = ask_all(questions.collect(), limit).await;
    let mut sets = Vec::new();
    for ((name, kind), answer) in subjects.iter().zip(answers) {
        let answer = answer?;
        authoritative(&answer)?;
        sets.extend(RecordSet::among(&answer.answers, name, *kind));
    }
    Ok(sets)
}

/// Asks every resolver of the plan for every subject. What they say may be as old as its TTL was when they asked, or older.
pub async fn ask_resolvers(subjects: &[(Name, Kind)], plan: &LookPlan) -> Vec<ResolverView> {
    let mut questions = Vec::new();
    for address in &plan.resolvers {
        for (name, kind) in subjects {
            questions.push((
                *address,
                question(name, *kind, Asks::Resolver),
                Over::Either,
            ));
        }
    }
    let mut answers = ask_all(questions, plan.timeout).await.into_iter();
    let mut views = Vec::new();
    for address in &plan.resolvers {
        let mut sets = Ok(Vec::new());
        for ((name, kind), answer) in subjects.iter().zip(answers.by_ref()) {
            let answer = answer.and_then(|it| existing(&it).map(|()| it));
            match (&mut sets, answer) {
                (Ok(sets), Ok(answer)) => {
                    sets.extend(RecordSet::among(&answer.answers, name, *kind));
                }
                (Ok(_), Err(why)) => sets = Err(why),
                (Err(_), _) => (),
            }
        }
        views.push(ResolverView {
            address: *address,
            sets,
        });
    }
    views
}

fn question(name: &Name, kind: Kind, asks: Asks) -> Question {
    Question {
        name: name.clone(),
        kind: kind.record_type(),
        asks,
    }
}

/// That the answer says what is, or is not, there.
pub(super) fn existing(answer: &Message) -> Result<(), Unanswered> {
    match answer.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(()),
        code => Err(Unanswered::Refused { code }),
    }
}

/// That the server itself holds what it says.
pub(super) fn authoritative(answer: &Message) -> Result<(), Unanswered> {
    existing(answer)?;
    match answer.authoritative {
        true => Ok(()),
        false => Err(Unanswered::NotAuthoritative),
    }
}

fn of_soa(answer: &Message) -> Result<Answers, Unanswered> {
    authoritative(answer)?;
    let soa = answer.answers.iter().find_map(|it| match &it.data {
        RData::SOA(soa) => Some((it.ttl, soa)),
        _other => None,
    });
    let (ttl, soa) = soa.ok_or(Unanswered::NotAuthoritative)?;
    Ok(Answers {
        sets: Vec::new(),
        negative_ttl: Ttl(ttl.min(soa.minimum)),
        serial: soa.serial,
        signatures: Vec::new(),
    })
}

/// The signatures over sets of this name.
pub(super) fn signatures<'m>(
    answer: &'m Message,
    name: &'m Name,
) -> impl Iterator<Item = Signature> + 'm {
    let of_name = answer.answers.iter().filter(move |it| it.name == *name);
    of_name.filter_map(|it| match &it.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(Signature {
            name: it.name.clone(),
            covers: signature.input().type_covered,
            ends: signature.input().sig_expiration.get(),
        }),
        _other => None,
    })
}

#[cfg(test)]
mod tests;

//! Everything that matters before a name moves, asked for once.

use std::collections::BTreeSet;

use hickory_resolver::proto::{
    dnssec::rdata::DNSSECRData,
    op::Message,
    rr::{Name, RData, RecordType},
};

use super::{
    authority::Authorities,
    chain::{Chain, follow},
    exchange::{Asks, Over, Question, Unanswered, ask_all},
    view::{
        Answers, ResolverView, ServerView, Signature, ask_for, ask_resolvers, authoritative,
        signatures,
    },
    walk::{LookError, Walker, servers},
};
use crate::plan::dns::{DnsPlan, Kind, Value};

/// What was seen of a zone.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its servers, and who names them.
    pub authorities: Authorities,
    /// What each of them says, in the order of [`Authorities::servers`].
    pub servers: Vec<ServerSeen>,
    /// How many keys the parent vouches for (DS); none where the parent's servers cannot be asked.
    pub delegation_signers: Result<usize, Option<Unanswered>>,
    /// The aliases that are served for names of the plan.
    pub chains: Vec<Chain>,
    /// The aliases that names of the plan become, from their targets on.
    pub targets: Vec<Chain>,
    /// What the resolvers of the plan say.
    pub resolvers: Vec<ResolverView>,
}

/// What was seen of one server.
#[derive(Clone, Debug)]
pub struct ServerSeen {
    /// Every kind of record of every name of the plan, with signatures.
    pub view: ServerView,
    /// Whether it answers for the zone by UDP.
    pub udp: Result<(), Unanswered>,
    /// Whether it answers for the zone over TCP.
    pub tcp: Result<(), Unanswered>,
    /// How many keys the zone has there (DNSKEY).
    pub keys: Result<usize, Unanswered>,
}

/// Looks at the zone of a plan, at every server, and at the plan's resolvers.
///
/// # Errors
/// Why its servers cannot be found.
pub async fn look(plan: &DnsPlan) -> Result<Seen, LookError> {
    let authorities = servers(&plan.zone, &plan.look).await?;
    let subjects: Vec<(Name, Kind)> = plan
        .names
        .iter()
        .flat_map(|it| Kind::ALL.map(|kind| (it.name.clone(), kind)))
        .collect();
    let asks = Asks::AuthorityWithSignatures;
    let views = ask_for(&authorities, &subjects, &plan.look, asks).await;
    let udp = ask_zone(&authorities, plan, RecordType::SOA, Over::Udp).await;
    let tcp = ask_zone(&authorities, plan, RecordType::SOA, Over::Tcp).await;
    let keys = ask_zone(&authorities, plan, RecordType::DNSKEY, Over::Either).await;
    let mut seen = Vec::new();
    for (((mut view, udp), tcp), keys) in views.into_iter().zip(udp).zip(tcp).zip(keys) {
        if let (Ok(answers), Ok(keys)) = (&mut view.answers, &keys) {
            answers.signatures.extend(of_keys(keys, &authorities.zone));
        }
        seen.push(ServerSeen {
            view,
            udp: udp.map(drop),
            tcp: tcp.map(drop),
            keys: keys.map(|it| count(&it, RecordType::DNSKEY)),
        });
    }
    let (chains, targets) = aliases(plan, &seen).await;
    Ok(Seen {
        delegation_signers: delegation_signers(&authorities, plan).await,
        resolvers: ask_resolvers(&subjects, &plan.look).await,
        authorities,
        servers: seen,
        chains,
        targets,
    })
}

async fn ask_zone(
    authorities: &Authorities,
    plan: &DnsPlan,
    kind: RecordType,
    over: Over,
) -> Vec<Result<Message, Unanswered>> {
    let question = Question {
        name: authorities.zone.clone(),
        kind,
        asks: Asks::AuthorityWithSignatures,
    };
    let servers = authorities.servers.iter();
    let questions = servers.map(|it| (it.address, question.clone(), over));
    let answers = ask_all(questions.collect(), plan.look.timeout).await;
    let checked = answers.into_iter().map(|it| {
        let answer = it?;
        authoritative(&answer).map(|()| answer)
    });
    checked.collect()
}

/// The keys are signed as well, and a signature over them that ends takes the whole zone with it.
fn of_keys(answer: &Message, zone: &Name) -> Vec<Signature> {
    let all = signatures(answer, zone);
    all.filter(|it| it.covers == RecordType::DNSKEY).collect()
}

/// One server of the parent is enough: the next one is asked where it does not answer.
async fn delegation_signers(
    authorities: &Authorities,
    plan: &DnsPlan,
) -> Result<usize, Option<Unanswered>> {
    let question = Question {
        name: authorities.zone.clone(),
        kind: RecordType::DS,
        asks: Asks::AuthorityWithSignatures,
    };
    let mut last = None;
    for parent in &authorities.parents {
        let one = vec![(*parent, question.clone(), Over::Either)];
        for answer in ask_all(one, plan.look.timeout).await {
            match answer.and_then(|it| authoritative(&it).map(|()| it)) {
                Ok(answer) => return Ok(count(&answer, RecordType::DS)),
                Err(why) => last = Some(why),
            }
        }
    }
    Err(last)
}

fn count(answer: &Message, kind: RecordType) -> usize {
    let of_kind = answer.answers.iter().filter(|it| match &it.data {
        RData::DNSSEC(DNSSECRData::DS(_)) => kind == RecordType::DS,
        RData::DNSSEC(DNSSECRData::DNSKEY(_)) => kind == RecordType::DNSKEY,
        _other => false,
    });
    of_kind.count()
}

/// Follows what is served as an alias, and what is to become one.
async fn aliases(plan: &DnsPlan, seen: &[ServerSeen]) -> (Vec<Chain>, Vec<Chain>) {
    let served = |name: &Name| {
        let all = seen.iter().filter_map(|it| it.view.answers.as_ref().ok());
        let mut sets = all.flat_map(|it: &Answers| &it.sets);
        sets.any(|it| it.kind == Kind::Cname && it.name == *name)
    };
    let mut walker = Walker::new(&plan.look);
    let (mut chains, mut targets) = (Vec::new(), Vec::new());
    for name in &plan.names {
        if served(&name.name) {
            chains.push(follow(&mut walker, &name.name).await);
        }
    }
    let to = plan.names.iter().filter_map(|it| it.to.get(&Kind::Cname));
    let to: BTreeSet<Name> = to.flatten().filter_map(target).collect();
    for name in to {
        targets.push(follow(&mut walker, &name).await);
    }
    (chains, targets)
}

pub(super) fn target(value: &Value) -> Option<Name> {
    match value.data() {
        RData::CNAME(it) => Some(it.0.clone()),
        _other => None,
    }
}

//! Aliases, followed from name to name and from zone to zone until there are addresses.

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use super::walk::{PATIENCE, Walker};
use crate::plan::dns::{Kind, RecordSet, Ttl};

/// Aliases in a row; resolvers give up at about as many.
const LINKS: usize = 8;

/// Where an alias leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The name that it starts at.
    pub name: Name,
    /// Each alias on the way, asked for at whoever holds it.
    pub links: Vec<RecordSet>,
    /// Where it ends.
    pub end: ChainEnd,
}

/// Where aliases end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEnd {
    /// At address records.
    Addresses(Vec<RecordSet>),
    /// At a name without addresses.
    Nothing(Name),
    /// Nowhere that could be found out.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Chain {
    /// The largest TTL of all that a resolver has to forget until it sees a change anywhere on the way.
    #[must_use]
    pub fn longest_ttl(&self) -> Ttl {
        let all = self.links.iter().chain(self.addresses());
        all.map(|it| it.ttl).max().unwrap_or_default()
    }

    /// The address records that it ends at.
    #[must_use]
    pub fn addresses(&self) -> &[RecordSet] {
        match &self.end {
            ChainEnd::Addresses(sets) => sets,
            ChainEnd::Nothing(_) | ChainEnd::Unknown { .. } => &[],
        }
    }
}

/// Follows aliases from a name on, for no longer than a walk may take.
pub(super) async fn follow(walker: &mut Walker<'_>, name: &Name) -> Chain {
    let unknown = || Chain {
        name: name.clone(),
        links: Vec::new(),
        end: ChainEnd::Unknown {
            why: format!("it was not found out within {PATIENCE:?}"),
        },
    };
    let walk = timeout(PATIENCE, walk(walker, name)).await;
    walk.unwrap_or_else(|_elapsed| unknown())
}

async fn walk(walker: &mut Walker<'_>, name: &Name) -> Chain {
    let mut links: Vec<RecordSet> = Vec::new();
    let mut at = name.clone();
    let end = loop {
        let is_seen = links.iter().filter(|it| it.name == at).count() > 0;
        if links.len() > LINKS || is_seen {
            let why = match is_seen {
                true => "they lead back to one of themselves".to_owned(),
                false => format!("there are more than {LINKS} in a row"),
            };
            break ChainEnd::Unknown { why };
        }
        let answer = match walker.lookup(&at, RecordType::A, 0).await {
            Ok(answer) => answer,
            Err(error) => {
                let why = error.to_string();
                break ChainEnd::Unknown { why };
            }
        };
        let alias = RecordSet::among(&answer.answers, &at, Kind::Cname);
        let Some(alias) = alias else {
            break end(walker, &at, RecordSet::among(&answer.answers, &at, Kind::A)).await;
        };
        let target = alias.values.iter().find_map(|it| match it.data() {
            RData::CNAME(target) => Some(target.0.clone()),
            _other => None,
        });
        links.push(alias);
        match target {
            Some(target) => at = target,
            None => break ChainEnd::Nothing(at),
        }
    };
    Chain {
        name: name.clone(),
        links,
        end,
    }
}

async fn end(walker: &mut Walker<'_>, at: &Name, v4: Option<RecordSet>) -> ChainEnd {
    match walker.lookup(at, RecordType::AAAA, 0).await {
        Ok(answer) => {
            let v6 = RecordSet::among(&answer.answers, at, Kind::Aaaa);
            let sets: Vec<RecordSet> = v4.into_iter().chain(v6).collect();
            match sets.is_empty() {
                true => ChainEnd::Nothing(at.clone()),
                false => ChainEnd::Addresses(sets),
            }
        }
        Err(error) => ChainEnd::Unknown {
            why: error.to_string(),
        },
    }
}

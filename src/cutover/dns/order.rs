//! Orders: which change of the zone is meant by "lower the TTL", "move", "revert" and "restore the TTL".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Leads, Names},
    plan::dns::{Change, DnsName, DnsPlan, Kind, RecordSet, Records, Ttl},
};

/// One change of the zone, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsOrder {
    /// What for.
    pub purpose: DnsPurpose,
    /// The change.
    pub change: Change,
    /// For a TTL that is lowered: what it is lowered to after that, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Ttl>,
    /// For a TTL that is lowered further: whether the one before had run out.
    #[serde(default)]
    pub is_proven: bool,
}

/// What a change of the zone is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsPurpose {
    /// So that a move is known soon everywhere.
    LowerTtl,
    /// Names lead to new.
    Move,
    /// Names lead where they did before.
    Revert,
    /// TTLs as they were before they were lowered.
    RestoreTtl,
}

/// What is to be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To lower TTLs to each of these, one after the other; at least one.
    LowerTtl(Vec<Ttl>),
    /// To move.
    Move,
    /// To lead names back.
    Revert,
    /// To restore TTLs.
    RestoreTtl,
}

impl Wish {
    /// What the order will be for.
    #[must_use]
    pub const fn purpose(&self) -> DnsPurpose {
        match self {
            Self::LowerTtl(_) => DnsPurpose::LowerTtl,
            Self::Move => DnsPurpose::Move,
            Self::Revert => DnsPurpose::Revert,
            Self::RestoreTtl => DnsPurpose::RestoreTtl,
        }
    }
}

impl fmt::Display for DnsPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LowerTtl => "lower-ttl",
            Self::Move => "move",
            Self::Revert => "revert",
            Self::RestoreTtl => "restore-ttl",
        })
    }
}

/// The order that a wish comes to, given what every server says; the way back needs no server.
///
/// # Errors
/// Why there is no such change, in a sentence for the operator.
pub fn prepare(
    plan: &DnsPlan,
    names: Option<&Names>,
    said: Result<&[RecordSet], String>,
    wish: &Wish,
) -> Result<DnsOrder, String> {
    let (change, then) = match wish {
        Wish::LowerTtl(ttls) => {
            let (first, then) = ttls.split_first().ok_or("no TTL to lower to")?;
            (lower(plan, names, said?, *first)?, then.to_vec())
        }
        Wish::Move => (move_names(plan, names, said?)?, Vec::new()),
        Wish::Revert => {
            let moved = names.and_then(|it| it.moved.as_ref());
            let moved = moved.ok_or("no name was moved: there is nothing to revert")?;
            (lead_back(moved, said), Vec::new())
        }
        Wish::RestoreTtl => (restore(plan, names, said?)?, Vec::new()),
    };
    Ok(DnsOrder {
        purpose: wish.purpose(),
        change,
        then,
        is_proven: false,
    })
}

fn lower(
    plan: &DnsPlan,
    names: Option<&Names>,
    said: &[RecordSet],
    ttl: Ttl,
) -> Result<Change, String> {
    as_planned(plan, said, leads(names))?;
    let lowered = said.iter().map(|it| it.with_ttl(it.ttl.min(ttl)));
    let change = Change::new(plan.zone.clone(), said.to_vec(), lowered.collect());
    change.map_err(|_nothing| format!("no TTL is above {ttl}: nothing is to be lowered"))
}

fn move_names(plan: &DnsPlan, names: Option<&Names>, said: &[RecordSet]) -> Result<Change, String> {
    as_planned(plan, said, Leads::From)?;
    let served = said.iter().map(|it| it.ttl).max().unwrap_or_default();
    let lowered = names.and_then(|it| it.lowered.as_ref());
    let ttl = lowered.map_or(served, |it| it.ttl).min(served);
    let to = plan.names.iter().flat_map(|it| sets(it, &it.to, ttl));
    let change = Change::new(plan.zone.clone(), said.to_vec(), to.collect());
    change.map_err(|error| error.to_string())
}

/// The move's reverse; where every server says what the move left but for TTLs that were changed since, from these.
fn lead_back(moved: &Change, said: Result<&[RecordSet], String>) -> Change {
    let back = moved.reversed();
    let same = |said: &&[RecordSet]| {
        let has = |it: &RecordSet| said.iter().any(|set| set.says_the_same(it));
        said.len() == back.before().len() && back.before().iter().all(has)
    };
    let from_here = said.ok().filter(same).and_then(|said| {
        let after = back.after().to_vec();
        Change::new(back.zone().clone(), said.to_vec(), after).ok()
    });
    from_here.unwrap_or(back)
}

fn restore(plan: &DnsPlan, names: Option<&Names>, said: &[RecordSet]) -> Result<Change, String> {
    let lowered = names.and_then(|it| it.lowered.as_ref());
    let lowered = lowered.ok_or("no TTL was lowered: there is nothing to restore")?;
    as_planned(plan, said, leads(names))?;
    let restored = said.iter().map(|set| {
        let mut same_name = lowered.original.iter().filter(|it| it.name == set.name);
        let same = same_name.clone().find(|it| it.kind == set.kind);
        // A kind that is new has the TTL that the name had.
        let longest = || same_name.by_ref().map(|it| it.ttl).max();
        let ttl = same.map(|it| it.ttl).or_else(longest);
        set.with_ttl(ttl.unwrap_or(set.ttl))
    });
    let change = Change::new(plan.zone.clone(), said.to_vec(), restored.collect());
    change.map_err(|_nothing| "every TTL is as it was: nothing is to be restored".to_owned())
}

fn leads(names: Option<&Names>) -> Leads {
    names.map_or(Leads::From, |it| it.leads)
}

/// Whether servers say just what the plan has for this place: what nobody planned must not be changed, nor left behind.
fn as_planned(plan: &DnsPlan, said: &[RecordSet], leads: Leads) -> Result<(), String> {
    for name in &plan.names {
        let (records, key) = match leads {
            Leads::From => (&name.from, "from"),
            Leads::To => (&name.to, "to"),
        };
        for kind in Kind::ALL {
            let served = said
                .iter()
                .find(|it| it.name == name.name && it.kind == kind);
            let planned = records.get(&kind);
            let fault = match (served, planned) {
                (None, None) => continue,
                (Some(served), Some(planned)) if served.values == *planned => continue,
                (Some(served), Some(_)) => {
                    format!("{served} is served, and `{key}` has other values")
                }
                (Some(served), None) => format!("{served} is served, and `{key}` has no {kind}"),
                (None, Some(_)) => format!("{} has no {kind}, and `{key}` has one", name.name),
            };
            return Err(format!(
                "{fault}: put the zone or [[dns.name]] right, and reload"
            ));
        }
    }
    Ok(())
}

fn sets(name: &DnsName, records: &Records, ttl: Ttl) -> Vec<RecordSet> {
    let set = |(kind, values): (&Kind, &_)| RecordSet {
        name: name.name.clone(),
        kind: *kind,
        ttl,
        values: Clone::clone(values),
    };
    records.iter().map(set).collect()
}

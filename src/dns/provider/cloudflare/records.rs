//! Records as Cloudflare has them, pure: sets of them, and a change of them as one batch.

use hickory_resolver::proto::rr::Name;
use serde::{Deserialize, Serialize};

use crate::{
    dns::provider::ProviderError,
    plan::dns::{Change, Kind, RecordSet, Ttl, Value},
};

/// The TTL that stands for "automatic", and what is served then.
const AUTOMATIC: (u32, Ttl) = (1, Ttl(300));

/// What Cloudflare takes; below 60 only in zones of its Enterprise plan, which it sees to by itself.
const TTLS: std::ops::RangeInclusive<u32> = 30..=86_400;

/// Whether the change can be put to Cloudflare at all.
///
/// # Errors
/// [`ProviderError::Invalid`], with what to do.
pub(super) fn check(change: &Change) -> Result<(), ProviderError> {
    let invalid = |why: String| Err(ProviderError::Invalid { why });
    for (_, after) in change.differences() {
        let Some(set) = after else {
            continue;
        };
        let (name, kind, ttl) = (&set.name, set.kind, set.ttl.0);
        if !TTLS.contains(&ttl) {
            return invalid(format!(
                "{name} {kind} would have a TTL of {ttl}, and Cloudflare takes 60 to 86400 seconds (from 30 with an \
                 Enterprise plan); set `ttl` to one of these"
            ));
        }
        if kind == Kind::Https
            && let Some(value) = set.values.iter().find(|it| Service::of(it).is_none())
        {
            return invalid(format!(
                "{name} {kind} would be {value}, which has a parameter that Cloudflare has no words for"
            ));
        }
    }
    Ok(())
}

/// A record as Cloudflare gives it; what else it holds stays as it is.
#[derive(Deserialize)]
pub(super) struct Record {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    content: Option<String>,
    ttl: u32,
    #[serde(default)]
    proxied: bool,
}

/// A record of one of our kinds.
pub(super) struct Held {
    id: String,
    name: Name,
    kind: Kind,
    /// As it is written down, which may be [`AUTOMATIC`].
    ttl: u32,
    value: Value,
}

impl Record {
    /// `None` if it is not of these names and kinds.
    pub(super) fn read(self, subjects: &[(Name, Kind)]) -> Result<Option<Held>, ProviderError> {
        let refused = |why: String| Err(ProviderError::Refused { why });
        let (Ok(mut name), Ok(kind)) = (Name::from_ascii(&self.name), self.kind.parse::<Kind>())
        else {
            return Ok(None);
        };
        name.set_fqdn(true);
        if !subjects.iter().any(|it| *it == (name.clone(), kind)) {
            return Ok(None);
        }
        if self.proxied {
            return refused(format!(
                "{name} {kind} is proxied, so clients are given Cloudflare's own addresses and never what it holds; set it to \
                 \"DNS only\" first, or move its origin at Cloudflare instead"
            ));
        }
        let value = match Value::parse(kind, &self.content.unwrap_or_default()) {
            Ok(value) => value,
            Err(error) => return refused(format!("{name}: {error}")),
        };
        Ok(Some(Held {
            id: self.id,
            name,
            kind,
            ttl: self.ttl,
            value,
        }))
    }
}

/// The sets that records make up. Where those of one set differ in their TTL, the lowest one counts, as it does for resolvers.
pub(super) fn sets(held: &[Held]) -> Vec<RecordSet> {
    let mut sets: Vec<RecordSet> = Vec::new();
    for record in held {
        let ttl = match record.ttl == AUTOMATIC.0 {
            true => AUTOMATIC.1,
            false => Ttl(record.ttl),
        };
        let of_set = |it: &&mut RecordSet| it.name == record.name && it.kind == record.kind;
        if let Some(set) = sets.iter_mut().find(of_set) {
            set.ttl = set.ttl.min(ttl);
            set.values.insert(record.value.clone());
            continue;
        }
        sets.push(RecordSet {
            name: record.name.clone(),
            kind: record.kind,
            ttl,
            values: [record.value.clone()].into(),
        });
    }
    sets
}

/// A change as Cloudflare carries it out: deletes first, then patches, then posts.
#[derive(Serialize)]
pub(super) struct Batch<'c> {
    deletes: Vec<Delete<'c>>,
    patches: Vec<Patch<'c>>,
    posts: Vec<Post<'c>>,
}

#[derive(Serialize)]
struct Delete<'c> {
    id: &'c str,
}

#[derive(Serialize)]
struct Patch<'c> {
    id: &'c str,
    ttl: u32,
}

#[derive(Serialize)]
struct Post<'c> {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    ttl: u32,
    proxied: bool,
    #[serde(flatten)]
    holds: Holds<'c>,
}

/// What a record holds: one text, or, for HTTPS records, its parts.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Holds<'c> {
    Content(&'c str),
    Data(Service<'c>),
}

#[derive(Serialize)]
struct Service<'c> {
    priority: u16,
    target: &'c str,
    value: &'c str,
}

impl<'c> Batch<'c> {
    /// The batch that changes these records, which are all of [`Change::before`].
    pub(super) fn of(change: &'c Change, held: &'c [Held]) -> Self {
        let mut batch = Self {
            deletes: Vec::new(),
            patches: Vec::new(),
            posts: Vec::new(),
        };
        for (before, after) in change.differences() {
            let Some(subject) = before.or(after) else {
                continue;
            };
            let of_set = |it: &&Held| it.name == subject.name && it.kind == subject.kind;
            let there: Vec<&Held> = held.iter().filter(of_set).collect();
            for record in &there {
                let id = record.id.as_str();
                match after.filter(|it| it.values.contains(&record.value)) {
                    None => batch.deletes.push(Delete { id }),
                    Some(set) if set.ttl.0 != record.ttl => {
                        let ttl = set.ttl.0;
                        batch.patches.push(Patch { id, ttl });
                    }
                    Some(_as_it_is) => {}
                }
            }
            let Some(set) = after else {
                continue;
            };
            let is_new = |it: &&Value| there.iter().all(|record| record.value != **it);
            let posts = set.values.iter().filter(is_new);
            batch.posts.extend(posts.map(|it| Post::of(set, it)));
        }
        batch
    }
}

impl<'c> Post<'c> {
    fn of(set: &RecordSet, value: &'c Value) -> Self {
        let content = match set.kind {
            // Cloudflare writes names without their last dot.
            Kind::Cname => value.text().trim_end_matches('.'),
            Kind::A | Kind::Aaaa | Kind::Https => value.text(),
        };
        Self {
            name: set.name.to_ascii().trim_end_matches('.').to_owned(),
            kind: set.kind.name(),
            ttl: set.ttl.0,
            proxied: false,
            holds: match (set.kind, Service::of(value)) {
                (Kind::Https, Some(service)) => Holds::Data(service),
                (Kind::Https | Kind::A | Kind::Aaaa | Kind::Cname, _) => Holds::Content(content),
            },
        }
    }
}

impl<'c> Service<'c> {
    /// The parts of an HTTPS record; `None` if it is written in the generic form.
    fn of(value: &'c Value) -> Option<Self> {
        let mut parts = value.text().splitn(3, ' ');
        Some(Self {
            priority: parts.next()?.parse().ok()?,
            target: parts.next()?,
            value: parts.next().unwrap_or_default(),
        })
    }
}

//! A change of records, all of it or nothing: what is there before, and what is there after.

use std::fmt;

use hickory_resolver::proto::rr::Name;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::record::{Kind, RecordSet};

/// A change of record sets of one zone as one unit. A set of `before` that is not in `after` goes away, one of `after` that is
/// not in `before` is new, and one that is in both is replaced, be it only in its TTL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Change {
    zone: Name,
    before: Vec<RecordSet>,
    after: Vec<RecordSet>,
}

/// A [`Change`] as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    zone: String,
    before: Vec<RecordSet>,
    after: Vec<RecordSet>,
}

/// What no change may be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// A name that would have no record left.
    #[error("{name} would have no record left")]
    LeavesNothing {
        /// The name.
        name: Name,
    },
    /// A name of another zone.
    #[error("{name} is not within the zone {zone}")]
    Outside {
        /// The name.
        name: Box<Name>,
        /// The zone.
        zone: Box<Name>,
    },
    /// A set without values, which no zone can hold.
    #[error("{name} {kind} has no value")]
    Empty {
        /// The name.
        name: Name,
        /// The kind.
        kind: Kind,
    },
    /// Nothing differs.
    #[error("nothing would change")]
    Nothing,
}

impl Change {
    /// A change from what is there `before` to what is there `after`. Sets that are the same in both, TTL and all, are kept:
    /// they are a part of what must be there for the change to be right.
    ///
    /// # Errors
    /// [`ChangeError`]: above all, a name that has records before has some after it.
    pub fn new(
        zone: Name,
        before: Vec<RecordSet>,
        after: Vec<RecordSet>,
    ) -> Result<Self, ChangeError> {
        for set in before.iter().chain(&after) {
            if !zone.zone_of(&set.name) {
                let (name, zone) = (Box::new(set.name.clone()), Box::new(zone));
                return Err(ChangeError::Outside { name, zone });
            }
            if set.values.is_empty() {
                let (name, kind) = (set.name.clone(), set.kind);
                return Err(ChangeError::Empty { name, kind });
            }
        }
        let is_left = |name: &Name| after.iter().any(|it| it.name == *name);
        if let Some(lost) = before.iter().find(|it| !is_left(&it.name)) {
            let name = lost.name.clone();
            return Err(ChangeError::LeavesNothing { name });
        }
        let change = Self {
            zone,
            before,
            after,
        };
        let differs = change.differences().next().is_some();
        differs.then_some(change).ok_or(ChangeError::Nothing)
    }

    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            zone: self.zone.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }

    /// The zone that holds the records.
    #[must_use]
    pub const fn zone(&self) -> &Name {
        &self.zone
    }

    /// Every set that the change is about, as it has to be before it.
    #[must_use]
    pub fn before(&self) -> &[RecordSet] {
        &self.before
    }

    /// Every set that the change is about, as it is after it.
    #[must_use]
    pub fn after(&self) -> &[RecordSet] {
        &self.after
    }

    /// What to look at to see whether the change is done: every name and kind of both sides, each once.
    #[must_use]
    pub fn subjects(&self) -> Vec<(Name, Kind)> {
        let all = self.before.iter().chain(&self.after);
        let mut subjects: Vec<_> = all.map(|it| (it.name.clone(), it.kind)).collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    /// Each set that differs: as it is before, and as it is after.
    pub fn differences(&self) -> impl Iterator<Item = (Option<&RecordSet>, Option<&RecordSet>)> {
        fn find<'s>(sets: &'s [RecordSet], name: &Name, kind: Kind) -> Option<&'s RecordSet> {
            sets.iter().find(|it| it.name == *name && it.kind == kind)
        }
        let pairs = self.subjects().into_iter().map(|(name, kind)| {
            let before = find(&self.before, &name, kind);
            (before, find(&self.after, &name, kind))
        });
        pairs.filter(|(before, after)| before != after)
    }
}

impl From<Change> for Written {
    fn from(change: Change) -> Self {
        Self {
            zone: change.zone.to_ascii(),
            before: change.before,
            after: change.after,
        }
    }
}

impl TryFrom<Written> for Change {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let zone = Name::from_ascii(&written.zone);
        let zone = zone.map_err(|error| format!("{:?} is no name ({error})", written.zone))?;
        let change = Self::new(zone, written.before, written.after);
        change.map_err(|error| error.to_string())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (before, after)) in self.differences().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(before) = before {
                write!(f, "- {before}")?;
            }
            if before.is_some() && after.is_some() {
                writeln!(f)?;
            }
            if let Some(after) = after {
                write!(f, "+ {after}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::dns::{Ttl, Value};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn set(of: &str, kind: Kind, ttl: u32, values: &[&str]) -> RecordSet {
        let value = |it: &&str| Value::parse(kind, it).expect("a value");
        RecordSet {
            name: name(of),
            kind,
            ttl: Ttl(ttl),
            values: values.iter().map(value).collect(),
        }
    }

    fn change(before: Vec<RecordSet>, after: Vec<RecordSet>) -> Result<Change, ChangeError> {
        Change::new(name("example.test."), before, after)
    }

    #[test]
    fn all_kinds_change_as_one_and_the_way_back_is_the_reverse() {
        let shop = "shop.example.test.";
        let v4 = set(shop, Kind::A, 60, &["192.0.2.1"]);
        let v6 = set(shop, Kind::Aaaa, 60, &["2001:db8::1"]);
        let other = set(shop, Kind::A, 60, &["198.51.100.1"]);
        let there = change(vec![v4, v6], vec![other]).expect("a change");
        assert_eq!(
            there.to_string(),
            "- shop.example.test. 60 A 192.0.2.1\n+ shop.example.test. 60 A 198.51.100.1\n\
             - shop.example.test. 60 AAAA 2001:db8::1"
        );
        assert_eq!(there.reversed().before(), there.after());
        assert_eq!(there.reversed().reversed(), there);
        assert_eq!(there.subjects().len(), 2);
        let written = serde_json::to_string(&there).expect("it is data");
        let read: Change = serde_json::from_str(&written).expect("it was written so");
        assert_eq!(read, there);
    }

    #[test]
    fn a_ttl_alone_is_a_change() {
        let slow = set("shop.example.test.", Kind::A, 3600, &["192.0.2.1"]);
        let quick = slow.with_ttl(Ttl(60));
        assert!(slow.says_the_same(&quick));
        let lowered = change(vec![slow.clone()], vec![quick]).expect("a change");
        assert_eq!(lowered.differences().count(), 1);
        assert_eq!(
            change(vec![slow.clone()], vec![slow]),
            Err(ChangeError::Nothing)
        );
    }

    #[test]
    fn no_name_is_left_without_records() {
        let shop = set("shop.example.test.", Kind::A, 60, &["192.0.2.1"]);
        let www = set("www.example.test.", Kind::A, 60, &["192.0.2.1"]);
        let lost = change(vec![shop.clone(), www.clone()], vec![www.with_ttl(Ttl(5))]);
        let expected = ChangeError::LeavesNothing {
            name: name("shop.example.test."),
        };
        assert_eq!(lost, Err(expected));
        let empty = set("shop.example.test.", Kind::A, 60, &[]);
        let expected = ChangeError::Empty {
            name: name("shop.example.test."),
            kind: Kind::A,
        };
        assert_eq!(change(vec![shop], vec![empty]), Err(expected));
        let outside = set("shop.example.org.", Kind::A, 60, &["192.0.2.1"]);
        let refused = change(vec![outside.clone()], vec![outside]);
        assert!(matches!(refused, Err(ChangeError::Outside { .. })));
    }
}

//! `manual`: says what has to be changed, for somebody to do it elsewhere. That it is done is seen at the zone's own servers, by
//! whoever looks at them.

use std::fmt;

use crate::{
    dns::provider::{Applied, Compares, Guarantee},
    plan::dns::{Change, RecordSet},
};

/// Somebody makes each change by hand.
#[derive(Clone, Copy, Debug)]
pub struct Manual;

impl Manual {
    /// People type one record after another.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::NotKnown,
        is_atomic: false,
    };

    /// What to do, record by record.
    #[must_use]
    pub fn apply(self, change: &Change) -> Applied {
        Applied::Pending {
            until: Instructions(change).to_string(),
        }
    }
}

/// A change as lines of a zone file, each with what is to be done about it.
struct Instructions<'c>(&'c Change);

impl fmt::Display for Instructions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.0.zone();
        write!(
            f,
            "this is changed in the zone {zone}, at once if possible:"
        )?;
        for (before, after) in self.0.differences() {
            if let (Some(before), Some(after)) = (before, after)
                && before.says_the_same(after)
            {
                let (name, kind) = (&after.name, after.kind);
                let (from, to) = (before.ttl.0, after.ttl.0);
                write!(f, "\n  set the TTL of {name} {kind} from {from} to {to}")?;
                continue;
            }
            // The order matters where one of them is a CNAME, which allows nothing beside it.
            lines(f, "remove", before)?;
            lines(f, "add", after)?;
        }
        Ok(())
    }
}

fn lines(f: &mut fmt::Formatter<'_>, what: &str, set: Option<&RecordSet>) -> fmt::Result {
    let Some(set) = set else {
        return Ok(());
    };
    for value in &set.values {
        let (name, ttl, kind) = (&set.name, set.ttl.0, set.kind);
        write!(f, "\n  {what} {name} {ttl} IN {kind} {value}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;
    use crate::plan::dns::{Kind, Ttl, Value};

    fn set(kind: Kind, ttl: u32, values: &[&str]) -> RecordSet {
        RecordSet {
            name: Name::from_ascii("shop.example.test.").expect("a name"),
            kind,
            ttl: Ttl(ttl),
            values: values
                .iter()
                .map(|it| Value::parse(kind, it).expect("a value"))
                .collect(),
        }
    }

    fn said(before: Vec<RecordSet>, after: Vec<RecordSet>) -> String {
        let zone = Name::from_ascii("example.test.").expect("a name");
        let change = Change::new(zone, before, after).expect("a change");
        match Manual.apply(&change) {
            Applied::Pending { until } => until,
            Applied::Done | Applied::Spreading { .. } => panic!("nobody has done anything"),
        }
    }

    #[test]
    fn every_record_is_said_as_it_is_typed_in() {
        let before = vec![
            set(Kind::A, 60, &["192.0.2.1", "192.0.2.2"]),
            set(Kind::Https, 60, &["1 . alpn=h2 ipv4hint=192.0.2.1"]),
        ];
        let after = vec![set(Kind::A, 60, &["198.51.100.1"])];
        assert_eq!(
            said(before, after),
            "this is changed in the zone example.test., at once if possible:\n  \
             remove shop.example.test. 60 IN A 192.0.2.1\n  \
             remove shop.example.test. 60 IN A 192.0.2.2\n  \
             add shop.example.test. 60 IN A 198.51.100.1\n  \
             remove shop.example.test. 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1"
        );
    }

    #[test]
    fn a_ttl_is_set_and_no_record_is_touched() {
        let slow = set(Kind::A, 3600, &["192.0.2.1"]);
        assert_eq!(
            said(vec![slow.clone()], vec![slow.with_ttl(Ttl(60))]),
            "this is changed in the zone example.test., at once if possible:\n  \
             set the TTL of shop.example.test. A from 3600 to 60"
        );
    }
}

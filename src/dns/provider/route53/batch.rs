//! A change as Route 53 carries it out, all of it or nothing: sets that go, each just as it is there, and then sets that come.
//!
//! A set that is not there any more as it was, and one that has come meanwhile, make Route 53 refuse all of it. Nothing is ever
//! replaced, which would ask nobody what is there. What does not change is not a part of it.

use serde::Serialize;

use crate::{
    dns::provider::{
        ProviderError,
        route53::{
            document::{NAMESPACE, Record, Records},
            name,
            records::Held,
        },
    },
    plan::dns::{Change, Kind, RecordSet, Value},
};

/// The most records of one change, and the most characters of their values: quotas of Route 53, which nobody can have raised.
const RECORDS_MAX: usize = 1000;
/// See [`RECORDS_MAX`].
const CHARACTERS_MAX: usize = 32_000;

/// The longest TTL that Route 53 takes.
const TTL_MAX: u32 = 2_147_483_647;

/// Whether the change can be put to Route 53 at all, whatever is there.
///
/// # Errors
/// [`ProviderError::Invalid`], with what to do.
pub(super) fn check(change: &Change) -> Result<(), ProviderError> {
    let before: Vec<Held> = change.before().iter().map(Held::canonical).collect();
    Batch::of(change, &before).map(drop)
}

/// A change of record sets, in the order in which it is carried out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch {
    #[serde(rename = "@xmlns")]
    namespace: &'static str,
    change_batch: ChangeBatch,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeBatch {
    changes: Changes,
}

#[derive(Serialize)]
struct Changes {
    #[serde(rename = "Change")]
    all: Vec<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Step {
    action: Action,
    resource_record_set: Written,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Delete,
    Create,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    name: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "TTL")]
    ttl: u32,
    resource_records: Records,
}

impl Batch {
    /// The batch that changes these sets, which are all of [`Change::before`].
    ///
    /// # Errors
    /// [`ProviderError::Invalid`] if Route 53 does not take it, with what to do.
    pub(super) fn of(change: &Change, held: &[Held]) -> Result<Self, ProviderError> {
        let differences: Vec<_> = change.differences().collect();
        let goes = |it: &&Held| {
            differences
                .iter()
                .any(|(before, _)| *before == Some(&it.set))
        };
        let mut steps: Vec<Step> = held.iter().filter(goes).map(Step::delete).collect();
        for set in differences.iter().filter_map(|(_, after)| *after) {
            steps.push(Step::create(set)?);
        }
        let batch = Self {
            namespace: NAMESPACE,
            change_batch: ChangeBatch {
                changes: Changes { all: steps },
            },
        };
        batch.within_quotas()?;
        Ok(batch)
    }

    fn within_quotas(&self) -> Result<(), ProviderError> {
        let steps = self.change_batch.changes.all.iter();
        let records = steps.flat_map(|it| &it.resource_record_set.resource_records.all);
        let lengths: Vec<usize> = records.map(|it| it.value.chars().count()).collect();
        let (count, characters) = (lengths.len(), lengths.iter().sum::<usize>());
        if count <= RECORDS_MAX && characters <= CHARACTERS_MAX {
            return Ok(());
        }
        Err(ProviderError::Invalid {
            why: format!(
                "it is {count} records of {characters} characters, and Route 53 changes at most {RECORDS_MAX} of \
                 {CHARACTERS_MAX} at once; name fewer names"
            ),
        })
    }

    /// The document.
    ///
    /// # Errors
    /// [`ProviderError::Invalid`] if it cannot be written.
    pub(super) fn document(&self) -> Result<String, ProviderError> {
        let text = quick_xml::se::to_string_with_root("ChangeResourceRecordSetsRequest", self);
        let text = text.map_err(|error| ProviderError::Invalid {
            why: error.to_string(),
        })?;
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"
        ))
    }
}

impl Step {
    /// Takes a set away, written as Route 53 holds it: nowhere is it said whether it compares what is written or what that means.
    fn delete(held: &Held) -> Self {
        let (name, values) = (held.name.clone(), held.values.clone());
        Self::new(Action::Delete, &held.set, name, values)
    }

    fn create(set: &RecordSet) -> Result<Self, ProviderError> {
        let (of, kind, ttl) = (&set.name, set.kind, set.ttl.0);
        if ttl > TTL_MAX {
            return invalid(format!(
                "{of} {kind} would have a TTL of {ttl}, and Route 53 takes up to {TTL_MAX} seconds"
            ));
        }
        let mut values = Vec::new();
        for value in &set.values {
            let Some(text) = text(kind, value) else {
                return invalid(format!(
                    "{of} {kind} would be {value}, which has a parameter that Route 53 has no words for"
                ));
            };
            values.push(text);
        }
        Ok(Self::new(Action::Create, set, name::written(of), values))
    }

    fn new(action: Action, set: &RecordSet, name: String, values: Vec<String>) -> Self {
        let records = values.into_iter().map(|value| Record { value });
        Self {
            action,
            resource_record_set: Written {
                name,
                kind: set.kind.name(),
                ttl: set.ttl.0,
                resource_records: Records {
                    all: records.collect(),
                },
            },
        }
    }
}

/// A value as Route 53 takes it; `None` for the generic form of one, which it does not.
fn text(kind: Kind, value: &Value) -> Option<String> {
    match kind {
        Kind::A | Kind::Aaaa | Kind::Cname => Some(value.text().to_owned()),
        Kind::Https => service(value.text()),
    }
}

/// With quotation marks around what a parameter holds (RFC 9460 section 2.1), as the examples of Route 53 have it.
fn service(text: &str) -> Option<String> {
    if text.starts_with("\\#") {
        return None;
    }
    let quoted = |word: &str| match word.split_once('=') {
        Some((key, value)) => format!("{key}=\"{value}\""),
        None => word.to_owned(),
    };
    let words: Vec<String> = text.split(' ').map(quoted).collect();
    Some(words.join(" "))
}

fn invalid<T>(why: String) -> Result<T, ProviderError> {
    Err(ProviderError::Invalid { why })
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;
    use crate::plan::dns::Ttl;

    fn set(kind: Kind, ttl: u32, values: &[&str]) -> RecordSet {
        let value = |it: &&str| Value::parse(kind, it).expect("a value");
        RecordSet {
            name: Name::from_ascii("*.example.test.").expect("a name"),
            kind,
            ttl: Ttl(ttl),
            values: values.iter().map(value).collect(),
        }
    }

    fn change(before: Vec<RecordSet>, after: Vec<RecordSet>) -> Change {
        let zone = Name::from_ascii("example.test.").expect("a name");
        Change::new(zone, before, after).expect("a change")
    }

    #[test]
    fn what_goes_goes_first_as_it_is_written_and_what_stays_is_left_out() {
        let old = set(Kind::A, 3600, &["192.0.2.1"]);
        let stays = set(Kind::Aaaa, 60, &["2001:db8::1"]);
        let new = set(
            Kind::Https,
            60,
            &["1 . alpn=h2,h3 no-default-alpn port=8443"],
        );
        let change = change(vec![old.clone(), stays.clone()], vec![stays.clone(), new]);
        let held = [
            Held::canonical(&stays),
            Held {
                set: old,
                name: "\\052.Example.test.".to_owned(),
                values: vec!["192.0.2.1 & <more>".to_owned()],
            },
        ];
        let batch = Batch::of(&change, &held).expect("it is taken");
        assert_eq!(
            batch.document().expect("it can be written"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>\
             <Change><Action>DELETE</Action><ResourceRecordSet><Name>\\052.Example.test.</Name><Type>A</Type><TTL>3600</TTL>\
             <ResourceRecords><ResourceRecord><Value>192.0.2.1 &amp; &lt;more&gt;</Value></ResourceRecord></ResourceRecords>\
             </ResourceRecordSet></Change>\
             <Change><Action>CREATE</Action><ResourceRecordSet><Name>\\052.example.test.</Name><Type>HTTPS</Type><TTL>60</TTL>\
             <ResourceRecords><ResourceRecord><Value>1 . alpn=\"h2,h3\" no-default-alpn port=\"8443\"</Value></ResourceRecord>\
             </ResourceRecords></ResourceRecordSet></Change>\
             </Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
        );
    }

    #[test]
    fn what_is_written_says_the_same() {
        for text in [
            "0 cdn.example.test.",
            "1 .",
            "1 . mandatory=alpn,port alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=AAAA \
             ipv6hint=2001:db8::1",
        ] {
            let value = Value::parse(Kind::Https, text).expect("a value");
            let written = service(value.text()).expect("it has words for it");
            assert_eq!(Value::parse(Kind::Https, &written), Ok(value), "{written}");
        }
    }

    #[test]
    fn what_route_53_does_not_take_is_found_whatever_is_there() {
        let old = set(Kind::A, 3600, &["192.0.2.1"]);
        let check = |after: RecordSet, word: &str| {
            let error =
                check(&change(vec![old.clone()], vec![after])).expect_err("it is not taken");
            let ProviderError::Invalid { why } = error else {
                panic!("{error}");
            };
            assert!(why.contains(word), "{why}");
        };
        check(old.with_ttl(Ttl(TTL_MAX + 1)), "up to 2147483647");
        let generic = set(Kind::Https, 60, &["\\# 10 00010002580003616263"]);
        check(generic, "no words for");
        let long: Vec<String> = (0..1001_u16)
            .map(|it| format!("10.0.{}.{}", it / 256, it % 256))
            .collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        check(set(Kind::A, 60, &long), "1002 records");
    }
}

//! UPDATE messages (RFC 2136), pure: a change as one message, and what an answer to it means.

use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Record, RecordType},
};

use crate::{
    dns::provider::ProviderError,
    plan::dns::{Change, RecordSet, Ttl},
};

/// Whether a message changes the zone, or asks only whether it could be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Apply,
    Validate,
}

/// The one message of a change. Its prerequisites are that each set of [`Change::before`] holds exactly its values and that
/// no set is there which the change makes new; TTLs cannot be compared. Sets that differ are deleted and added anew, since
/// there are servers that leave an old TTL in place where the same record is only added.
pub(super) fn update(id: u16, change: &Change, purpose: Purpose) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    let mut zone = Query::new();
    zone.set_name(change.zone().clone());
    zone.set_query_class(DNSClass::IN);
    zone.set_query_type(RecordType::SOA);
    message.add_query(zone);
    for set in change.before() {
        message.add_answers(set.with_ttl(Ttl(0)).records());
    }
    for (before, after) in change.differences() {
        if let (None, Some(after)) = (before, after) {
            message.add_answer(of_set(after, DNSClass::NONE));
        }
    }
    if purpose == Purpose::Validate {
        return message;
    }
    // A CNAME and other records may not stand beside each other, so whatever goes, goes first.
    for before in change.differences().filter_map(|(before, _)| before) {
        message.add_authority(of_set(before, DNSClass::ANY));
    }
    for after in change.differences().filter_map(|(_, after)| after) {
        message.add_authorities(after.records());
    }
    message
}

/// What the answer says. Where a prerequisite failed, the answer does not say what is there instead.
pub(super) fn outcome(change: &Change, code: ResponseCode) -> Result<(), ProviderError> {
    let refused = |why: &str| {
        let why = format!("{code:?}: {why}");
        Err(ProviderError::Refused { why })
    };
    match code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::NXRRSet
        | ResponseCode::YXRRSet
        | ResponseCode::NXDomain
        | ResponseCode::YXDomain => Err(ProviderError::Conflict {
            expected: change.before().to_vec(),
            found: Vec::new(),
        }),
        ResponseCode::BADSIG | ResponseCode::BADKEY => Err(ProviderError::Unauthorized),
        ResponseCode::NotAuth => refused("the server is not the primary one of the zone"),
        ResponseCode::BADTIME => refused("the clocks of this machine and of the server differ"),
        ResponseCode::Refused => refused("the key may not change these records"),
        ResponseCode::NotZone => refused("the names are not within the zone"),
        ResponseCode::NotImp => refused("the server takes no updates"),
        ResponseCode::FormErr => refused("the server does not understand the message"),
        // The server may have failed at any moment of the change, or have an answer that is not known here.
        other => Err(ProviderError::Unknown {
            why: format!("the server answered {other:?}"),
        }),
    }
}

/// A record without data that stands for a whole set.
fn of_set(set: &RecordSet, class: DNSClass) -> Record {
    let mut record = Record::update0(set.name.clone(), 0, set.kind.record_type());
    record.dns_class = class;
    record
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::{Name, RData};

    use super::*;
    use crate::plan::dns::{Kind, Value};

    fn set(kind: Kind, ttl: u32, value: &str) -> RecordSet {
        RecordSet {
            name: Name::from_ascii("shop.example.test.").expect("a name"),
            kind,
            ttl: Ttl(ttl),
            values: [Value::parse(kind, value).expect("a value")].into(),
        }
    }

    fn change(before: Vec<RecordSet>, after: Vec<RecordSet>) -> Change {
        let zone = Name::from_ascii("example.test.").expect("a name");
        Change::new(zone, before, after).expect("a change")
    }

    /// Each record of a section as `class type TTL data`, as a server reads it.
    fn read(records: &[Record]) -> Vec<String> {
        let line = |it: &Record| {
            let data = match &it.data {
                RData::Update0(_) => String::new(),
                data => format!(" {}", Value::of(data).expect("one of our kinds")),
            };
            format!("{} {} {}{data}", it.dns_class, it.record_type(), it.ttl)
        };
        records.iter().map(line).collect()
    }

    fn sent(message: &Message) -> Message {
        Message::from_vec(&message.to_vec().expect("it can be sent")).expect("it can be read")
    }

    #[test]
    fn a_change_of_all_kinds_is_one_message() {
        let before = vec![
            set(Kind::A, 60, "192.0.2.1"),
            set(Kind::Aaaa, 60, "2001:db8::1"),
        ];
        let after = vec![
            set(Kind::A, 60, "198.51.100.1"),
            set(Kind::Https, 60, "1 . alpn=h2"),
        ];
        let change = change(before, after);
        let message = sent(&update(7, &change, Purpose::Apply));
        assert_eq!(
            read(&message.answers),
            ["IN A 0 192.0.2.1", "IN AAAA 0 2001:db8::1", "NONE HTTPS 0"]
        );
        assert_eq!(
            read(&message.authorities),
            [
                "ANY A 0",
                "ANY AAAA 0",
                "IN A 60 198.51.100.1",
                "IN HTTPS 60 1 . alpn=h2"
            ]
        );
        let tried = sent(&update(7, &change, Purpose::Validate));
        assert_eq!(tried.answers, message.answers);
        assert_eq!(tried.authorities, []);
    }

    #[test]
    fn a_ttl_is_changed_by_deleting_and_adding_in_the_same_message() {
        let slow = set(Kind::A, 3600, "192.0.2.1");
        let change = change(vec![slow.clone()], vec![slow.with_ttl(Ttl(60))]);
        let message = sent(&update(7, &change, Purpose::Apply));
        assert_eq!(read(&message.answers), ["IN A 0 192.0.2.1"]);
        assert_eq!(read(&message.authorities), ["ANY A 0", "IN A 60 192.0.2.1"]);
    }

    #[test]
    fn an_answer_that_says_nothing_of_the_outcome_is_unknown() {
        let slow = set(Kind::A, 3600, "192.0.2.1");
        let change = change(vec![slow.clone()], vec![slow.with_ttl(Ttl(60))]);
        assert_eq!(outcome(&change, ResponseCode::NoError), Ok(()));
        assert_eq!(
            outcome(&change, ResponseCode::NXRRSet),
            Err(ProviderError::Conflict {
                expected: vec![slow],
                found: Vec::new(),
            })
        );
        assert_eq!(
            outcome(&change, ResponseCode::BADSIG),
            Err(ProviderError::Unauthorized)
        );
        let refused = outcome(&change, ResponseCode::Refused);
        assert!(matches!(refused, Err(ProviderError::Refused { .. })));
        let failed = outcome(&change, ResponseCode::ServFail);
        assert!(matches!(failed, Err(ProviderError::Unknown { .. })));
    }
}

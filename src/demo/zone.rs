//! The demo's zone, and what an UPDATE message makes of it (RFC 2136 section 3): all of it or nothing.
//!
//! It takes whole sets of the kinds that names move by: what is there is compared, sets are deleted, records are added. The zone's
//! own SOA and NS are nobody's to change.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{
        DNSClass, LowerName, Name, RData, Record, RecordSet, RecordType, RrKey,
        rdata::{A, NS, SOA},
    },
};

/// The zone's name.
pub(super) const ZONE: &str = "demo.test.";
/// The service's name in it.
pub(super) const SERVICE: &str = "shop.demo.test.";
/// The same, as clients write it.
pub(super) const HOST: &str = "shop.demo.test";
/// The zone's only server, in the zone itself.
const SERVER: &str = "ns.demo.test.";
/// For what nobody moves, in seconds.
const TTL: u32 = 60;
/// The kinds that may be changed.
const KINDS: [RecordType; 4] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::HTTPS,
];

/// Every set of a zone.
pub(super) type Sets = BTreeMap<RrKey, Arc<RecordSet>>;

/// The zone as it is at first: the service leads to `leads_to` with this TTL in seconds.
pub(super) fn zone(server: Ipv4Addr, leads_to: Ipv4Addr, ttl: u32) -> Sets {
    let (origin, host) = (name(ZONE), name(SERVER));
    let soa = SOA::new(host.clone(), origin.clone(), 1, 3600, 600, 86_400, 1);
    let records = [
        (origin.clone(), TTL, RData::SOA(soa)),
        (origin, TTL, RData::NS(NS(host.clone()))),
        (host, TTL, RData::A(A(server))),
        (name(SERVICE), ttl, RData::A(A(leads_to))),
    ];
    let records = records.map(|(name, ttl, data)| Record::from_rdata(name, ttl, data));
    let set = |record: Record| (key(&record), Arc::new(RecordSet::from(record)));
    records.into_iter().map(set).collect()
}

/// One of the names above.
pub(super) fn name(constant: &'static str) -> Name {
    Name::from_ascii(constant).expect("the constants of this file are names")
}

/// What is there after the message, with a serial that has risen.
///
/// # Errors
/// The code to answer; nothing is changed then.
pub(super) fn updated(
    sets: &Sets,
    prerequisites: &[Record],
    updates: &[Record],
) -> Result<Sets, ResponseCode> {
    compare(sets, prerequisites)?;
    let mut after = sets.clone();
    for record in updates {
        let key = within(record)?;
        if !KINDS.contains(&key.record_type) {
            return Err(ResponseCode::Refused);
        }
        match record.dns_class {
            DNSClass::ANY => drop(after.remove(&key)),
            DNSClass::IN => {
                let new = || {
                    let (name, kind) = (record.name.clone(), key.record_type);
                    Arc::new(RecordSet::with_ttl(name, kind, record.ttl))
                };
                let set = after.entry(key.clone()).or_insert_with(new);
                Arc::make_mut(set).insert(record.clone(), 0);
            }
            _single_records => return Err(ResponseCode::NotImp),
        }
    }
    if !updates.is_empty() {
        raise_serial(&mut after)?;
    }
    Ok(after)
}

/// Whether everything is there that has to be, and nothing that must not be (RFC 2136 section 3.2).
fn compare(sets: &Sets, prerequisites: &[Record]) -> Result<(), ResponseCode> {
    let mut whole: BTreeMap<RrKey, Vec<&RData>> = BTreeMap::new();
    for record in prerequisites {
        let key = within(record)?;
        if record.ttl != 0 {
            return Err(ResponseCode::FormErr);
        }
        let is_there = sets.contains_key(&key);
        match record.dns_class {
            DNSClass::IN => whole.entry(key).or_default().push(&record.data),
            DNSClass::ANY if !is_there => return Err(ResponseCode::NXRRSet),
            DNSClass::NONE if is_there => return Err(ResponseCode::YXRRSet),
            DNSClass::ANY | DNSClass::NONE => (),
            _other => return Err(ResponseCode::FormErr),
        }
    }
    for (key, wanted) in whole {
        let there: Vec<&RData> = sets.get(&key).map(|it| values(it)).unwrap_or_default();
        let is_same = there.iter().all(|it| wanted.contains(it))
            && wanted.iter().all(|it| there.contains(it));
        if !is_same {
            return Err(ResponseCode::NXRRSet);
        }
    }
    Ok(())
}

fn values(set: &RecordSet) -> Vec<&RData> {
    set.records_without_rrsigs().map(|it| &it.data).collect()
}

/// The set that a record is about, if that is one of this zone.
fn within(record: &Record) -> Result<RrKey, ResponseCode> {
    if !name(ZONE).zone_of(&record.name) {
        return Err(ResponseCode::NotZone);
    }
    match record.record_type() {
        // Whole names are not compared, nor deleted.
        RecordType::ANY => Err(ResponseCode::NotImp),
        _kind => Ok(key(record)),
    }
}

fn key(record: &Record) -> RrKey {
    RrKey::new(LowerName::from(&record.name), record.record_type())
}

fn raise_serial(sets: &mut Sets) -> Result<(), ResponseCode> {
    let is_soa = |it: &&mut Arc<RecordSet>| it.record_type() == RecordType::SOA;
    let set = sets.values_mut().find(is_soa);
    let set = set.ok_or(ResponseCode::ServFail)?;
    let mut record = set.record().ok_or(ResponseCode::ServFail)?.clone();
    if let RData::SOA(soa) = &mut record.data {
        soa.increment_serial();
    }
    *set = Arc::new(RecordSet::from(record));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn address(class: DNSClass, ttl: u32, address: Ipv4Addr) -> Record {
        let mut record = Record::from_rdata(name(SERVICE), ttl, RData::A(A(address)));
        record.dns_class = class;
        record
    }

    fn of_set(of: &'static str, class: DNSClass, kind: RecordType) -> Record {
        let mut record = Record::update0(name(of), 0, kind);
        record.dns_class = class;
        record
    }

    /// Where the service leads, with its TTL, and the zone's serial.
    fn said(sets: &Sets) -> (Vec<(u32, Ipv4Addr)>, u32) {
        let records = |of, kind| {
            let set = sets.get(&RrKey::new(LowerName::from(&name(of)), kind));
            let set = set.map(|it| it.records_without_rrsigs());
            set.into_iter().flatten().collect::<Vec<_>>()
        };
        let addresses = records(SERVICE, RecordType::A);
        let address = |it: &&Record| match &it.data {
            RData::A(address) => (it.ttl, address.0),
            other => panic!("no address: {other}"),
        };
        let serial = match records(ZONE, RecordType::SOA).as_slice() {
            [
                Record {
                    data: RData::SOA(soa),
                    ..
                },
            ] => soa.serial,
            other => panic!("one SOA expected: {other:?}"),
        };
        (addresses.iter().map(address).collect(), serial)
    }

    #[test]
    fn a_set_is_replaced_where_it_is_what_was_expected() {
        let zone = zone(OLD, OLD, 3);
        let expected = [address(DNSClass::IN, 0, OLD)];
        let updates = [
            of_set(SERVICE, DNSClass::ANY, RecordType::A),
            address(DNSClass::IN, 1, NEW),
        ];
        let after = updated(&zone, &expected, &updates).expect("it is as expected");
        assert_eq!(said(&after), (vec![(1, NEW)], 2));
        // Once more it is a conflict.
        let again = updated(&after, &expected, &updates);
        assert_eq!(again, Err(ResponseCode::NXRRSet));
        // Prerequisites alone change nothing.
        let tried = updated(&zone, &expected, &[]).expect("it is as expected");
        assert_eq!(said(&tried), said(&zone));
    }

    #[test]
    fn a_set_is_compared_as_a_whole() {
        let zone = zone(OLD, OLD, 3);
        let check = |prerequisites: &[Record], expected: Result<(), ResponseCode>| {
            let found = updated(&zone, prerequisites, &[]).map(|_same| ());
            assert_eq!(found, expected, "{prerequisites:?}");
        };
        let of = |values: &[Ipv4Addr]| -> Vec<Record> {
            let record = |it: &Ipv4Addr| address(DNSClass::IN, 0, *it);
            values.iter().map(record).collect()
        };
        check(&of(&[OLD]), Ok(()));
        check(&of(&[NEW]), Err(ResponseCode::NXRRSet));
        check(&of(&[OLD, NEW]), Err(ResponseCode::NXRRSet));
        check(&[address(DNSClass::IN, 3, OLD)], Err(ResponseCode::FormErr));
        let set = |class, kind| of_set(SERVICE, class, kind);
        check(&[set(DNSClass::ANY, RecordType::A)], Ok(()));
        check(
            &[set(DNSClass::NONE, RecordType::A)],
            Err(ResponseCode::YXRRSet),
        );
        check(&[set(DNSClass::NONE, RecordType::AAAA)], Ok(()));
        check(
            &[set(DNSClass::ANY, RecordType::AAAA)],
            Err(ResponseCode::NXRRSet),
        );
        check(
            &[set(DNSClass::ANY, RecordType::ANY)],
            Err(ResponseCode::NotImp),
        );
    }

    #[test]
    fn what_is_not_to_be_changed_is_refused_and_everything_stays() {
        let zone = zone(OLD, OLD, 3);
        let check = |refused: Record, expected: ResponseCode| {
            // What comes before it in the same message is not done either.
            let updates = [of_set(SERVICE, DNSClass::ANY, RecordType::A), refused];
            assert_eq!(updated(&zone, &[], &updates), Err(expected));
        };
        check(
            of_set(ZONE, DNSClass::ANY, RecordType::NS),
            ResponseCode::Refused,
        );
        check(
            of_set(ZONE, DNSClass::ANY, RecordType::SOA),
            ResponseCode::Refused,
        );
        check(address(DNSClass::NONE, 0, OLD), ResponseCode::NotImp);
        let mut outside = address(DNSClass::IN, 1, NEW);
        outside.name = Name::from_ascii("shop.other.test.").expect("a name");
        check(outside, ResponseCode::NotZone);
        assert_eq!(said(&zone), (vec![(3, OLD)], 1));
    }
}

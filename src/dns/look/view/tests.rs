//! Answers as servers send them, and what is made of them.

use std::time::Duration;

use hickory_resolver::proto::{
    op::OpCode,
    rr::{Record, rdata::SOA},
};

use super::*;
use crate::{dns::look::authority::NamedBy, plan::dns::Value};

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn set(kind: Kind, ttl: u32, values: &[&str]) -> RecordSet {
    let value = |it: &&str| Value::parse(kind, it).expect("a value");
    RecordSet {
        name: name("shop.example.test."),
        kind,
        ttl: Ttl(ttl),
        values: values.iter().map(value).collect(),
    }
}

fn view(sets: Vec<RecordSet>) -> ServerView {
    ServerView {
        server: Server {
            name: name("ns.example.test."),
            address: ([127, 0, 0, 1], 53).into(),
            named_by: NamedBy::Both,
        },
        answers: Ok(Answers {
            sets,
            negative_ttl: Ttl(5),
            serial: 1,
            signatures: Vec::new(),
        }),
    }
}

fn answer(code: ResponseCode, is_authoritative: bool) -> Message {
    let mut answer = Message::response(1, OpCode::Query);
    answer.metadata.response_code = code;
    answer.metadata.authoritative = is_authoritative;
    answer
}

#[test]
fn a_server_serves_what_is_expected_only_with_the_same_ttl_and_nothing_beside_it() {
    let v4 = set(Kind::A, 60, &["192.0.2.1", "192.0.2.2"]);
    let v6 = set(Kind::Aaaa, 60, &["2001:db8::1"]);
    let both = [v6.clone(), v4.clone()];
    assert_eq!(
        view(vec![v4.clone(), v6.clone()]).compare(&both),
        Comparison::Serves
    );
    assert_eq!(view(Vec::new()).compare(&[]), Comparison::Serves);

    let check = |sets: Vec<RecordSet>, expected: &[RecordSet], differs: Difference<'_>| {
        let view = view(sets);
        assert_eq!(view.compare(expected), Comparison::Differs(vec![differs]));
    };
    let slow = v4.with_ttl(Ttl(3600));
    let differs = Difference {
        expected: Some(&v4),
        found: Some(&slow),
    };
    check(vec![slow.clone()], std::slice::from_ref(&v4), differs);
    let beside = Difference {
        expected: None,
        found: Some(&v6),
    };
    check(
        vec![v4.clone(), v6.clone()],
        std::slice::from_ref(&v4),
        beside,
    );
    let missing = Difference {
        expected: Some(&v6),
        found: None,
    };
    check(vec![v4.clone()], &both, missing);
}

#[test]
fn a_server_without_an_answer_is_unknown_whatever_is_expected() {
    let limit = Duration::from_secs(2);
    let silent = ServerView {
        answers: Err(Unanswered::Silent { limit }),
        ..view(Vec::new())
    };
    let expected = Comparison::Unknown(&Unanswered::Silent { limit });
    assert_eq!(silent.compare(&[]), expected);
}

#[test]
fn only_the_zone_s_own_server_says_that_there_is_none() {
    let shop = name("shop.example.test.");
    let check = |it: Message, expected: Result<usize, Unanswered>| {
        let mut view = view(Vec::new());
        view.take_in(&shop, Kind::A, Ok(it));
        assert_eq!(view.answers.map(|it| it.sets.len()), expected);
    };
    check(answer(ResponseCode::NXDomain, true), Ok(0));
    check(answer(ResponseCode::NoError, true), Ok(0));
    check(
        answer(ResponseCode::NXDomain, false),
        Err(Unanswered::NotAuthoritative),
    );
    let code = ResponseCode::Refused;
    check(answer(code, false), Err(Unanswered::Refused { code }));
    let mut full = answer(ResponseCode::NoError, true);
    full.add_answers(set(Kind::A, 60, &["192.0.2.1"]).records());
    check(full, Ok(1));
}

#[test]
fn one_question_without_an_answer_leaves_the_server_unknown() {
    let mut view = view(vec![set(Kind::A, 60, &["192.0.2.1"])]);
    let shop = name("shop.example.test.");
    view.take_in(&shop, Kind::Aaaa, Err(Unanswered::NoRoute));
    let full = answer(ResponseCode::NoError, true);
    view.take_in(&shop, Kind::Https, Ok(full));
    assert_eq!(view.answers, Err(Unanswered::NoRoute));
}

#[test]
fn the_negative_ttl_is_the_smaller_one_of_the_soa_s_two() {
    let soa = |ttl, minimum| {
        let data = SOA::new(
            name("ns.example.test."),
            name("hostmaster.example.test."),
            7,
            3600,
            600,
            86_400,
            minimum,
        );
        let mut it = answer(ResponseCode::NoError, true);
        let zone = name("example.test.");
        it.add_answer(Record::from_rdata(zone, ttl, RData::SOA(data)));
        of_soa(&it).map(|it| (it.negative_ttl, it.serial))
    };
    assert_eq!(soa(3600, 5), Ok((Ttl(5), 7)));
    assert_eq!(soa(60, 900), Ok((Ttl(60), 7)));
    let empty = of_soa(&answer(ResponseCode::NoError, true));
    assert_eq!(empty, Err(Unanswered::NotAuthoritative));
}

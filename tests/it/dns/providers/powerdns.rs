//! PowerDNS by its HTTP API, on a real one.

use std::time::Duration;

use changeover::{
    dns::provider::{Applied, Compares, Provider, ProviderError, Validation},
    plan::{
        Secret,
        dns::{ApiPlan, Kind, PowerDnsPlan, ProviderPlan, Ttl},
    },
};

use crate::{
    dns::{RECORDS, apply, change, set, the_move, validate},
    harness::{
        free_port,
        powerdns::{KEY, PowerDns},
    },
};

#[test]
fn all_kinds_move_and_come_back_as_one() {
    let server = PowerDns::start(RECORDS);
    let provider = provider(&server.url, KEY);
    assert!(provider.guarantee().is_atomic);
    assert_eq!(provider.guarantee().compares, Compares::BeforeAndAfter);
    assert_eq!(validate(&provider, &the_move()), Ok(Validation::NotOffered));
    assert_eq!(server.dig("shop", "AAAA"), ["3600 AAAA 2001:db8::1"]);
    // The second time it is there already.
    for _ in 0..2 {
        assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
        assert_eq!(server.dig("shop", "A"), ["60 A 198.51.100.1"]);
        assert_eq!(server.dig("shop", "AAAA"), [""; 0]);
        assert_eq!(server.dig("shop", "HTTPS"), ["60 HTTPS 1 . alpn=\"h2,h3\""]);
    }
    assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
    assert_eq!(
        server.dig("shop", "A"),
        ["3600 A 192.0.2.1", "3600 A 192.0.2.2"]
    );
    assert_eq!(server.dig("shop", "AAAA"), ["3600 AAAA 2001:db8::1"]);
}

#[test]
fn a_ttl_is_lowered_and_a_name_becomes_an_alias() {
    let server = PowerDns::start("shop 3600 IN A 192.0.2.1\nother 60 IN TXT \"left alone\"");
    let provider = provider(&server.url, KEY);
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    let quick = slow.with_ttl(Ttl(30));
    let lower = change(vec![slow], vec![quick.clone()]);
    assert_eq!(apply(&provider, &lower), Ok(Applied::Done));
    assert_eq!(server.dig("shop", "A"), ["30 A 192.0.2.1"]);
    let alias = set(Kind::Cname, 30, &["new.example.net."]);
    let alias = change(vec![quick], vec![alias]);
    assert_eq!(apply(&provider, &alias), Ok(Applied::Done));
    assert_eq!(server.dig("shop", "CNAME"), ["30 CNAME new.example.net."]);
    assert_eq!(apply(&provider, &alias.reversed()), Ok(Applied::Done));
    assert_eq!(server.dig("shop", "A"), ["30 A 192.0.2.1"]);
    assert_eq!(server.dig("other", "TXT"), ["60 TXT \"left alone\""]);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone() {
    let server = PowerDns::start(RECORDS);
    let provider = provider(&server.url, KEY);
    server.sql("UPDATE records SET ttl = 61 WHERE type = 'AAAA'");
    let mut there = the_move().before().to_vec();
    there[1] = there[1].with_ttl(Ttl(61));
    for outcome in [
        apply(&provider, &the_move()).map(drop),
        validate(&provider, &the_move()).map(drop),
    ] {
        let Err(ProviderError::Conflict {
            expected,
            mut found,
        }) = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(expected, the_move().before());
        found.sort_by_key(|it| it.kind);
        assert_eq!(found, there);
    }
    assert_eq!(server.dig("shop", "A").len(), 2, "nothing was changed");
    server.sql("UPDATE records SET ttl = 3600, disabled = 1 WHERE type = 'AAAA'");
    let refused = apply(&provider, &the_move());
    let Err(ProviderError::Refused { why }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("disabled record"), "{why}");
}

#[test]
fn a_wrong_key_and_a_refusal_change_nothing_and_say_which() {
    let server = PowerDns::start("shop 3600 IN A 192.0.2.1\nshop 60 IN TXT \"no alias beside me\"");
    let wrong = provider(&server.url, "another key");
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    let alias = set(Kind::Cname, 30, &["new.example.net."]);
    let alias = change(vec![slow], vec![alias]);
    assert_eq!(apply(&wrong, &alias), Err(ProviderError::Unauthorized));
    assert!(!format!("{wrong:?}").contains("another key"));
    let invalid = apply(&provider(&server.url, KEY), &alias);
    let Err(ProviderError::Invalid { why }) = &invalid else {
        panic!("{invalid:?}");
    };
    assert!(why.contains("422") && why.contains("CNAME"), "{why}");
    assert_eq!(server.dig("shop", "A"), ["3600 A 192.0.2.1"]);
    let elsewhere = the_plan(&server.url, KEY, "another");
    let missing = apply(&Provider::new(&ProviderPlan::PowerDns(elsewhere)), &alias);
    let Err(ProviderError::Refused { why }) = &missing else {
        panic!("{missing:?}");
    };
    assert!(why.contains("has no zone"), "{why}");
    let nobody = provider(&format!("http://127.0.0.1:{}", free_port()), KEY);
    let unreachable = apply(&nobody, &alias);
    let Err(ProviderError::Refused { why }) = &unreachable else {
        panic!("{unreachable:?}");
    };
    assert!(why.contains("nothing was changed"), "{why}");
}

fn provider(url: &str, key: &str) -> Provider {
    Provider::new(&ProviderPlan::PowerDns(the_plan(url, key, "localhost")))
}

fn the_plan(url: &str, key: &str, server: &str) -> PowerDnsPlan {
    PowerDnsPlan {
        api: ApiPlan {
            url: url.to_owned(),
            ca: None,
            timeout: Duration::from_secs(10),
        },
        server: server.to_owned(),
        key: Secret::new(key.as_bytes().to_vec()),
    }
}

//! Cloudflare, played by a stand-in that takes nothing but what its public reference describes.

use std::time::Duration;

use axum::http::Method;
use changeover::{
    dns::provider::{Applied, Compares, Provider, ProviderError, Validation},
    plan::{
        Secret,
        dns::{ApiPlan, CloudflarePlan, Kind, ProviderPlan, Ttl},
    },
};

use crate::{
    dns::{apply, change, set, the_move, validate},
    harness::{
        cloudflare::{Cloudflare, TOKEN, ZONE_ID, failure},
        standin::{Answer, Failing},
    },
};

const SHOP: &str = "shop.example.test";

/// As the zone of the other tests: more than a page of one name, and a record of a kind that no change touches.
const RECORDS: [(&str, &str, &str, u32, bool); 6] = [
    (SHOP, "A", "192.0.2.1", 3600, false),
    (SHOP, "A", "192.0.2.2", 3600, false),
    (SHOP, "AAAA", "2001:db8::1", 3600, false),
    (
        SHOP,
        "HTTPS",
        "1 . alpn=\"h2\" ipv4hint=\"192.0.2.1\"",
        3600,
        false,
    ),
    (SHOP, "TXT", "\"left alone\"", 1, false),
    ("other.example.test", "A", "192.0.2.9", 1, true),
];

#[test]
fn all_kinds_move_and_come_back_as_one() {
    let cloudflare = Cloudflare::start(&RECORDS);
    let (provider, there) = (provider(&cloudflare, TOKEN), cloudflare.records());
    assert!(provider.guarantee().is_atomic);
    assert_eq!(provider.guarantee().compares, Compares::BeforeAndAfter);
    assert_eq!(validate(&provider, &the_move()), Ok(Validation::NotOffered));
    assert_eq!(cloudflare.records(), there, "only looked at");
    // The second time it is there already.
    for _ in 0..2 {
        assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
        assert_eq!(
            cloudflare.records(),
            [
                "other.example.test 1 A 192.0.2.9 kept",
                "shop.example.test 1 TXT \"left alone\" kept",
                "shop.example.test 60 A 198.51.100.1",
                "shop.example.test 60 HTTPS 1 . alpn=h2,h3",
            ]
        );
    }
    assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
    assert_eq!(cloudflare.records().len(), there.len());
}

#[test]
fn a_record_that_stays_keeps_what_else_it_holds() {
    let cloudflare = Cloudflare::start(&[(SHOP, "A", "192.0.2.1", 1, false)]);
    let provider = provider(&cloudflare, TOKEN);
    // What Cloudflare calls automatic is served with 300 seconds.
    let slow = set(Kind::A, 300, &["192.0.2.1"]);
    let quick = slow.with_ttl(Ttl(60));
    let lower = change(vec![slow], vec![quick.clone()]);
    assert_eq!(apply(&provider, &lower), Ok(Applied::Done));
    assert_eq!(
        cloudflare.records(),
        ["shop.example.test 60 A 192.0.2.1 kept"]
    );
    let alias = set(Kind::Cname, 60, &["new.example.net."]);
    let alias = change(vec![quick], vec![alias]);
    assert_eq!(apply(&provider, &alias), Ok(Applied::Done));
    assert_eq!(
        cloudflare.records(),
        ["shop.example.test 60 CNAME new.example.net"]
    );
}

#[test]
fn what_somebody_else_changed_and_what_is_proxied_is_left_alone() {
    let mut records = RECORDS;
    records[2].3 = 120;
    let cloudflare = Cloudflare::start(&records);
    let (conflicting, there) = (provider(&cloudflare, TOKEN), cloudflare.records());
    let Err(ProviderError::Conflict { expected, found }) = apply(&conflicting, &the_move()) else {
        panic!("another TTL was not seen");
    };
    assert_eq!(expected, the_move().before());
    assert!(
        found.contains(&the_move().before()[1].with_ttl(Ttl(120))),
        "{found:?}"
    );
    assert_eq!(cloudflare.records(), there);
    records[2] = (SHOP, "AAAA", "2001:db8::1", 3600, true);
    let cloudflare = Cloudflare::start(&records);
    let why = refused(apply(&provider(&cloudflare, TOKEN), &the_move()));
    assert!(why.contains("AAAA is proxied"), "{why}");
    assert_eq!(cloudflare.records().len(), records.len());
}

#[test]
fn ttls_that_cloudflare_does_not_take_are_never_sent() {
    let cloudflare = Cloudflare::start(&[(SHOP, "A", "192.0.2.1", 3600, false)]);
    let provider = provider(&cloudflare, TOKEN);
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    for ttl in [1, 29, 86_401] {
        let change = change(vec![slow.clone()], vec![slow.with_ttl(Ttl(ttl))]);
        for outcome in [
            apply(&provider, &change).map(drop),
            validate(&provider, &change).map(drop),
        ] {
            let Err(ProviderError::Invalid { why }) = &outcome else {
                panic!("{outcome:?}");
            };
            assert!(why.contains("set `ttl`"), "{why}");
        }
    }
    // Whether the zone may go below 60 is Cloudflare's to say, and it does nothing then.
    let low = change(vec![slow.clone()], vec![slow.with_ttl(Ttl(30))]);
    let why = refused(apply(&provider, &low));
    assert!(why.contains("Invalid TTL") && why.contains("9021"), "{why}");
    assert_eq!(
        cloudflare.records(),
        ["shop.example.test 3600 A 192.0.2.1 kept"]
    );
}

#[test]
fn every_failure_says_whether_anything_may_have_been_done() {
    let cloudflare = Cloudflare::start(&RECORDS);
    let there = cloudflare.records();
    let wrong = provider(&cloudflare, "another token");
    assert_eq!(apply(&wrong, &the_move()), Err(ProviderError::Unauthorized));
    assert!(!format!("{wrong:?}").contains("another token"));
    let provider = provider(&cloudflare, TOKEN);
    let fail = |method, failing| cloudflare.api.fail_next(method, failing);
    let limited = failure(429, 971, "Please wait").with("retry-after", "30");
    fail(Method::POST, Failing::With(limited));
    let retry_after = Some(Duration::from_secs(30));
    let expected = ProviderError::RateLimited { retry_after };
    assert_eq!(apply(&provider, &the_move()), Err(expected));
    let moved = Answer::new(307, "text/plain", String::new());
    fail(
        Method::POST,
        Failing::With(moved.with("location", "http://127.0.0.1:1/")),
    );
    let why = refused(apply(&provider, &the_move()));
    assert!(why.contains("not followed"), "{why}");
    fail(Method::GET, Failing::With(failure(500, 1, "oops")));
    let why = refused(apply(&provider, &the_move()));
    assert!(why.contains("nothing was changed"), "{why}");
    fail(Method::GET, Failing::Silently);
    let why = refused(apply(&provider, &the_move()));
    assert!(why.contains("no answer in time"), "{why}");
    for failing in [
        Failing::With(failure(502, 1, "oops")),
        Failing::With(Answer::new(200, "text/html", "<p>welcome".to_owned())),
        Failing::With(Answer::new(200, "text/plain", "x".repeat(33 * 1024 * 1024))),
        Failing::Silently,
    ] {
        fail(Method::POST, failing.clone());
        let outcome = apply(&provider, &the_move());
        let is_unknown = matches!(outcome, Err(ProviderError::Unknown { .. }));
        assert!(is_unknown, "{failing:?}: {outcome:?}");
    }
    assert_eq!(cloudflare.records(), there, "nothing was changed");
    // It was done, and nobody heard of it: that is seen at the next attempt.
    fail(Method::POST, Failing::SilentlyAfterwards);
    let outcome = apply(&provider, &the_move());
    assert!(
        matches!(outcome, Err(ProviderError::Unknown { .. })),
        "{outcome:?}"
    );
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
}

fn refused(outcome: Result<Applied, ProviderError>) -> String {
    match outcome {
        Err(ProviderError::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

fn provider(cloudflare: &Cloudflare, token: &str) -> Provider {
    Provider::new(&ProviderPlan::Cloudflare(CloudflarePlan {
        api: ApiPlan {
            url: cloudflare.api.url.clone(),
            ca: None,
            timeout: Duration::from_secs(2),
        },
        zone_id: ZONE_ID.to_owned(),
        token: Secret::new(token.as_bytes().to_vec()),
    }))
}

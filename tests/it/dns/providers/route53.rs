//! Route 53, played by a stand-in that takes nothing but what its public reference describes, signed as its specification has it.

use std::time::Duration;

use axum::http::Method;
use changeover::{
    dns::provider::{Applied, Compares, Provider, ProviderError, Validation},
    plan::{
        Secret,
        dns::{ApiPlan, Kind, ProviderPlan, RecordSet, Route53Plan, Ttl},
    },
};
use hickory_resolver::proto::rr::Name;

use crate::{
    dns::{apply, change, set, the_move, validate},
    harness::{
        route53::{ACCESS_KEY_ID, Route53, SECRET, Set, ZONE_ID, failure},
        standin::{Answer, Failing},
    },
};

const SHOP: &str = "shop.example.test.";

/// As the zone of the other tests, written as somebody wrote it once: more than a page of one name, sets of kinds that no change
/// touches, and other names before and after.
fn sets() -> Vec<Set> {
    vec![
        Set::new("a.example.test.", "A", 60, &["192.0.2.9"]),
        Set::new(SHOP, "A", 3600, &["192.0.2.2", "192.0.2.1"]),
        Set::new(SHOP, "AAAA", 3600, &["2001:DB8:0::1"]),
        Set::new(SHOP, "HTTPS", 3600, &["1 . ipv4hint=192.0.2.1 alpn=\"h2\""]),
        Set::new(SHOP, "TXT", 60, &["\"left <alone> & kept\""]),
        Set::new("x.shop.example.test.", "A", 60, &["192.0.2.8"]),
        Set::new("z.example.test.", "A", 60, &["192.0.2.7"]),
    ]
}

const OTHERS: [&str; 4] = [
    "a.example.test. 60 A 192.0.2.9",
    "shop.example.test. 60 TXT \"left <alone> & kept\"",
    "x.shop.example.test. 60 A 192.0.2.8",
    "z.example.test. 60 A 192.0.2.7",
];

#[test]
fn all_kinds_move_and_come_back_as_one() {
    let route53 = Route53::start(&sets());
    let (provider, there) = (provider(&route53), route53.sets());
    assert!(provider.guarantee().is_atomic);
    assert_eq!(provider.guarantee().compares, Compares::ValuesAndTtl);
    assert_eq!(validate(&provider, &the_move()), Ok(Validation::NotOffered));
    assert_eq!(route53.sets(), there, "only looked at");
    // The second time it is there already.
    for _ in 0..2 {
        assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
        let mut expected = OTHERS.to_vec();
        expected.extend([
            "shop.example.test. 60 A 198.51.100.1",
            "shop.example.test. 60 HTTPS 1 . alpn=\"h2,h3\"",
        ]);
        expected.sort_unstable();
        assert_eq!(route53.sets(), expected);
    }
    let calls = route53.calls();
    let changes = calls.iter().filter(|it| it.starts_with("POST"));
    assert_eq!(changes.count(), 1, "{calls:?}");
    assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
    let expected = "shop.example.test. 3600 HTTPS 1 . alpn=\"h2\" ipv4hint=\"192.0.2.1\"";
    assert!(route53.sets().contains(&expected.to_owned()));
    assert_eq!(route53.sets().len(), there.len());
}

#[test]
fn a_ttl_is_lowered_and_a_name_becomes_an_alias() {
    let route53 = Route53::start(&[Set::new(SHOP, "A", 3600, &["192.0.2.1"])]);
    let provider = provider(&route53);
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    let quick = slow.with_ttl(Ttl(30));
    let lower = change(vec![slow], vec![quick.clone()]);
    assert_eq!(apply(&provider, &lower), Ok(Applied::Done));
    assert_eq!(route53.sets(), ["shop.example.test. 30 A 192.0.2.1"]);
    let alias = set(Kind::Cname, 30, &["new.example.net."]);
    let alias = change(vec![quick], vec![alias]);
    assert_eq!(apply(&provider, &alias), Ok(Applied::Done));
    assert_eq!(
        route53.sets(),
        ["shop.example.test. 30 CNAME new.example.net."]
    );
    assert_eq!(apply(&provider, &alias.reversed()), Ok(Applied::Done));
    assert_eq!(route53.sets(), ["shop.example.test. 30 A 192.0.2.1"]);
}

#[test]
fn several_names_move_as_one_and_those_of_one_page_are_read_with_one_call() {
    let named = |name: &str, set: RecordSet| RecordSet {
        name: Name::from_ascii(name).expect("a name"),
        ..set
    };
    let names = ["a", "*.b", "c", "d"].map(|it| format!("{it}.example.test."));
    let written = ["a", "\\052.b", "c", "d"].map(|it| format!("{it}.example.test."));
    let there = |name: &String| Set::new(name, "A", 3600, &["192.0.2.1"]);
    let mut sets: Vec<Set> = written.iter().map(there).collect();
    // The first page ends between the two sets of the second name, and the third and the fourth name are a page.
    sets.push(Set::new(&written[1], "AAAA", 60, &["2001:db8::1"]));
    let route53 = Route53::start(&sets);
    let provider = provider(&route53);
    let kept = named(&names[1], set(Kind::Aaaa, 60, &["2001:db8::1"]));
    let all = |ttl, value| -> Vec<RecordSet> {
        let one = |it: &String| named(it, set(Kind::A, ttl, &[value]));
        names.iter().map(one).chain([kept.clone()]).collect()
    };
    let all = change(all(3600, "192.0.2.1"), all(60, "198.51.100.1"));
    assert_eq!(apply(&provider, &all), Ok(Applied::Done));
    let mut moved: Vec<String> = written
        .iter()
        .map(|it| format!("{it} 60 A 198.51.100.1"))
        .collect();
    moved.push("\\052.b.example.test. 60 AAAA 2001:db8::1".to_owned());
    moved.sort();
    assert_eq!(route53.sets(), moved);
    let calls = route53.calls();
    assert_eq!(calls.len(), 4, "three pages and one change: {calls:?}");
    assert_eq!(apply(&provider, &all), Ok(Applied::Done));
}

#[test]
fn what_somebody_else_changed_is_left_alone_and_shown() {
    let mut sets = sets();
    sets[2] = Set::new(SHOP, "AAAA", 120, &["2001:db8::1"]);
    let route53 = Route53::start(&sets);
    let (provider, there) = (provider(&route53), route53.sets());
    for outcome in [
        apply(&provider, &the_move()).map(drop),
        validate(&provider, &the_move()).map(drop),
    ] {
        let Err(ProviderError::Conflict { expected, found }) = outcome else {
            panic!("another TTL was not seen: {outcome:?}");
        };
        assert_eq!(expected, the_move().before());
        let slower = the_move().before()[1].with_ttl(Ttl(120));
        assert!(found.contains(&slower), "{found:?}");
    }
    assert_eq!(route53.sets(), there);
    // A set that the change would make new, and that is there already, is somebody else's.
    let adding = change(
        vec![set(Kind::A, 3600, &["192.0.2.1", "192.0.2.2"])],
        vec![
            set(Kind::A, 60, &["198.51.100.1"]),
            set(Kind::Aaaa, 60, &["2001:db8::2"]),
        ],
    );
    let outcome = apply(&provider, &adding);
    assert!(matches!(outcome, Err(ProviderError::Conflict { .. })));
    assert_eq!(route53.sets(), there);
}

/// Between reading and changing, somebody else changes it: Route 53 itself compares.
#[test]
fn a_change_of_somebody_else_at_the_same_moment_is_never_overwritten() {
    // Another value, another TTL alone, and a set that is gone.
    for (other, expected_found) in [
        (
            Set::new(SHOP, "AAAA", 3600, &["2001:db8::9"]),
            Some(set(Kind::Aaaa, 3600, &["2001:db8::9"])),
        ),
        (
            Set::new(SHOP, "AAAA", 3601, &["2001:db8::1"]),
            Some(set(Kind::Aaaa, 3601, &["2001:db8::1"])),
        ),
        (
            Set::new("other.example.test.", "A", 60, &["192.0.2.3"]),
            None,
        ),
    ] {
        let mut meanwhile = sets();
        meanwhile[2] = other;
        let route53 = Route53::start(&sets());
        route53.before_the_next_change(&meanwhile);
        let Err(ProviderError::Conflict { expected, found }) =
            apply(&provider(&route53), &the_move())
        else {
            panic!("it was overwritten");
        };
        assert_eq!(expected, the_move().before());
        let mut found = found.into_iter().filter(|it| it.kind == Kind::Aaaa);
        assert_eq!(found.next(), expected_found);
        assert_eq!(route53.sets(), Route53::start(&meanwhile).sets());
    }
}

#[test]
fn what_is_more_than_records_is_refused_with_what_it_is() {
    let blue = Set::new(SHOP, "A", 3600, &["192.0.2.1"]);
    let green = Set::new(SHOP, "A", 3600, &["192.0.2.2"]);
    let check = |found: Vec<Set>, words: &[&str]| {
        let route53 = Route53::start(&found);
        let (provider, there) = (provider(&route53), route53.sets());
        for outcome in [
            apply(&provider, &the_move()),
            validate(&provider, &the_move()).map(|_| Applied::Done),
        ] {
            let why = refused(outcome);
            for word in words {
                assert!(why.contains(word), "{why}");
            }
        }
        assert_eq!(route53.sets(), there);
    };
    check(
        vec![Set::alias(SHOP, "A", "lb-1.eu-west-1.elb.amazonaws.com.")],
        &[
            "shop.example.test. A",
            "an alias of lb-1.eu-west-1",
            "by hand",
        ],
    );
    check(
        vec![
            blue.clone().chosen_by("blue", "<Weight>90</Weight>"),
            green.clone().chosen_by("green", "<Weight>10</Weight>"),
        ],
        &["\"blue\", weight 90", "one simple set"],
    );
    let place = "<GeoLocation><ContinentCode>EU</ContinentCode></GeoLocation>";
    check(
        vec![blue.clone().chosen_by("eu", place)],
        &["\"eu\", geolocation"],
    );
    let region = "<Region>eu-west-1</Region>";
    let checked = "<HealthCheckId>abcd-1</HealthCheckId>";
    check(
        vec![blue.clone().chosen_by("eu", region).with(checked)],
        &["latency from eu-west-1, health check abcd-1"],
    );
    check(vec![blue.with(checked)], &["the health check abcd-1"]);
    let policy = "<TrafficPolicyInstanceId>tp-1</TrafficPolicyInstanceId>";
    check(
        vec![green.with(policy)],
        &["the traffic policy instance tp-1"],
    );
}

#[test]
fn what_route_53_does_not_take_is_never_sent() {
    let route53 = Route53::start(&sets());
    let provider = provider(&route53);
    let before = the_move().before().to_vec();
    let generic = set(Kind::Https, 60, &["\\# 10 00010002580003616263"]);
    let long = set(Kind::A, u32::MAX, &["198.51.100.1"]);
    let mut wrong = vec![change(before.clone(), vec![generic])];
    wrong.push(change(before, vec![long]));
    // Every value counts, of what goes as of what comes.
    let many = |first: u8, ttl| -> Vec<RecordSet> {
        let values: Vec<String> = (0..32).map(|it| format!("192.0.{first}.{it}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let named = |number| RecordSet {
            name: Name::from_ascii(format!("n{number}.example.test.")).expect("a name"),
            ..set(Kind::A, ttl, &values)
        };
        (0..16).map(named).collect()
    };
    wrong.push(change(many(2, 60), many(3, 60)));
    for change in wrong {
        for outcome in [
            apply(&provider, &change).map(drop),
            validate(&provider, &change).map(drop),
        ] {
            assert!(
                matches!(outcome, Err(ProviderError::Invalid { .. })),
                "{outcome:?}"
            );
        }
    }
    assert_eq!(route53.calls(), [""; 0]);
}

#[test]
fn a_change_is_followed_until_all_servers_have_it() {
    let route53 = Route53::start(&sets());
    let provider = provider(&route53);
    route53.dawdle();
    for _ in 0..3 {
        let until = spreading(apply(&provider, &the_move()));
        assert!(until.contains("not all of its servers"), "{until}");
    }
    let calls = route53.calls();
    let changes = calls.iter().filter(|it| it.starts_with("POST"));
    assert_eq!(changes.count(), 1, "it is made once: {calls:?}");
    let asked = calls.iter().filter(|it| it.contains("/change/C"));
    assert_eq!(asked.count(), 2, "{calls:?}");
    // That nobody says how far it has come undoes nothing.
    let denied = failure(
        403,
        "AccessDenied",
        "not authorized to perform: route53:GetChange",
    );
    let limited = failure(400, "Throttling", "Rate exceeded");
    for failing in [denied.clone(), limited] {
        route53.api.fail_next(Method::GET, Failing::With(failing));
        let until = spreading(apply(&provider, &the_move()));
        assert!(until.contains("does not say whether"), "{until}");
    }
    route53.arrive();
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
    // Nor does it wait for ever.
    route53.dawdle();
    let back = the_move().reversed();
    spreading(apply(&provider, &back));
    let mut asked = 0;
    loop {
        route53
            .api
            .fail_next(Method::GET, Failing::With(denied.clone()));
        asked += 1;
        match apply(&provider, &back) {
            Ok(Applied::Done) => break,
            other => assert!(spreading(other).contains("route53:GetChange")),
        }
    }
    assert_eq!(asked, 6);
}

/// The way back is not held up by the change before it.
#[test]
fn another_change_is_made_while_one_is_on_its_way() {
    let route53 = Route53::start(&sets());
    let provider = provider(&route53);
    route53.dawdle();
    spreading(apply(&provider, &the_move()));
    spreading(apply(&provider, &the_move().reversed()));
    assert!(route53.sets().iter().any(|it| it.contains("AAAA")));
    // The first one is not believed to be there still.
    spreading(apply(&provider, &the_move()));
    assert!(!route53.sets().iter().any(|it| it.contains("AAAA")));
}

#[test]
fn a_key_that_is_not_taken_is_refused_with_what_to_do_and_never_shown() {
    let route53 = Route53::start(&sets());
    let there = route53.sets();
    let check = |plan: Route53Plan, words: &[&str]| {
        let provider = Provider::new(&ProviderPlan::Route53(plan));
        let why = refused(apply(&provider, &the_move()));
        for word in words {
            assert!(why.contains(word), "{why}");
        }
        for secret in ["another secret", "a-session-token", SECRET] {
            assert!(!why.contains(secret), "{why}");
            assert!(!format!("{provider:?}").contains(secret));
        }
    };
    let plan = plan(&route53);
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let other_secret = Route53Plan {
        secret: secret("another secret"),
        ..plan.clone()
    };
    check(other_secret, &["SignatureDoesNotMatch", "clock"]);
    let other_key = Route53Plan {
        access_key_id: "AKIAIOSFODNN7EXAMPLF".to_owned(),
        ..plan.clone()
    };
    check(other_key, &["InvalidClientTokenId", "access_key_id"]);
    let other_zone = Route53Plan {
        zone_id: "Z0000000000000".to_owned(),
        ..plan.clone()
    };
    check(other_zone, &["no hosted zone Z0000000000000", "zone_id"]);
    route53.demand_token("a-session-token");
    check(plan.clone(), &["InvalidClientTokenId", "session token"]);
    let temporary = Route53Plan {
        session_token: Some(secret("a-session-token")),
        ..plan
    };
    let both = Route53Plan {
        secret: secret("another secret"),
        ..temporary.clone()
    };
    check(both, &["SignatureDoesNotMatch"]);
    for (code, word) in [
        ("AccessDenied", "route53:ChangeResourceRecordSets"),
        ("ExpiredToken", "expired"),
        ("RequestExpired", "clock"),
    ] {
        let said = failure(403, code, "denied");
        route53.api.fail_next(Method::GET, Failing::With(said));
        let provider = Provider::new(&ProviderPlan::Route53(temporary.clone()));
        let why = refused(apply(&provider, &the_move()));
        assert!(why.contains(code) && why.contains(word), "{why}");
    }
    assert_eq!(route53.sets(), there);
    let provider = Provider::new(&ProviderPlan::Route53(temporary));
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
}

#[test]
fn where_route_53_asks_to_wait_nothing_is_done_before() {
    let route53 = Route53::start(&sets());
    let (provider, there) = (provider(&route53), route53.sets());
    let fail = |method, failing| route53.api.fail_next(method, failing);
    let limited = |method, answer: Answer, after| {
        fail(method, Failing::With(answer));
        let retry_after = after;
        let expected = ProviderError::RateLimited { retry_after };
        assert_eq!(apply(&provider, &the_move()), Err(expected));
    };
    let throttled = failure(400, "Throttling", "Rate exceeded");
    limited(Method::GET, throttled.clone(), None);
    limited(Method::POST, throttled, None);
    let prior = "The request was rejected because Route 53 was still processing a prior request.";
    let prior = failure(400, "PriorRequestNotComplete", prior);
    limited(Method::POST, prior, None);
    let after = Some(Duration::from_secs(7));
    let busy = failure(503, "ServiceUnavailable", "busy").with("retry-after", "7");
    limited(Method::GET, busy, after);
    let many = Answer::new(429, "text/plain", String::new()).with("retry-after", "7");
    limited(Method::POST, many, after);
    let gateway = Answer::new(503, "text/html", "<p>busy".to_owned());
    limited(Method::GET, gateway, None);
    assert_eq!(route53.sets(), there, "nothing was changed");
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
}

#[test]
fn every_failure_says_whether_anything_may_have_been_done() {
    let route53 = Route53::start(&sets());
    let (provider, there) = (provider(&route53), route53.sets());
    let fail = |method, failing| route53.api.fail_next(method, failing);
    let moved = Answer::new(307, "text/plain", String::new());
    let moved = moved.with("location", "http://127.0.0.1:1/");
    for (method, failing, word) in [
        (Method::POST, Failing::With(moved), "not followed"),
        (
            Method::GET,
            Failing::With(failure(500, "InternalFailure", "oops")),
            "nothing was changed",
        ),
        (Method::GET, Failing::Silently, "no answer in time"),
        (
            Method::GET,
            Failing::With(Answer::new(200, "text/html", "<p>welcome".to_owned())),
            "not as Route 53 does",
        ),
        (
            Method::POST,
            Failing::With(Answer::new(404, "text/html", "<p>nothing".to_owned())),
            "not as Route 53 does",
        ),
        (
            Method::POST,
            Failing::With(failure(400, "InvalidChangeBatch", "not that <one>")),
            "not that <one>, though",
        ),
    ] {
        fail(method, failing);
        let why = refused(apply(&provider, &the_move()));
        assert!(why.contains(word), "{why}");
    }
    let invalid = failure(400, "InvalidInput", "Invalid XML");
    fail(Method::POST, Failing::With(invalid));
    let outcome = apply(&provider, &the_move());
    assert!(matches!(outcome, Err(ProviderError::Invalid { .. })));
    for failing in [
        Failing::With(failure(502, "InternalFailure", "oops")),
        Failing::With(failure(503, "ServiceUnavailable", "busy")),
        Failing::With(Answer::new(200, "text/html", "<p>welcome".to_owned())),
        Failing::With(Answer::new(200, "text/plain", "x".repeat(33 * 1024 * 1024))),
        Failing::Silently,
    ] {
        fail(Method::POST, failing.clone());
        let outcome = apply(&provider, &the_move());
        let is_unknown = matches!(outcome, Err(ProviderError::Unknown { .. }));
        assert!(is_unknown, "{failing:?}: {outcome:?}");
    }
    assert_eq!(route53.sets(), there, "nothing was changed");
    // It was done, and nobody heard of it: that is seen at the next attempt.
    fail(Method::POST, Failing::SilentlyAfterwards);
    let outcome = apply(&provider, &the_move());
    assert!(
        matches!(outcome, Err(ProviderError::Unknown { .. })),
        "{outcome:?}"
    );
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
}

/// The change of an attempt that is not over yet comes between reading and changing.
#[test]
fn a_change_that_was_made_meanwhile_is_done() {
    let route53 = Route53::start(&sets());
    let provider = provider(&route53);
    let mut moved = sets();
    moved.retain(|it| !it.is(SHOP, "A") && !it.is(SHOP, "AAAA") && !it.is(SHOP, "HTTPS"));
    moved.push(Set::new(SHOP, "A", 60, &["198.51.100.1"]));
    moved.push(Set::new(SHOP, "HTTPS", 60, &["1 . alpn=\"h2,h3\""]));
    route53.before_the_next_change(&moved);
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
}

fn refused(outcome: Result<Applied, ProviderError>) -> String {
    match outcome {
        Err(ProviderError::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

fn spreading(outcome: Result<Applied, ProviderError>) -> String {
    match outcome {
        Ok(Applied::Spreading { until }) => until,
        other => panic!("{other:?}"),
    }
}

fn provider(route53: &Route53) -> Provider {
    Provider::new(&ProviderPlan::Route53(plan(route53)))
}

fn plan(route53: &Route53) -> Route53Plan {
    Route53Plan {
        api: ApiPlan {
            url: route53.api.url.clone(),
            ca: None,
            timeout: Duration::from_secs(2),
        },
        zone_id: ZONE_ID.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret: Secret::new(SECRET.as_bytes().to_vec()),
        session_token: None,
    }
}

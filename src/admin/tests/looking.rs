//! Status, pages of the journal, readiness, and what is not there.

use std::{sync::Arc, time::Duration};

use super::World;
use crate::{
    admin::{EventPage, fixture},
    control::Status,
    cutover::Entry,
};

#[tokio::test]
async fn the_status_is_the_control_loops() {
    let world = World::local();
    let answer = world.ask("GET /api/v1/status", &[], None).await;
    let status: Status = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status, fixture::status());
    assert!(answer.head.contains("cache-control: no-store\r\n"));
    let answer = world.ask("GET /", &[], None).await;
    assert!(answer.head.contains("location: /api/v1/status\r\n"));
}

#[tokio::test]
async fn the_journal_is_read_in_pages() {
    let world = World::local();
    *world.journal.entries.lock().unwrap() = fixture::entries();
    let check = async |query: &str, expected: &[u64], next: u64| {
        let line = format!("GET /api/v1/events{query}");
        let answer = world.ask(&line, &[], None).await;
        let page: EventPage = serde_json::from_str(&answer.body).unwrap();
        let numbers: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
        assert_eq!((numbers.as_slice(), page.next), (expected, next), "{query}");
    };
    // The plan's page has four entries.
    check("", &[1, 2, 3, 4], 4).await;
    check("?after=4", &[5, 6], 6).await;
    check("?after=1&limit=2", &[2, 3], 3).await;
    check("?limit=1000", &[1, 2, 3, 4], 4).await;
    check("?after=6", &[], 6).await;
    for query in ["?after=x", "?limit=0", "?limit=-1", "?before=3"] {
        let line = format!("GET /api/v1/events{query}");
        let answer = world.ask(&line, &[], None).await;
        assert_eq!(
            (answer.status, answer.problem().0.as_str()),
            (400, "bad-request")
        );
    }
}

#[tokio::test]
async fn entries_hide_the_salt_and_count_as_the_status_does() {
    let world = World::local();
    *world.journal.entries.lock().unwrap() = fixture::entries();
    let page = world.ask("GET /api/v1/events?after=0", &[], None).await;
    let rest = world.ask("GET /api/v1/events?after=4", &[], None).await;
    assert!(!page.body.contains("a5a5"), "{}", page.body);
    assert!(!rest.body.contains("salt"), "{}", rest.body);
    let advanced = &page.json()["events"][2];
    assert_eq!(advanced["weight"], 25.0);
    assert_eq!(
        advanced["change"],
        serde_json::json!({"kind": "advanced", "from": 1, "to": 2})
    );
    let rolled_back = &rest.json()["events"][1]["change"];
    let cause = serde_json::json!({"kind": "trigger", "name": "errors"});
    assert_eq!(rolled_back["cause"], cause);
}

#[tokio::test]
async fn the_last_decision_that_is_explained_is_found_from_the_end() {
    let world = World::local();
    let missing = world.ask("GET /api/v1/explain", &[], None).await;
    assert_eq!(
        (missing.status, missing.problem().0.as_str()),
        (404, "not-found")
    );
    *world.journal.entries.lock().unwrap() = fixture::entries();
    // The status says that the journal ends at 9; it is read a page of four at a time.
    let last = world.ask("GET /api/v1/explain", &[], None).await.json();
    assert_eq!(last["seq"], 6);
    assert_eq!(last["explanation"]["check"], "evidence:401");
    assert_eq!(last["explanation"]["sides"]["new"]["events"], 12);
    assert_eq!(last["explanation"]["routes"][0]["name"], "checkout");
    let asked = world
        .ask("GET /api/v1/explain?seq=3", &[], None)
        .await
        .json();
    assert_eq!(asked["seq"], 3);
    assert!(asked["explanation"].is_null());
    for query in ["?seq=x", "?seq=9223372036854775808", "?number=3"] {
        let line = format!("GET /api/v1/explain{query}");
        assert_eq!(world.ask(&line, &[], None).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn an_explanation_far_from_the_end_is_found_as_well() {
    let world = World::local();
    let mut entries = fixture::entries();
    let quiet = entries[2].clone();
    entries.extend((7..200).map(|seq| Entry {
        seq,
        ..quiet.clone()
    }));
    *world.journal.entries.lock().unwrap() = entries;
    let mut status = fixture::status();
    status.seq = 199;
    world.control.status.store(Arc::new(status));
    let last = world.ask("GET /api/v1/explain", &[], None).await.json();
    assert_eq!(last["seq"], 6);
}

#[tokio::test]
async fn readiness_names_its_reasons() {
    let world = World::local();
    assert_eq!(world.ask("GET /readyz", &[], None).await.status, 200);
    let mut status = fixture::status();
    status.not_ready = vec!["the store fails".into(), "worker 1 is silent".into()];
    world.control.status.store(Arc::new(status));
    let answer = world.ask("GET /readyz", &[], None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem().1, "the store fails; worker 1 is silent");
}

#[tokio::test]
async fn a_control_loop_that_hangs_is_not_ready() {
    let world = World::local();
    let mut status = fixture::status();
    status.at = status.at.before(Duration::from_secs(1));
    world.control.status.store(Arc::new(status.clone()));
    assert_eq!(world.ask("GET /readyz", &[], None).await.status, 200);
    status.at = status.at.before(Duration::from_secs(60));
    world.control.status.store(Arc::new(status));
    let answer = world.ask("GET /readyz", &[], None).await;
    assert_eq!(answer.status, 503);
    let said = answer.problem().1;
    assert!(
        said.starts_with("the control loop has decided nothing for 6"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::local();
    let answer = world.ask("GET /api/v2/status", &[], None).await;
    assert_eq!(
        (answer.status, answer.problem().0.as_str()),
        (404, "not-found")
    );
    let answer = world.ask("DELETE /api/v1/status", &[], None).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.problem().0, "method-not-allowed");
    assert!(answer.head.contains("allow: get,head\r\n"), "{answer:?}");
}

#[tokio::test]
async fn heads_over_the_limit_are_refused() {
    let world = World::local();
    let long = format!("X: {}", "x".repeat(17_000));
    let answer = world.ask("GET /api/v1/status", &[&long], None).await;
    assert_eq!(answer.status, 431);
    let many: Vec<String> = (0..70).map(|n| format!("X-{n}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = world.ask("GET /api/v1/status", &many, None).await;
    assert_eq!(answer.status, 431);
}

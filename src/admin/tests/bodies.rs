//! What commands make of their bodies, and what clients hear when they are wrong or refused.

use super::World;
use crate::{
    control::{CommandError, Done},
    cutover::{Command, Refusal},
    units::Weight,
};

#[tokio::test]
async fn bodies_become_commands() {
    let world = World::local();
    let check = async |line: &str, body: Option<&str>, expected: Command| {
        let answer = world.ask(line, &[], body).await;
        assert_eq!(answer.status, 200, "{line}: {answer:?}");
        let done: Done = serde_json::from_value(answer.json()).unwrap();
        assert_eq!((done.generation, done.recorded), (8, true));
        let (command, actor) = world.control.commands.lock().unwrap().pop().unwrap();
        assert_eq!(command, expected, "{line} {body:?}");
        assert_eq!(actor.to_string(), "local");
    };
    let weight = |text: &str| Command::SetWeight {
        weight: text.parse::<Weight>().unwrap(),
        reason: "r".into(),
    };
    check("POST /api/v1/ramp/start", None, Command::Start).await;
    check("POST /api/v1/ramp/hold", Some("{}"), Command::Hold).await;
    check("POST /api/v1/ramp/advance", None, Command::Advance).await;
    let resume = |step| Command::Resume {
        reason: "r".into(),
        step,
    };
    let line = "POST /api/v1/ramp/resume";
    check(line, Some("{\"reason\":\" r \"}"), resume(None)).await;
    check(line, Some("{\"reason\":\"r\",\"step\":3}"), resume(Some(2))).await;
    check(
        line,
        Some("{\"reason\":\"r\",\"step\":2.0}"),
        resume(Some(1)),
    )
    .await;
    let rollback = Command::Rollback { reason: "r".into() };
    check(
        "POST /api/v1/rollback",
        Some("{\"reason\":\"r\"}"),
        rollback,
    )
    .await;
    for percent in ["0", "5", "2.5", "33.33", "100", "100.0"] {
        let body = format!("{{\"percent\":{percent},\"reason\":\"r\"}}");
        check("PUT /api/v1/weight", Some(&body), weight(percent)).await;
    }
}

#[tokio::test]
async fn wrong_bodies_are_told_what_and_where() {
    let world = World::local();
    let check = async |line: &str, body: &str, expected: &str| {
        let answer = world.ask(line, &[], Some(body)).await;
        assert_eq!(answer.status, 400, "{body}");
        let (kind, detail) = answer.problem();
        assert_eq!(kind, "bad-request");
        assert!(detail.contains(expected), "{body}: {detail}");
    };
    let rollback = "POST /api/v1/rollback";
    let array = "in the body: found an array; expected an object";
    check(rollback, " [\"r\"]", array).await;
    check("POST /api/v1/ramp/hold", "[]", array).await;
    check(rollback, "", "EOF while parsing").await;
    check(rollback, "{}", "missing field `reason`").await;
    check(rollback, "{\"reason\":7}", "line 1 column 11").await;
    check(
        rollback,
        "{\"reason\":\"r\",\"why\":1}",
        "unknown field `why`",
    )
    .await;
    check(rollback, "{\"reason\":\"  \"}", "reason is empty").await;
    check(rollback, "{\"reason\":\"a\\nb\"}", "control characters").await;
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(501));
    check(rollback, &long, "more than 500 characters").await;
    check("POST /api/v1/ramp/hold", "{\"x\":1}", "unknown field `x`").await;
    let weight = "PUT /api/v1/weight";
    for (percent, fault) in [
        ("101", "more than 100%"),
        ("0.001", "finer than a basis point"),
        ("-1", "not a percentage"),
        ("\"5\"", "invalid type"),
    ] {
        let body = format!("{{\"percent\":{percent},\"reason\":\"r\"}}");
        check(weight, &body, fault).await;
    }
    assert!(world.control.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let world = World::local();
    let host = "Host: localhost";
    let close = "Connection: close";
    let length = "Content-Length: 14";
    let body = "{\"reason\":\"r\"}";
    let line = "POST /api/v1/rollback";
    let plain = [host, close, length, "Content-Type: text/plain"];
    assert_eq!(world.send(line, &plain, body).await.status, 415);
    assert_eq!(
        world.send(line, &[host, close, length], body).await.status,
        415
    );
    let charset = "Content-Type: application/json; charset=utf-8";
    let headers = [host, close, length, charset];
    assert_eq!(world.send(line, &headers, body).await.status, 200);
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(17_000));
    let answer = world.ask(line, &[], Some(&large)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.problem().0, "too-large");
}

#[tokio::test]
async fn a_refusal_is_a_conflict_and_says_why() {
    let world = World::local();
    let refusal = Refusal::WrongState {
        state: "idle",
        hint: "start it first".into(),
    };
    *world.control.answer.lock().unwrap() = Err(CommandError::Refused(refusal));
    let answer = world.ask("POST /api/v1/ramp/hold", &[], None).await;
    assert_eq!(answer.status, 409);
    let (kind, detail) = answer.problem();
    assert_eq!(kind, "refused");
    assert_eq!(detail, "the ramp is idle: start it first");
}

#[tokio::test]
async fn a_control_loop_that_has_ended_is_unavailable() {
    let mut world = World::local();
    world.control.end().await;
    let answer = world.ask("POST /api/v1/ramp/hold", &[], None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem().0, "unavailable");
    assert!(answer.head.contains("retry-after: 1\r\n"));
    let answer = world.ask("GET /api/v1/status", &[], None).await;
    assert_eq!(
        answer.status, 503,
        "a status that stands still says nothing"
    );
    assert_eq!(answer.problem().0, "unavailable");
    let answer = world.ask("GET /readyz", &[], None).await;
    assert_eq!(answer.status, 503);
    let (kind, detail) = answer.problem();
    assert_eq!(kind, "not-ready");
    assert_eq!(detail, "the control loop has ended");
    assert_eq!(world.ask("GET /healthz", &[], None).await.status, 200);
}

//! Every route with every role, and with the hosts and origins that must not pass.

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Extension,
    body::Body,
    http::{Request, StatusCode, request::Builder},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use super::World;
use crate::{
    admin::{
        Context,
        access::{Access, Connection},
        fixture::{self, FakeControl, MemoryJournal},
        route::{Operation, ROUTES, Route, router},
        server::Shared,
    },
    clock::Clock,
    control::ControlHandle,
    plan::Role,
};

/// A request line for a route, with the body that it takes.
fn call(route: Route) -> (String, Option<&'static str>) {
    let (method, body) = match route.operation {
        Operation::Root
        | Operation::Health
        | Operation::Ready
        | Operation::Metrics
        | Operation::OpenApi
        | Operation::Status
        | Operation::Events
        | Operation::Explain
        | Operation::Shadow => ("GET", None),
        // A stream that replays nothing would not end; a malformed query shows that the caller got through.
        Operation::Follow => return (format!("GET {}?after=x", route.path), None),
        Operation::Start
        | Operation::Hold
        | Operation::Advance
        | Operation::Reload
        | Operation::Upgrade => ("POST", Some("{}")),
        Operation::SetUp => (
            "POST",
            Some("{\"old\":{\"user\":\"postgres\"},\"new\":{\"user\":\"postgres\"}}"),
        ),
        Operation::Resume
        | Operation::Rollback
        | Operation::LowerTtl
        | Operation::MoveNames
        | Operation::RevertNames
        | Operation::RestoreTtl => ("POST", Some("{\"reason\":\"tested\"}")),
        Operation::Drill => ("POST", Some("{\"fault\":\"errors\",\"reason\":\"tested\"}")),
        Operation::SetWeight => ("PUT", Some("{\"percent\":5,\"reason\":\"tested\"}")),
    };
    (format!("{method} {}", route.path), body)
}

/// What a caller who is let through gets.
const fn passed(operation: Operation) -> u16 {
    match operation {
        Operation::Root => 307,
        Operation::Follow => 400,
        // The journal of these tests is empty, and nothing is copied.
        Operation::Explain | Operation::Shadow => 404,
        // Nobody carries orders out in these tests.
        Operation::Reload
        | Operation::Upgrade
        | Operation::SetUp
        | Operation::LowerTtl
        | Operation::MoveNames
        | Operation::RevertNames
        | Operation::RestoreTtl => 503,
        Operation::Health
        | Operation::Ready
        | Operation::Metrics
        | Operation::OpenApi
        | Operation::Status
        | Operation::Events
        | Operation::Start
        | Operation::Hold
        | Operation::Resume
        | Operation::Advance
        | Operation::SetWeight
        | Operation::Drill
        | Operation::Rollback => 200,
    }
}

#[tokio::test]
async fn every_route_asks_for_its_role() {
    let people = [
        (None, None),
        (Some("mallory"), None),
        (Some("vera"), Some(Role::Viewer)),
        (Some("otto"), Some(Role::Operator)),
        (Some("ada"), Some(Role::Approver)),
    ];
    for route in ROUTES {
        // Wrong tokens are limited, so each route gets a server that has seen none.
        let world = World::guarded();
        for (name, has) in people {
            let (line, body) = call(route);
            let answer = match name {
                Some(name) => world.ask_as(name, &line, body).await,
                None => world.ask(&line, &[], body).await,
            };
            let expected = match (route.access, has) {
                (Access::Open, _) => passed(route.operation),
                (Access::Role(_), None) => 401,
                (Access::Role(needed), Some(has)) if has < needed => 403,
                (Access::Role(_), Some(_)) => passed(route.operation),
            };
            assert_eq!(answer.status, expected, "{line} by {name:?}: {answer:?}");
            match expected {
                401 => {
                    assert_eq!(answer.problem().0, "unauthorized");
                    assert!(answer.head.contains("www-authenticate: bearer"));
                }
                403 => assert_eq!(answer.problem().0, "forbidden"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn commands_carry_their_callers_name() {
    let world = World::guarded();
    world.ask_as("otto", "POST /api/v1/ramp/hold", None).await;
    let commands = world.control.commands.lock().unwrap().clone();
    let actor = crate::cutover::Actor::Operator("otto".into());
    assert_eq!(commands, [(crate::cutover::Command::Hold, actor)]);
}

#[tokio::test]
async fn refused_callers_reach_nothing() {
    let world = World::guarded();
    for route in ROUTES {
        let (line, body) = call(route);
        world.ask_as("mallory", &line, body).await;
        world
            .ask(&line, &["Origin: http://evil.example"], body)
            .await;
    }
    assert!(world.control.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_step_needs_an_approver() {
    let world = World::guarded();
    let check = async |name: &str, step: &str, expected: u16| {
        let body = format!("{{\"reason\":\"fixed\",\"step\":{step}}}");
        let line = "POST /api/v1/ramp/resume";
        let answer = world.ask_as(name, line, Some(&body)).await;
        assert_eq!(answer.status, expected, "{name} at {step}: {answer:?}");
    };
    check("otto", "null", 200).await;
    check("otto", "1", 200).await;
    check("otto", "2", 403).await;
    check("ada", "2", 200).await;
    check("ada", "0", 400).await;
    check("ada", "4", 400).await;
}

#[tokio::test]
async fn every_route_checks_host_and_origin() {
    let world = World::local();
    for route in ROUTES {
        let (line, body) = call(route);
        let send = async |host: &str, extra: &[&str]| {
            let length = format!("Content-Length: {}", body.map_or(0, str::len));
            let mut headers = vec![host, "Connection: close", "Content-Type: application/json"];
            headers.push(&length);
            headers.extend(extra);
            world.send(&line, &headers, body.unwrap_or_default()).await
        };
        let answer = send("Host: localhost", &[]).await;
        assert_eq!(answer.status, passed(route.operation), "{line}");
        let answer = send("Host: admin.shop.example", &[]).await;
        assert_eq!(answer.status, passed(route.operation), "{line}");
        let answer = send("Host: evil.example", &[]).await;
        assert_eq!(answer.problem().0, "host-not-allowed", "{line}");
        let answer = send("Host: localhost", &["Origin: http://evil.example"]).await;
        assert_eq!(answer.problem().0, "origin-not-allowed", "{line}");
        let answer = send("Host: localhost", &["Origin: http://localhost"]).await;
        assert_eq!(answer.status, passed(route.operation), "{line}");
        assert!(
            !answer.head.contains("access-control-"),
            "{line} sends CORS headers"
        );
    }
}

/// Asks the router itself, as if over a connection of this peer.
async fn ask_router(control: ControlHandle, peer: &str, request: Builder) -> (StatusCode, String) {
    let (_close, closing) = watch::channel(false);
    let router = router(Shared {
        context: Context {
            edition: fixture::in_force(fixture::plan(Vec::new())),
            control,
            journal: Arc::new(MemoryJournal::default()),
            orders: crate::admin::orders().0,
            copies: Arc::default(),
        },
        closing,
        followers: Arc::new(Semaphore::new(1)),
        peers: Arc::default(),
    });
    let connection = Connection {
        peer: peer.parse().unwrap(),
        local: "10.0.0.7:9700".parse().unwrap(),
    };
    let service = TowerToHyperService::new(router.layer(Extension(connection)));
    let request = request.header("host", "10.0.0.7:9700");
    let response = service.call(request.body(Body::empty()).unwrap()).await;
    let (head, body) = response.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (head.status, String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn without_operators_only_loopback_peers_are_served() {
    let control = FakeControl::start(fixture::status());
    let check = async |peer: &str, expected: StatusCode| {
        let request = Request::get("/api/v1/status");
        let (status, body) = ask_router(control.handle.clone(), peer, request).await;
        assert_eq!(status, expected, "from {peer}: {body}");
    };
    check("127.0.0.1:4000", StatusCode::OK).await;
    check("[::1]:4000", StatusCode::OK).await;
    check("[::ffff:127.0.0.1]:4000", StatusCode::OK).await;
    check("10.0.0.9:4000", StatusCode::FORBIDDEN).await;
}

#[tokio::test(start_paused = true)]
async fn a_control_loop_that_is_stuck_is_not_waited_for() {
    // The receiver is kept and never read.
    let (requests, _asked) = mpsc::channel(1);
    let status = Arc::new(ArcSwap::from_pointee(fixture::status()));
    let control = ControlHandle::new(requests, status, broadcast::channel(1).0, Clock::start());
    let request = Request::post("/api/v1/ramp/hold");
    let (status, body) = ask_router(control, "127.0.0.1:4000", request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("the status will tell"), "{body}");
}

#[tokio::test]
async fn the_description_lists_every_route_with_its_role() {
    let world = World::local();
    let document = world.ask("GET /openapi.json", &[], None).await.json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["x-role"].as_str().unwrap_or("none");
            let needs_token = operation["security"][0]["bearer"].is_array();
            assert_eq!(needs_token, role != "none", "{method} {path}");
            described.insert((path.clone(), method.to_uppercase(), role.to_owned()));
        }
    }
    let table: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| {
            let (line, _) = call(*route);
            let method = line.split(' ').next().unwrap().to_owned();
            let role = match route.access {
                Access::Open => "none".into(),
                Access::Role(role) => serde_json::to_value(role).unwrap(),
            };
            let role = role.as_str().unwrap().to_owned();
            (route.path.to_owned(), method, role)
        })
        .collect();
    assert_eq!(described, table);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

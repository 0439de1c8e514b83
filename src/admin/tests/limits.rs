//! How much one peer may take, and what is left for the others.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::World;
use crate::{
    admin::fixture,
    plan::{AdminLimits, Operator},
};

fn world(operators: Vec<Operator>, limits: AdminLimits) -> World {
    let mut plan = fixture::plan(operators);
    plan.admin.limits = limits;
    World::start(plan)
}

const STATUS: &str = "GET /api/v1/status";

#[tokio::test]
async fn a_peer_that_asks_too_often_is_told_when_to_come_back() {
    let limits = AdminLimits {
        requests_per_second: 1,
        ..AdminLimits::DEFAULT
    };
    let world = world(fixture::operators(), limits);
    // Strangers and wrong paths count as much as anything else.
    for line in [
        STATUS,
        "GET /healthz",
        "GET /nowhere",
        "POST /api/v1/rollback",
    ] {
        let answer = world.ask(line, &[], None).await;
        assert_ne!(answer.status, 429, "{line}");
    }
    let mut excess = world.ask(STATUS, &[], None).await;
    while excess.status == 401 {
        excess = world.ask(STATUS, &[], None).await;
    }
    assert_eq!(excess.status, 429, "{excess:?}");
    assert_eq!(excess.problem().0, "too-many-requests");
    assert!(excess.head.contains("retry-after: 1\r\n"), "{excess:?}");
    // Whoever has a token is counted apart.
    let rollback = Some("{\"reason\":\"flooded\"}");
    let answer = world
        .ask_as("otto", "POST /api/v1/rollback", rollback)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_web_page_cannot_use_up_what_its_reader_has() {
    let limits = AdminLimits {
        requests_per_second: 1,
        ..AdminLimits::DEFAULT
    };
    let world = world(Vec::new(), limits);
    for _ in 0..20 {
        let page = ["Origin: http://evil.example"];
        assert_eq!(world.ask(STATUS, &page, None).await.status, 403);
    }
    assert_eq!(world.ask(STATUS, &[], None).await.status, 200);
}

#[tokio::test]
async fn guessing_tokens_is_slow_and_locks_nobody_out() {
    let world = World::guarded();
    assert_eq!(world.ask_as("ada", STATUS, None).await.status, 200);
    let mut answer = world.ask_as("mallory", STATUS, None).await;
    let mut wrong = 1;
    while answer.status == 401 {
        answer = world.ask_as("mallory", STATUS, None).await;
        wrong += 1;
    }
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!((11..20).contains(&wrong), "{wrong} wrong tokens");
    assert!(answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
    // A right one that was not seen before looks like any other guess.
    let guess = world.ask_as("otto", STATUS, None).await;
    assert_eq!((guess.status, guess.problem()), (429, answer.problem()));
    assert_eq!(world.ask_as("ada", STATUS, None).await.status, 200);
}

#[tokio::test]
async fn one_peer_does_not_take_every_place() {
    let limits = AdminLimits {
        connections_per_peer: 3,
        ..AdminLimits::DEFAULT
    };
    let world = world(Vec::new(), limits);
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(connected("127.0.0.1:0", world.address).await);
    }
    assert_eq!(
        answers(&mut connected("127.0.0.1:0", world.address).await).await,
        ""
    );
    let mut other = connected("127.0.0.2:0", world.address).await;
    assert!(answers(&mut other).await.starts_with("HTTP/1.1 200"));
    // A connection that is used and closed makes room.
    let mut one = idle.pop().unwrap();
    assert!(answers(&mut one).await.starts_with("HTTP/1.1 200"));
    let mut next = String::new();
    for _ in 0..100 {
        next = answers(&mut connected("127.0.0.1:0", world.address).await).await;
        if !next.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(next.starts_with("HTTP/1.1 200"), "{next}");
}

async fn connected(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What comes back; nothing if the connection was closed.
async fn answers(stream: &mut TcpStream) -> String {
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    // A connection that was closed already may refuse the request or the reading.
    if stream.write_all(request.as_bytes()).await.is_ok() {
        drop(stream.read_to_string(&mut answer).await);
    }
    answer
}

#[tokio::test]
async fn heads_have_a_size_and_a_count() {
    let world = World::local();
    let large = format!("X-Large: {}", "x".repeat(20_000));
    assert_eq!(world.ask(STATUS, &[&large], None).await.status, 431);
    let many: Vec<String> = (0..70).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.ask(STATUS, &many, None).await.status, 431);
}

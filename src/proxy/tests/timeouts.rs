//! Every time-out, observed at the socket.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpSocket};

use crate::{
    measure::{Class, Rejection},
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{PATIENCE, Rig, nobody, sides},
        talk::Talk,
    },
    units::Weight,
};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_let_go() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.timeouts.tls_handshake = SHORT;
    });
    let mut silent = Talk::to(rig.address()).await;
    let mut stuck = Talk::to(rig.address()).await;
    stuck.say("PRI * HT").await; // Neither protocol yet.
    assert_eq!(silent.rest().await, "");
    assert_eq!(stuck.rest().await, "");
    rig.until("no connection", |it| {
        it.last.as_ref().is_some_and(|it| it.connections == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_answered_408() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.timeouts.request_head = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost:").await;
    let said = client.response().await;
    assert_eq!(said.status(), 408);
    assert_eq!(said.header("x-changeover-error"), Some("head_timeout"));
    assert_eq!(client.rest().await, "");
    let mut later = Talk::to(rig.address()).await;
    assert_eq!(later.get("/").await.status(), 200);
    later.say("G").await;
    assert_eq!(later.response().await.status(), 408);
    rig.until("both refusals", |it| {
        it.rejected[Rejection::HeadTimeout.index()] == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_begins_with_the_request_before_is_limited_too() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.timeouts.request_head = SHORT;
        plan.timeouts.client_idle = PATIENCE * 10;
    });
    let mut client = Talk::to(rig.address()).await;
    client
        .say("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo")
        .await;
    assert_eq!(client.response().await.status(), 200);
    assert_eq!(client.response().await.status(), 408);
    assert_eq!(client.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_without_a_word() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.timeouts.client_idle = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_post_is_the_clients_fault() {
    let old = Scripted::start(|_, mut client| async move {
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let said = client.response().await;
    assert_eq!(said.status(), 408);
    assert_eq!(said.header("x-changeover-error"), Some("body_timeout"));
    client.rest().await;
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::ClientAbort);
    assert_eq!(outcome.bytes_up, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_takes_no_body_times_out() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        std::future::pending::<()>().await; // Reads no further.
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
    });
    let client = Talk::to(rig.address()).await;
    let mut io = client.into_inner();
    io.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        .await
        .unwrap();
    let (reader, mut writer) = io.into_split();
    let writing = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        while writer.write_all(&piece).await.is_ok() {}
    });
    let mut reader = Talk::over(tokio::io::join(reader, tokio::io::sink()));
    assert_eq!(reader.response().await.status(), 504);
    assert_eq!(rig.outcome().await.class, Class::Timeout);
    tokio::time::timeout(PATIENCE, writing)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_times_out() {
    let old = Scripted::start(|_, mut client| async move {
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.response_head = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 504);
    assert_eq!(said.header("x-changeover-error"), Some("timeout"));
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(client.response().await.status(), 504);
    for outcome in rig.outcomes(2).await {
        assert_eq!(outcome.class, Class::Timeout);
        assert_eq!(outcome.attempts, 1);
    }
    assert_eq!(rig.heads.len(), 2, "a time-out counts as a latency");
    assert!(rig.heads.iter().all(|it| it.latency >= SHORT));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_stops_within_a_body_times_out() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            .await;
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.rest().await.ends_with("half"));
    assert_eq!(rig.outcome().await.class, Class::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_let_go() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            .await;
        let mut io = client.into_inner();
        let piece = vec![b'x'; 64 * 1024];
        while io.write_all(&piece).await.is_ok() {}
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
    });
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::ClientAbort);
    assert_eq!(outcome.status, Some(200));
    rig.until("no connection", |it| {
        it.last.as_ref().is_some_and(|it| it.connections == 0)
    })
    .await;
}

/// A head that fits into no socket's buffers when its receiver has asked for small ones.
fn huge_field() -> String {
    format!("x-huge: {}\r\n", "x".repeat(900 << 10))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_head_that_the_client_does_not_take_is_its_fault() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        let field = huge_field();
        client
            .say(&format!(
                "HTTP/1.1 200 OK\r\n{field}Content-Length: 4\r\n\r\n"
            ))
            .await;
        std::future::pending::<()>().await; // Its body pauses meanwhile.
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
        plan.limits.head_bytes = 1 << 20;
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut io = socket.connect(rig.address()).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::ClientAbort);
    assert_eq!(outcome.status, Some(200));
    drop(io);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_head_that_the_endpoint_does_not_take_is_its_fault() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let address = listener.local_addr().unwrap();
    let mut rig = Rig::start(sides(address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = SHORT;
        plan.limits.head_bytes = 1 << 20;
    });
    let mut client = Talk::to(rig.address()).await;
    let field = huge_field();
    // Its body pauses meanwhile.
    client
        .say(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{field}Content-Length: 4\r\n\r\n"
        ))
        .await;
    let said = client.response().await;
    assert_eq!(said.status(), 504);
    assert_eq!(said.header("x-changeover-error"), Some("timeout"));
    assert_eq!(rig.outcome().await.class, Class::Timeout);
    drop(listener);
}

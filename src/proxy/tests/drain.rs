//! The graceful stop.

use std::time::Duration;

use tokio::{net::TcpStream, sync::watch, time::timeout};

use crate::{
    measure::Class,
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{PATIENCE, Rig, nobody, sides},
        talk::Talk,
    },
    units::Weight,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_finished_and_then_the_drain_is_over() {
    let (release, released) = watch::channel(false);
    let old = Scripted::start(move |_, mut client| {
        let mut released = released.clone();
        async move {
            client.until("\r\n\r\n").await;
            released.wait_for(|it| *it).await.unwrap();
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await;
        }
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let address = rig.address();
    let mut client = Talk::to(address).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    let (proxy, rest) = rig.split();
    let draining = tokio::spawn(proxy.drain());
    refuses(address).await;
    release.send(true).unwrap();
    let said = client.response().await;
    assert_eq!(said.body, "hi");
    assert_eq!(said.header("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
    timeout(PATIENCE / 2, draining).await.unwrap().unwrap();
    assert_eq!(rest.last_words().await[0].class, Class::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_is_answered_once_more_and_told_to_leave() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let address = rig.address();
    let mut client = Talk::to(address).await;
    assert_eq!(client.get("/").await.header("connection"), None);
    let (proxy, _rest) = rig.split();
    let draining = tokio::spawn(proxy.drain());
    refuses(address).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 200);
    assert_eq!(said.header("connection"), Some("close"));
    timeout(PATIENCE / 2, draining).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_runs_at_the_deadline_is_cut_and_is_nobodys_fault_but_ours() {
    let old = Scripted::start(|_, mut client| async move {
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.drain = Duration::from_millis(200);
    });
    let mut client = Talk::to(rig.address()).await;
    let mut idle = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    let (proxy, rest) = rig.split();
    timeout(PATIENCE / 2, proxy.drain()).await.unwrap();
    assert_eq!(client.rest().await, "");
    assert_eq!(idle.rest().await, "");
    let outcomes = rest.last_words().await;
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].class, Class::Proxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_have_connected_are_answered_though_the_drain_begins() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = Talk::to(rig.address()).await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    let (proxy, rest) = rig.split();
    let draining = tokio::spawn(proxy.drain());
    for mut client in clients {
        assert_eq!(client.response().await.status(), 200);
    }
    timeout(PATIENCE, draining).await.unwrap().unwrap();
    assert_eq!(rest.last_words().await.len(), 100);
}

/// Waits until nobody accepts at `address`.
async fn refuses(address: std::net::SocketAddr) {
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.unwrap();
}

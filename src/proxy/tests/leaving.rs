//! Clients that are to look their name up again, and what is noted of those that come.

use crate::{
    plan::dns::{DnsMoves, DnsPlan, LookPlan, ProviderPlan, Quiet, Ttl},
    proxy::tests::{
        endpoint::http,
        rig::{Rig, nobody, sides},
        talk::Talk,
    },
    units::Weight,
};

/// A plan that moves names; none, since what they are is nothing to the proxy.
fn dns() -> DnsPlan {
    DnsPlan {
        zone: hickory_resolver::proto::rr::Name::root(),
        names: Vec::new(),
        ttl: Ttl(60),
        moves: DnsMoves::Manually,
        gap: std::time::Duration::from_secs(60),
        quiet: Quiet::DEFAULT,
        look: LookPlan {
            start: Vec::new(),
            port: 53,
            timeout: std::time::Duration::from_secs(1),
            resolvers: Vec::new(),
        },
        provider: ProviderPlan::Manual,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_the_moment_is_answered_and_told_to_leave() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut early = Talk::to(rig.address()).await;
    assert_eq!(early.get("/").await.header("connection"), None);
    let leave_before = rig.shared.publication.leave_before();
    leave_before.set(Some(rig.shared.clock.timestamp()));
    let mut late = Talk::to(rig.address()).await;
    for _ in 0..2 {
        let said = late.get("/").await;
        assert_eq!((said.status(), said.header("connection")), (200, None));
    }
    let said = early.get("/").await;
    assert_eq!(said.status(), 200);
    assert_eq!(said.header("connection"), Some("close"));
    assert_eq!(early.rest().await, "");
    leave_before.set(None);
    assert_eq!(late.get("/").await.header("connection"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_noted_by_listener_and_client_where_names_move() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.dns = Some(dns());
        plan.listeners.push(plan.listeners[0].clone());
        plan.forwarding.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let second = rig.proxy.addresses()[1];
    let mut direct = Talk::to(second).await;
    assert_eq!(direct.get("/").await.status(), 200);
    let mut behind = Talk::to(second).await;
    behind
        .say("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n")
        .await;
    assert_eq!(behind.response().await.status(), 200);
    let mut first = Talk::to(rig.address()).await;
    assert_eq!(first.get("/").await.status(), 200);
    // What is no request of anybody's is none that arrives.
    let mut broken = Talk::to(second).await;
    broken.say("GET / HTTP/1.1\r\nHost : a\r\n\r\n").await;
    assert_eq!(broken.response().await.status(), 400);
    let loopback = "127.0.0.1".parse().unwrap();
    let mut expected = vec![
        (0, loopback),
        (1, loopback),
        (1, "203.0.113.7".parse().unwrap()),
    ];
    expected.sort_unstable();
    rig.until("everything is noted", |it| it.arrived.len() >= 3)
        .await;
    rig.arrived.sort_unstable();
    assert_eq!(rig.arrived, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_noted_where_no_name_moves() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    assert_eq!(client.get("/").await.status(), 200);
    rig.outcome().await;
    assert_eq!(rig.arrived, []);
}

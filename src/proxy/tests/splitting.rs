//! Which side a request goes to, and that a rollback holds for whoever had not been sent yet.

use tokio::sync::watch;

use crate::{
    measure::Class,
    plan::Writes,
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{Rig, cookie, force, sides},
        talk::Talk,
    },
    split::Cause,
    units::{Generation, Side, Weight},
};

#[tokio::test(flavor = "multi_thread")]
async fn none_is_none_and_full_is_all() {
    let endpoints = sides(http("old").await, http("new").await);
    let rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..20 {
        assert!(client.get("/").await.body.starts_with("[old]"));
    }
    rig.publish(Weight::FULL, false);
    for _ in 0..20 {
        assert!(client.get("/").await.body.starts_with("[new]"));
    }
    rig.publish(Weight::NONE, true);
    for _ in 0..20 {
        assert!(client.get("/").await.body.starts_with("[old]"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_connection_is_assigned_again() {
    let (release, released) = watch::channel(false);
    let new = Scripted::start(move |_, mut client| {
        let mut released = released.clone();
        async move {
            for _ in 0..100 {
                client.until("\r\n\r\n").await;
                released.wait_for(|it| *it).await.unwrap();
                client
                    .say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
                    .await;
            }
        }
    })
    .await;
    let endpoints = sides(http("old").await, new.address);
    let mut rig = Rig::start(endpoints, Weight::FULL, |plan| {
        plan.limits.connections_per_endpoint = 1;
    });
    let mut first = Talk::to(rig.address()).await;
    first.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("the first sent", |it| {
        let last = it.last.as_ref();
        last.is_some_and(|it| it.endpoints_in_flight.new[0] == 1)
    })
    .await;
    let mut second = Talk::to(rig.address()).await;
    second.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("the second waiting", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.new == 2)
    })
    .await;
    rig.publish(Weight::NONE, true);
    release.send(true).unwrap();
    assert_eq!(first.response().await.body, "new");
    let said = second.response().await;
    assert!(said.body.starts_with("[old]"), "{said:?}");
    let outcomes = rig.outcomes(2).await;
    let second = outcomes.iter().find(|it| it.side() == Side::Old).unwrap();
    assert_eq!(second.class, Class::Success);
    assert_eq!(second.assignment.generation, Generation::new(2));
    assert!(!second.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_where_the_rule_says() {
    let endpoints = sides(http("old").await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |plan| {
        plan.split.writes = Writes::Old
    });
    let mut client = Talk::to(rig.address()).await;
    assert!(client.get("/").await.body.starts_with("[new]"));
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.response().await.body.starts_with("[old]"));
    let outcomes = rig.outcomes(2).await;
    assert_eq!(outcomes[0].assignment.cause, Cause::Weighted);
    assert_eq!(outcomes[1].assignment.cause, Cause::Writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_override_beats_weight_0() {
    let endpoints = sides(http("old").await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let force = force(&rig, Side::New);
    let mut client = Talk::to(rig.address()).await;
    client
        .say(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Force: {force}\r\n\r\n"
        ))
        .await;
    let said = client.response().await;
    assert!(said.body.starts_with("[new]"), "{said:?}");
    assert!(!said.body.contains("x-force"), "{said:?}");
    client
        .say("GET / HTTP/1.1\r\nHost: a\r\nX-Force: new;exp=9999999999;sig=00\r\n\r\n")
        .await;
    assert!(client.response().await.body.starts_with("[old]"));
    let outcomes = rig.outcomes(2).await;
    assert_eq!(outcomes[0].assignment.cause, Cause::Forced);
    assert_eq!(outcomes[1].assignment.cause, Cause::Weighted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visitor_gets_a_cookie_and_keeps_its_side() {
    let endpoints = sides(http("old").await, http("new").await);
    let half = Weight::from_basis_points(5000).unwrap();
    let rig = Rig::start(endpoints, half, |plan| plan.split.sticky = cookie());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    let side = said.header("x-changeover-side").unwrap();
    let set = said.header("set-cookie").unwrap();
    let (pair, attributes) = set.split_once(';').unwrap();
    assert!(pair.starts_with("changeover="), "{set}");
    assert!(attributes.contains("httponly"), "{set}");
    // The test lower-cases heads, so the id is read from what the second visit is told not to set again.
    let again = client.get("/").await;
    assert_eq!(again.header("x-changeover-side"), Some(side));
}

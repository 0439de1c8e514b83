//! What happens when an endpoint fails: whom it is blamed on, what is sent again, and when old answers for new.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use crate::{
    measure::Class,
    plan::{DrillFault, Injection, Limit, Reading, Trigger, TripAction, Writes},
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{Rig, force, nobody, sides},
        talk::Talk,
    },
    split::Cause,
    units::{PerSide, Share, Side, Weight},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test(flavor = "multi_thread")]
async fn old_answers_for_a_new_that_refuses_whatever_the_method() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert!(said.body.starts_with("[old]"), "{said:?}");
    assert_eq!(said.header("x-changeover-side"), Some("old"));
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nonce")
        .await;
    let said = client.response().await;
    assert!(said.body.ends_with("[once]"), "{said:?}");
    for outcome in rig.outcomes(2).await {
        assert_eq!(outcome.side(), Side::New);
        assert_eq!(outcome.class, Class::Connect);
        assert_eq!(outcome.status, Some(200));
        assert!(outcome.is_failover);
        assert_eq!(outcome.attempts, 1);
    }
    assert!(rig.heads.is_empty(), "no latency of a failover is new's");
    assert_eq!(rig.shared.connects.run(Side::New).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_failed_connects_rings_once_when_a_trigger_would_trip() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |plan| {
        plan.triggers.push(Trigger {
            name: "unreachable".to_owned(),
            reading: Reading::ConnectFailures,
            limit: Limit::InARow(3),
            window: Duration::ZERO,
            requests: 0,
            action: TripAction::Rollback,
        });
    });
    let mut client = Talk::to(rig.address()).await;
    for rung in [0, 0, 1, 1] {
        assert_eq!(client.get("/").await.status(), 200);
        assert_eq!(rig.alarms.load(Ordering::Relaxed), rung);
    }
    rig.outcomes(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_old() {
    let endpoints = sides(nobody().await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("connect"));
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Connect);
    assert_eq!(outcome.side(), Side::Old);
    assert_eq!(outcome.attempts, 0);
    assert_eq!(outcome.endpoint, Some(0));
    assert!(!outcome.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_gets_news_own_answer() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let force = force(&rig, Side::New);
    let mut client = Talk::to(rig.address()).await;
    client
        .say(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Force: {force}\r\n\r\n"
        ))
        .await;
    assert_eq!(client.response().await.status(), 502);
    assert!(!rig.outcome().await.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_whose_connection_broke_is_sent_once_more() {
    let old = Scripted::start(|number, mut client| async move {
        client.until("\r\n\r\n").await;
        if number > 0 {
            client.say(OK).await;
        }
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    assert_eq!(client.get("/").await.body, "hi");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Success);
    assert_eq!(outcome.attempts, 2);
    assert_eq!(old.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_a_third_time() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("reset"));
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Reset);
    assert_eq!(outcome.attempts, 2);
    assert_eq!(old.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_never_sent_twice() {
    let new = Scripted::start(|_, mut client| async move {
        client.until("body").await;
    })
    .await;
    let endpoints = sides(http("old").await, new.address);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(client.response().await.status(), 502);
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Reset);
    assert_eq!(outcome.attempts, 1);
    assert!(!outcome.is_failover);
    assert_eq!(new.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_answers_for_a_new_that_died_while_a_get_waited() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut client = Talk::over(socket);
        client.until("\r\n\r\n").await;
        drop(listener); // First, so that the retry finds nobody.
        drop(client);
    });
    let mut rig = Rig::start(sides(http("old").await, address), Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 200, "{said:?}");
    assert!(said.body.starts_with("[old]"), "{said:?}");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.side(), Side::New);
    assert_eq!(outcome.class, Class::Connect);
    assert_eq!(outcome.attempts, 2);
    assert!(outcome.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_moves_the_second_send_to_old() {
    let (reached, mut reach) = tokio::sync::mpsc::channel(1);
    let (release, released) = tokio::sync::watch::channel(false);
    let new = Scripted::start(move |_, mut client| {
        let (reached, mut released) = (reached.clone(), released.clone());
        async move {
            client.until("\r\n\r\n").await;
            reached.send(()).await.unwrap();
            released.wait_for(|it| *it).await.unwrap();
        }
    })
    .await;
    let endpoints = sides(http("old").await, new.address);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    reach.recv().await.unwrap();
    rig.publish(Weight::NONE, true);
    release.send(true).unwrap();
    let said = client.response().await;
    assert!(said.body.starts_with("[old]"), "{said:?}");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.side(), Side::New, "the failure stays new's");
    assert_eq!(outcome.class, Class::Reset);
    assert!(outcome.is_failover);
    assert_eq!(new.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_endpoint_gets_the_second_send() {
    let bad = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
    })
    .await;
    let endpoints = PerSide {
        old: vec![bad.address, http("good").await],
        new: vec![nobody().await],
    };
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    rig.outcomes(20).await;
    assert!(bad.connections() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_pooled_connection_costs_nothing() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client.say(OK).await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    let outcomes = rig.outcomes(20).await;
    assert!(outcomes.iter().all(|it| it.class == Class::Success));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_is_repeated_meets_no_second_stale_connection() {
    // Each connection answers once, and breaks when the next request has come.
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client.say(OK).await;
        client.until("\r\n\r\n").await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Talk::to(rig.address()).await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.response().await.body, "hi");
    }
    // Now many idle connections wait, none of which carries another answer.
    for client in &mut clients {
        assert_eq!(client.get("/").await.body, "hi");
    }
    let outcomes = rig.outcomes(16).await;
    assert!(outcomes.iter().all(|it| it.class == Class::Success));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_a_broken_protocol() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client.say("nonsense\r\n\r\n").await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    let said = client.response().await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("protocol"));
    assert_eq!(rig.outcome().await.class, Class::Reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_breaks_off_for_the_client() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            .await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let all = client.rest().await;
    assert!(all.ends_with("half"), "{all}");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Reset);
    assert_eq!(outcome.status, Some(200));
    assert_eq!(outcome.bytes_down, 4);
}

/// A data plane whose one endpoint of either side has room for one request, and that one taken by a request to `side`.
async fn full(side: Side) -> (Rig, Talk<TcpStream>) {
    let hanging = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client.rest().await;
    })
    .await;
    let good = http("good").await;
    let (endpoints, weight) = match side {
        Side::Old => (sides(hanging.address, good), Weight::NONE),
        Side::New => (sides(good, hanging.address), Weight::FULL),
    };
    let mut rig = Rig::start(endpoints, weight, |plan| {
        plan.limits.connections_per_endpoint = 1;
        plan.timeouts.connect = Duration::from_millis(200);
    });
    let mut first = Talk::to(rig.address()).await;
    first.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("the first in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight[side] == 1)
    })
    .await;
    (rig, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_endpoint_of_old_is_our_own_limit() {
    let (mut rig, _first) = full(Side::Old).await;
    let mut second = Talk::to(rig.address()).await;
    let said = second.get("/").await;
    assert_eq!(said.status(), 503);
    assert_eq!(said.header("x-changeover-error"), Some("overload"));
    rig.until("an outcome", |it| !it.finished.is_empty()).await;
    assert_eq!(rig.finished[0].class, Class::Proxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_answers_for_a_new_that_is_full() {
    let (mut rig, _first) = full(Side::New).await;
    let mut second = Talk::to(rig.address()).await;
    let said = second.get("/").await;
    assert!(said.body.starts_with("[good]"), "{said:?}");
    rig.until("an outcome", |it| !it.finished.is_empty()).await;
    let outcome = rig.finished[0];
    assert_eq!((outcome.side(), outcome.class), (Side::New, Class::Connect));
    assert_eq!(outcome.endpoint, Some(0));
    assert!(outcome.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_sends_to_new_is_never_written_to_old() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |plan| {
        plan.split.writes = Writes::New;
    });
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nonce")
        .await;
    let said = client.response().await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("connect"));
    let outcome = rig.outcome().await;
    assert_eq!((outcome.side(), outcome.class), (Side::New, Class::Connect));
    assert_eq!(outcome.assignment.cause, Cause::Writes);
    assert!(!outcome.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_off_with_no_room_left_for_what_it_says_is_noticed() {
    let silent = Scripted::start(|_, mut client| async move {
        client.rest().await;
    })
    .await;
    let endpoints = sides(silent.address, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.limits.head_bytes = 1024;
    });
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = TcpStream::connect(rig.address()).await.unwrap();
    client.write_all(request).await.unwrap();
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    // More than there is room for, and all of it at once.
    client.write_all(&request.repeat(50)).await.unwrap();
    // The worker has turned since, so it has read that.
    let said_at = rig.shared.clock.timestamp();
    let read_by = said_at.after(Duration::from_millis(150));
    rig.until("a turn", |it| {
        it.last.as_ref().is_some_and(|it| it.at > read_by)
    })
    .await;
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    assert_eq!(rig.outcome().await.class, Class::ClientAbort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_blames_new_and_no_client_notices() {
    let endpoints = sides(http("old").await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let injected = Arc::clone(rig.shared.publication.injected());
    let inject = |fault| {
        injected.set(Some(Injection {
            fault,
            share: Share::WHOLE,
        }));
    };
    let mut client = Talk::to(rig.address()).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nonce";
    for (fault, class) in [
        (DrillFault::Errors, Class::ServerError),
        (DrillFault::Refused, Class::Connect),
    ] {
        inject(fault);
        let said = client.get("/").await;
        assert!(said.body.starts_with("[old]"), "{said:?}");
        client.say(post).await;
        let said = client.response().await;
        assert!(
            said.body.starts_with("[new]"),
            "what changes something is not touched: {said:?}"
        );
        let outcomes = rig.outcomes(2).await;
        assert_eq!((outcomes[0].class, outcomes[0].status), (class, Some(200)));
        assert_eq!(
            (outcomes[0].side(), outcomes[0].is_failover),
            (Side::New, true)
        );
        assert_eq!(outcomes[1].class, Class::Success);
        rig.finished.clear();
    }
    assert_eq!(
        rig.shared.connects.run(Side::New).0,
        0,
        "new was reached since"
    );
    rig.heads.clear();
    let late = Duration::from_millis(300);
    inject(DrillFault::latency(late));
    let said = client.get("/").await;
    assert!(said.body.starts_with("[new]"), "{said:?}");
    let outcome = rig.outcome().await;
    assert_eq!(
        (outcome.class, outcome.is_failover),
        (Class::Success, false)
    );
    assert!(rig.heads[0].latency >= late, "{:?}", rig.heads);
    rig.finished.clear();
    injected.set(None);
    let said = client.get("/").await;
    assert!(said.body.starts_with("[new]"), "{said:?}");
    assert_eq!(rig.drilled, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_lets_new_answer_after_all_where_old_is_gone() {
    let endpoints = sides(nobody().await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    rig.shared.publication.injected().set(Some(Injection {
        fault: DrillFault::Errors,
        share: Share::WHOLE,
    }));
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert!(said.body.starts_with("[new]"), "{said:?}");
    let outcome = rig.outcome().await;
    assert_eq!((outcome.class, outcome.side()), (Class::Success, Side::New));
}

//! HTTP/1 from client to endpoint.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    measure::{Class, Rejection},
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{Rig, nobody, sides},
        talk::Talk,
    },
    units::{Side, Weight},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_by_its_side_and_measured_once() {
    let endpoints = sides(http("old").await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/shop?x=1").await;
    assert_eq!(said.status(), 200, "{said:?}");
    assert!(said.body.starts_with("[new] [GET /shop?x=1]"), "{said:?}");
    assert_eq!(said.header("x-changeover-side"), Some("new"));
    assert!(said.header("date").is_some());
    assert_eq!(said.header("server"), None);
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Success);
    assert_eq!(outcome.side(), Side::New);
    assert_eq!(outcome.status, Some(200));
    assert_eq!(outcome.attempts, 1);
    assert_eq!(outcome.endpoint, Some(0));
    assert_eq!(outcome.bytes_down, u64::try_from(said.body.len()).unwrap());
    assert_eq!(rig.heads.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_after_each_other_share_both_connections() {
    let old = Scripted::start(|_, mut client| async move {
        for _ in 0..100 {
            client.until("\r\n\r\n").await;
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await;
        }
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.body, "hi");
    }
    rig.outcomes(5).await;
    assert_eq!(old.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    for expected in ["[GET /1]", "[POST /2]", "[GET /3]"] {
        let said = client.response().await;
        assert!(said.body.contains(expected), "{expected} {said:?}");
    }
    rig.outcomes(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_either_framing_arrive_whole() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst")
        .await;
    let said = client.response().await;
    assert!(said.body.ends_with("[first]"), "{said:?}");
    client
        .say("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n")
        .await;
    let said = client.response().await;
    assert!(said.body.ends_with("[second]"), "{said:?}");
    let outcomes = rig.outcomes(2).await;
    assert_eq!(outcomes[0].bytes_up, 5);
    assert_eq!(outcomes[1].bytes_up, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_is_told_to_continue() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.say("body").await;
    let said = client.response().await;
    assert!(said.body.ends_with("[body]"), "{said:?}");
    assert!(!said.body.contains("expect"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_gets_the_length_and_no_body() {
    let old = Scripted::start(|_, mut client| async move {
        for _ in 0..100 {
            client.until("\r\n\r\n").await;
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
                .await;
        }
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..2 {
        client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
        assert!(head.contains("content-length: 1234"), "{head}");
    }
    let outcomes = rig.outcomes(2).await;
    assert!(outcomes.iter().all(|it| it.class == Class::Success));
    assert_eq!(old.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_a_length_ends_with_its_connection() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client.say("HTTP/1.1 200 OK\r\n\r\nall there is").await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert!(said.body.contains("all there is"), "{said:?}");
    assert_eq!(rig.outcome().await.class, Class::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_refused_and_closes() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .await;
    let said = client.response().await;
    assert_eq!(said.status(), 400);
    assert_eq!(said.header("x-changeover-error"), Some("malformed"));
    assert_eq!(said.header("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
    rig.until("the refusal", |it| {
        it.rejected[Rejection::Malformed.index()] == 1
    })
    .await;
    assert!(rig.finished.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_the_clients_doing() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        assert_eq!(client.rest().await, ""); // The proxy gives up in turn.
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    drop(client);
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::ClientAbort);
    assert_eq!(outcome.status, None);
    assert_eq!(outcome.attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_not_read_faster_than_the_client_reads() {
    let written = Arc::new(AtomicUsize::new(0));
    let (stalled, mut stall) = tokio::sync::mpsc::channel(1);
    let count = Arc::clone(&written);
    let old = Scripted::start(move |_, mut client| {
        let (written, stalled) = (Arc::clone(&count), stalled.clone());
        async move {
            client.until("\r\n\r\n").await;
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                .await;
            let mut io = client.into_inner();
            let piece = vec![b'x'; 64 * 1024];
            // Until nothing more is taken for a while.
            while let Ok(wrote) = timeout(Duration::from_millis(500), io.write_all(&piece)).await {
                wrote.unwrap();
                written.fetch_add(piece.len(), Ordering::SeqCst);
            }
            stalled.send(()).await.unwrap();
        }
    })
    .await;
    let rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    stall.recv().await.unwrap();
    // Two socket buffers on either leg, which the system sizes, and ours.
    let written = written.load(Ordering::SeqCst);
    assert!(written < 40_000_000, "{written} bytes were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_answered_early_may_finish() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            .await;
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegins")
        .await;
    let said = client.response().await;
    assert_eq!((said.status(), said.body.as_str()), (413, "big"));
    assert_eq!(client.rest().await, "");
    let now = rig.shared.clock.timestamp();
    // By then a connection that does not wait for its client is gone.
    rig.until("a later turn", |it| {
        it.last.as_ref().is_some_and(|it| it.at > now)
    })
    .await;
    let piece = "x".repeat(1000);
    for _ in 0..500 {
        client.say(&piece).await; // Panics once the connection was reset.
        tokio::task::yield_now().await;
    }
}

/// Bytes that show where they belong, as text.
fn pattern(length: usize) -> String {
    let numbers = (0..).map(|it| format!("{it:07};"));
    let mut text: String = numbers.take(length / 8 + 1).collect();
    text.truncate(length);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_known_length_arrive_whole_in_both_directions() {
    const LENGTH: usize = 3_000_000;
    let old = Scripted::start(|_, mut client| async move {
        for _ in 0..2 {
            let head = client.until("\r\n\r\n").await;
            assert!(
                head.contains(&format!("content-length: {LENGTH}")),
                "{head}"
            );
            let body = client.exactly(LENGTH).await;
            client
                .say(&format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{body}"
                ))
                .await;
        }
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let sent = pattern(LENGTH);
    for _ in 0..2 {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.say(&head).await;
        client.say(&sent).await;
        let said = client.response().await;
        assert!(said.body == sent, "the bytes are the same");
    }
    let length = u64::try_from(LENGTH).unwrap();
    for outcome in rig.outcomes(2).await {
        assert_eq!(outcome.class, Class::Success);
        assert_eq!((outcome.bytes_up, outcome.bytes_down), (length, length));
    }
    assert_eq!(old.connections(), 1, "both bodies ended cleanly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_ends_where_the_next_request_begins() {
    const LENGTH: usize = 500_000;
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        let mut body = client.exactly(LENGTH).await;
        client
            .say(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{}",
                body.split_off(LENGTH - 8)
            ))
            .await;
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
            .await;
    })
    .await;
    let rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let sent = pattern(LENGTH);
    let both = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n{sent}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    );
    client.say(&both).await;
    assert!(sent.ends_with(&client.response().await.body));
    assert_eq!(client.response().await.body, "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_breaks_off_breaks_off_for_the_other_end() {
    let old = Scripted::start(|number, mut client| async move {
        let head = client.until("\r\n\r\n").await;
        if number == 0 {
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                .await;
            client.say(&"x".repeat(400_000)).await;
            return; // Closes within the body.
        }
        assert!(head.starts_with("POST"), "{head}");
        let got = client.rest().await.len();
        assert!(got < 1_000_000, "{got} bytes of a broken upload");
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.contains("content-length: 1000000"), "{head}");
    assert_eq!(client.rest().await.len(), 400_000);
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        .await;
    client.say(&"x".repeat(400_000)).await;
    drop(client);
    let outcomes = rig.outcomes(2).await;
    assert_eq!(outcomes[0].class, Class::Reset);
    assert_eq!(outcomes[0].bytes_down, 400_000);
    assert_eq!(outcomes[1].class, Class::ClientAbort);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_overtake_a_large_upload_that_goes_on() {
    // The endpoint answers first and reads on then; the client sends all before it reads.
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}",
                "y".repeat(100)
            ))
            .await;
        client.exactly(8_000_000).await;
        client.say(&"y".repeat(1_999_900)).await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client
        .say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
        .await;
    client.say(&"x".repeat(8_000_000)).await;
    assert_eq!(client.response().await.body.len(), 2_000_000);
    assert_eq!(rig.outcome().await.class, Class::Success);
}

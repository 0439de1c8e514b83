//! Upgrades: asked for, granted, carried both ways, and ended.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use crate::{
    measure::Class,
    plan::{Plan, Scheme, Sticky, Writes},
    proxy::tests::{
        endpoint::{Scripted, http},
        rig::{PATIENCE, Rig, nobody, sides},
        talk::Talk,
    },
    split::Cause,
    units::{Side, Timestamp, Weight},
};

const ASK: &str =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Grants the upgrade, greets, and answers each line.
async fn chat() -> Scripted {
    Scripted::start(|_, mut client| async move {
        let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
        assert!(head.contains("upgrade: websocket"), "{head}");
        assert!(head.contains("connection: upgrade"), "{head}");
        client
            .say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome\n")
            .await;
        loop {
            let line = client.until("\n").await;
            if line == "leave\n" {
                return;
            }
            client.say(&format!("you said {line}")).await;
        }
    })
    .await
}

async fn enter(rig: &Rig, more: &str) -> Talk<TcpStream> {
    let mut client = Talk::to(rig.address()).await;
    client.say(&format!("{ASK}{more}")).await;
    let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    assert!(head.contains("connection: upgrade"), "{head}");
    assert_eq!(client.until("\n").await, "welcome\n");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_until_either_end_closes() {
    let new = chat().await;
    let mut rig = Rig::start(sides(nobody().await, new.address), Weight::FULL, |_| ());
    let mut client = enter(&rig, "").await;
    client.say("one\n").await;
    assert_eq!(client.until("\n").await, "you said one\n");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Upgrade);
    assert_eq!(outcome.status, Some(101));
    assert_eq!(outcome.assignment.cause, Cause::Weighted);
    rig.until("the tunnel is counted", |it| {
        it.last.as_ref().is_some_and(|it| it.tunnels.new == 1)
    })
    .await;
    client.say("two\n").await;
    assert_eq!(client.until("\n").await, "you said two\n");
    client.say("leave\n").await;
    assert_eq!(client.rest().await, "");
    rig.until("no tunnel", |it| {
        it.last.as_ref().is_some_and(|it| it.tunnels.new == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_with_the_request_is_not_lost() {
    let old = chat().await;
    let rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = enter(&rig, "early\n").await;
    assert_eq!(client.until("\n").await, "you said early\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_not_granted_is_a_request() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    client.say(ASK).await;
    assert_eq!(client.response().await.status(), 200);
    assert_eq!(client.get("/next").await.status(), 200);
    let outcomes = rig.outcomes(2).await;
    assert!(outcomes.iter().all(|it| it.class == Class::Success));
}

/// What stands behind such a request is no part of a tunnel that never was, but a request that is read and sent as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_an_upgrade_that_is_not_granted_is_one_of_its_own() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let endpoint = Scripted::start(move |_, mut client| {
        let sender = sender.clone();
        async move {
            for _ in 0..2 {
                let head = client.until("\r\n\r\n").await;
                sender.send(head).unwrap();
                client
                    .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await;
            }
        }
    })
    .await;
    let rig = Rig::start(
        sides(endpoint.address, nobody().await),
        Weight::NONE,
        |_| (),
    );
    let mut client = Talk::to(rig.address()).await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    client.say(&format!("{ASK}{hidden}")).await;
    for expected in ["/chat", "/hidden"] {
        assert_eq!(client.response().await.status(), 200);
        let head = seen.recv().await.unwrap();
        assert!(head.starts_with(&format!("GET {expected} ")), "{head}");
        assert!(!head.contains("6.6.6.6"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_101_that_nobody_asked_for_opens_nothing() {
    let old = chat_unasked().await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    let said = client.get("/").await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("protocol"));
    assert_eq!(rig.outcome().await.class, Class::Reset);
}

async fn chat_unasked() -> Scripted {
    Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        client.rest().await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_without_a_byte_ends() {
    let old = chat().await;
    let rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.tunnel_idle = Duration::from_millis(200);
    });
    let mut client = enter(&rig, "").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_ends_the_tunnels_to_new_and_no_others() {
    let (old, new) = (chat().await, chat().await);
    let mut rig = Rig::start(sides(old.address, new.address), Weight::NONE, |_| ());
    let mut kept = enter(&rig, "").await;
    rig.publish(Weight::FULL, false);
    let mut withdrawn = enter(&rig, "").await;
    rig.publish(Weight::NONE, true);
    assert_eq!(withdrawn.rest().await, "");
    kept.say("still here\n").await;
    assert_eq!(kept.until("\n").await, "you said still here\n");
    let outcomes = rig.outcomes(2).await;
    assert_eq!(outcomes[1].side(), Side::New);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_ends_a_tunnel_in_which_bytes_never_stop() {
    let new = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome\n")
            .await;
        let mut io = client.into_inner();
        while io.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let rig = Rig::start(sides(nobody().await, new.address), Weight::FULL, |_| ());
    let mut client = enter(&rig, "").await.into_inner();
    rig.publish(Weight::NONE, true);
    let reading = async {
        let mut space = vec![0; 1 << 16];
        while client.read(&mut space).await.is_ok_and(|it| it > 0) {}
    };
    timeout(PATIENCE, reading).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn old_opens_the_tunnel_that_a_new_of_http2_cannot() {
    let old = chat().await;
    let endpoints = sides(old.address, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |plan| {
        plan.upstreams.new.endpoints[0].scheme = Scheme::H2c;
    });
    let mut client = enter(&rig, "").await;
    client.say("one\n").await;
    assert_eq!(client.until("\n").await, "you said one\n");
    let outcome = rig.outcome().await;
    assert_eq!((outcome.side(), outcome.class), (Side::New, Class::Connect));
    assert!(outcome.is_failover);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_old_cannot_carry_is_our_own_limit() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
    });
    let mut client = Talk::to(rig.address()).await;
    client.say(ASK).await;
    let said = client.response().await;
    assert_eq!(said.status(), 502);
    assert_eq!(said.header("x-changeover-error"), Some("no_http1"));
    assert_eq!(rig.outcome().await.class, Class::Proxy);
}

/// Old, which has a chat and pages; a client's writes are kept count of.
async fn shop() -> Scripted {
    Scripted::start(|_, mut client| async move {
        let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
        if !head.contains("upgrade: websocket") {
            return client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nold")
                .await;
        }
        client
            .say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome\n")
            .await;
        while client.until("\n").await != "leave\n" {
            client.say("done\n").await;
        }
    })
    .await
}

fn keeps_count(plan: &mut Plan) {
    plan.split.sticky = Sticky::Header("x-client".parse().unwrap());
    plan.split.writes = Writes::Old;
    plan.split.read_your_writes = Some(PATIENCE);
}

/// The side that answers a read of this client.
async fn reads_on(rig: &Rig, client: &str) -> Side {
    let mut talk = Talk::to(rig.address()).await;
    talk.say(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nx-client: {client}\r\nConnection: close\r\n\r\n"
    ))
    .await;
    match talk.response().await.body.as_str() {
        "old" => Side::Old,
        _ => Side::New,
    }
}

/// All that was written until now is on new.
fn arrived(rig: &Rig) -> Timestamp {
    let now = rig.shared.clock.timestamp();
    rig.shared.publication.writers().passed(now);
    now
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_tunnel_keeps_the_reads_of_its_client_on_old() {
    let old = shop().await;
    let new = http("new").await;
    let mut rig = Rig::start(sides(old.address, new), Weight::FULL, keeps_count);
    let mut client = Talk::to(rig.address()).await;
    let ask = ASK.replace("Host: a", "Host: a\r\nx-client: ada");
    client.say(&ask).await;
    client.until("welcome\n").await;
    rig.until("the tunnel is open", |it| {
        it.last.as_ref().is_some_and(|it| it.tunnels.old == 1)
    })
    .await;
    assert_eq!(
        reads_on(&rig, "ada").await,
        Side::Old,
        "opening it may write"
    );
    arrived(&rig);
    assert_eq!(reads_on(&rig, "ada").await, Side::New);
    client.say("one\n").await;
    assert_eq!(client.until("\n").await, "done\n");
    assert_eq!(reads_on(&rig, "ada").await, Side::Old);
    assert_eq!(
        reads_on(&rig, "ben").await,
        Side::New,
        "nobody else is kept"
    );
    arrived(&rig);
    assert_eq!(reads_on(&rig, "ada").await, Side::New);
    client.say("leave\n").await;
    assert_eq!(client.rest().await, "");
    rig.until("no tunnel", |it| {
        it.last.as_ref().is_some_and(|it| it.tunnels.old == 0)
    })
    .await;
    assert_eq!(reads_on(&rig, "ada").await, Side::Old, "leaving may write");
    arrived(&rig);
    assert_eq!(reads_on(&rig, "ada").await, Side::New);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_says_who_may_still_write() {
    let old = shop().await;
    let mut rig = Rig::start(
        sides(old.address, nobody().await),
        Weight::FULL,
        keeps_count,
    );
    let mut client = Talk::to(rig.address()).await;
    let ask = ASK.replace("Host: a", "Host: a\r\nx-client: ada");
    client.say(&ask).await;
    client.until("welcome\n").await;
    rig.until("the tunnel is open", |it| {
        it.last.as_ref().is_some_and(|it| it.tunnels.old == 1)
    })
    .await;
    let said = rig.last.as_ref().map(|it| it.writers.clone());
    assert_eq!(said, Some(Vec::new()), "while it serves, nobody asks");
    let ada = crate::split::WriterCell::of(crate::split::ClientKey(b"ada"));
    let (proxy, rest) = rig.split();
    let draining = tokio::spawn(proxy.drain());
    let mut intervals = rest.intervals();
    let said = async {
        loop {
            let interval = intervals.recv().await.unwrap();
            if interval.writers == [ada] {
                return;
            }
        }
    };
    timeout(PATIENCE, said).await.unwrap();
    client.say("leave\n").await;
    assert_eq!(client.rest().await, "");
    let last = async {
        let mut last = Vec::new();
        while let Some(interval) = intervals.recv().await {
            last = interval.writers;
        }
        last
    };
    assert_eq!(timeout(PATIENCE, last).await.unwrap(), []);
    timeout(PATIENCE, draining).await.unwrap().unwrap();
}

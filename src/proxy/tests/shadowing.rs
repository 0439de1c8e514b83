//! Copies of requests: who gets them and what they carry, that no client waits for one, and that there is a bound on them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep},
};

use crate::{
    plan::{CopiedMethods, HostHeader, Plan, RoutePlan, Samples, ShadowPlan},
    proxy::{
        Setup,
        tests::{
            endpoint::{Scripted, serving},
            rig::{PATIENCE, Rig, force, sides},
            talk::Talk,
        },
    },
    shadow::{Report, Verdict},
    units::{Share, Side, Weight},
};

/// What an endpoint was asked: one line for each request, with what marks a copy and its body.
type Asked = Arc<Mutex<Vec<String>>>;

/// An endpoint that answers with JSON which names it, and notes what it was asked.
async fn json(name: &'static str) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    let address = serving(move |socket| {
        let notes = Arc::clone(&notes);
        async move {
            let service = service_fn(|request| answer(name, request, Arc::clone(&notes)));
            let server = hyper::server::conn::http1::Builder::new();
            // Clients of tests come and go.
            drop(server.serve_connection(TokioIo::new(socket), service).await);
        }
    });
    (address.await, asked)
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
    notes: Asked,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let field = |name: &str| {
        let value = head.headers.get(name);
        value.map_or("-", |it| it.to_str().unwrap()).to_owned()
    };
    let line = format!(
        "{} {} host={} shadow={} body={}",
        head.method,
        head.uri,
        field("host"),
        field("x-changeover-shadow"),
        String::from_utf8_lossy(&body)
    );
    let count = {
        let mut notes = notes.lock().unwrap();
        notes.push(line);
        notes.len()
    };
    let text = format!("{{\"side\": \"{name}\", \"count\": {count}, \"same\": 1}}");
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(text.into())).unwrap())
}

fn start(old: SocketAddr, new: SocketAddr, weight: Weight, adjust: impl FnOnce(&mut Plan)) -> Rig {
    let rig = Rig::start(sides(old, new), weight, |plan| {
        plan.shadow = Some(ShadowPlan::of_every_request());
        adjust(plan);
    });
    rig.shared.publication.copying().set(true);
    rig
}

fn route(name: &str, copied: CopiedMethods) -> RoutePlan {
    RoutePlan {
        name: name.to_owned(),
        host: None,
        path: format!("/{name}"),
        methods: Vec::new(),
        pin: None,
        writes: None,
        copied: Some(copied),
    }
}

/// The first report that is `enough`.
async fn report(rig: &Rig, what: &str, enough: impl Fn(&Report) -> bool) -> Arc<Report> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let latest = rig.shared.desk.board.latest();
        match latest {
            Some(report) if enough(&report) => return report,
            latest if Instant::now() > deadline => panic!("never: {what}; {latest:#?}"),
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn lines(asked: &Asked, copies: bool) -> Vec<String> {
    let asked = asked.lock().unwrap();
    let kind = |it: &&String| it.contains("shadow=1") == copies;
    asked.iter().filter(kind).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_old_answers_are_copied_to_both_sides_and_compared() {
    const READS: usize = 60;
    let ((old, asked_old), (new, asked_new)) = (json("old").await, json("new").await);
    let rig = start(old, new, Weight::NONE, |plan| {
        plan.upstreams[Side::New].host = HostHeader::Set("new.test".to_owned());
    });
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..READS {
        let said = client.get("/x?q=1").await;
        assert_eq!(said.status(), 200);
        assert!(said.body.contains("\"side\": \"old\""), "{}", said.body);
        assert_eq!(said.header("x-changeover-shadow"), None);
    }
    let all = READS as u64;
    let report = report(&rig, "all compared", |it| {
        it.compared.old + it.compared.new == all
    });
    let report = report.await;
    assert_eq!(report.dropped, Default::default());
    // Half of them each, give or take five standard deviations.
    assert!((10..=50).contains(&report.compared.new), "{report:?}");
    let verdicts = report.differences.iter();
    let verdicts: Vec<_> = verdicts.map(|it| (it.place.as_str(), it.verdict)).collect();
    // Every answer has another count; only new's names another side.
    assert!(
        verdicts.contains(&("json /side", Verdict::Difference)),
        "{verdicts:?}"
    );
    assert!(
        verdicts.contains(&("json /count", Verdict::Noise)),
        "{verdicts:?}"
    );
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    let copies = lines(&asked_new, true);
    assert_eq!(copies.len() as u64, report.compared.new);
    assert!(
        copies
            .iter()
            .all(|it| it == "GET /x?q=1 host=new.test shadow=1 body=")
    );
    assert_eq!(lines(&asked_old, false).len(), READS);
    let to_old = lines(&asked_old, true);
    assert_eq!(to_old.len() as u64, report.compared.old);
    assert!(
        to_old
            .iter()
            .all(|it| it == "GET /x?q=1 host=a.test shadow=1 body=")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_change_something_is_copied_to_new_alone_and_only_where_a_route_says_so() {
    let ((old, asked_old), (new, asked_new)) = (json("old").await, json("new").await);
    let rig = start(old, new, Weight::NONE, |plan| {
        plan.routes = vec![
            route("all", CopiedMethods::All),
            route("none", CopiedMethods::None),
        ];
    });
    let mut client = Talk::to(rig.address()).await;
    let mut post = async |path: &str, body: &str| {
        let length = body.len();
        client
            .say(&format!(
                "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(client.response().await.status(), 200);
    };
    post("/rest", "no").await;
    for number in 0..20 {
        post("/all", &format!("order {number}")).await;
    }
    post("/all", &"x".repeat(70 << 10)).await;
    assert_eq!(client.get("/none").await.status(), 200);
    let report = report(&rig, "all compared", |it| it.compared.new == 20);
    let report = report.await;
    assert_eq!(report.compared.old, 0);
    assert_eq!(report.dropped.too_long, 1);
    // Nothing is known of noise, so nothing is called a difference.
    let mut differences = report.differences.iter();
    assert!(differences.all(|it| it.verdict == Verdict::Open));
    let copies = lines(&asked_new, true);
    for number in 0..20 {
        let line = format!("POST /all host=a.test shadow=1 body=order {number}");
        assert!(copies.contains(&line), "{line} in {copies:?}");
    }
    assert_eq!(copies.len(), 20);
    assert!(lines(&asked_old, true).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_that_new_answers_that_is_forced_or_while_it_is_stopped() {
    let ((old, asked_old), (new, asked_new)) = (json("old").await, json("new").await);
    let rig = start(old, new, Weight::FULL, |_| ());
    let mut client = Talk::to(rig.address()).await;
    assert!(client.get("/").await.body.contains("new"));
    let token = force(&rig, Side::Old);
    let forced = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Force: {token}\r\n\r\n");
    client.say(&forced).await;
    assert!(client.response().await.body.contains("old"));
    rig.publish(Weight::NONE, false);
    rig.shared.publication.copying().set(false);
    assert!(client.get("/").await.body.contains("old"));
    rig.shared.publication.copying().set(true);
    assert!(client.get("/last").await.body.contains("old"));
    let report = report(&rig, "one compared", |it| {
        it.compared.old + it.compared.new > 0
    });
    let report = report.await;
    assert_eq!(report.compared.old + report.compared.new, 1);
    let copies = [lines(&asked_old, true), lines(&asked_new, true)].concat();
    assert_eq!(copies, ["GET /last host=a.test shadow=1 body="]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_waits_for_a_copy_and_there_are_no_more_than_so_many() {
    let (old, _) = json("old").await;
    // It takes requests and says nothing; how many it has at once, and had at most.
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_held, at_most) = (Arc::clone(&held), Arc::clone(&most));
    let stuck = Scripted::start(move |_, mut talk| {
        let (held, most) = (Arc::clone(&now_held), Arc::clone(&at_most));
        async move {
            talk.until("\r\n\r\n").await;
            most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            talk.rest().await;
            held.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let stuck = stuck.await;
    let rig = start(old, stuck.address, Weight::NONE, |plan| {
        let shadow = plan.shadow.as_mut().unwrap();
        shadow.copies = 3;
        shadow.timeout = Duration::from_secs(3);
        shadow.noise = Share::from_parts_per_million(10_000).unwrap();
    });
    let mut client = Talk::to(rig.address()).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "clients waited");
    let report = report(&rig, "copies time out", |it| it.compared.new >= 3);
    let report = report.await;
    assert!(report.dropped.busy > 0, "{report:?}");
    // The end of a connection is heard of a moment after its copy has given its place up.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 6, "{most} at once");
    let timed_out = report.differences.iter().find(|it| it.place == "answer");
    assert_eq!(timed_out.map(|it| it.new), Some(report.compared.new));
    // What new does to copies says nothing of what clients meet.
    assert_eq!(rig.shared.connects.run(Side::New).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_reach_the_client_whole_and_are_compared_by_their_digest() {
    const LENGTH: usize = 300 << 10;
    let long = |last: char| {
        serving(move |socket| async move {
            let service = service_fn(move |_| async move {
                let mut body = "x".repeat(LENGTH - 1);
                body.push(last);
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body))))
            });
            let server = hyper::server::conn::http1::Builder::new();
            drop(server.serve_connection(TokioIo::new(socket), service).await);
        })
    };
    let rig = start(long('a').await, long('b').await, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..60 {
        let said = client.get("/").await;
        assert_eq!(said.body.len(), LENGTH);
        assert!(said.body.ends_with("xa"));
    }
    let report = report(&rig, "all compared", |it| {
        it.compared.old + it.compared.new == 60
    });
    let report = report.await;
    assert_eq!(report.differing.old, 0);
    assert_eq!(report.differing.new, report.compared.new);
    assert_eq!(report.differences[0].place, "body");
    assert_eq!(report.differences[0].verdict, Verdict::Difference);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_old_answers_before_it_was_asked_to_the_end_is_not_carried_out_by_new() {
    let old = Scripted::start(|_, mut talk| async move {
        talk.until("\r\n\r\n").await;
        talk.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await;
        talk.rest().await;
    });
    let (old, (new, asked)) = (old.await, json("new").await);
    let rig = start(old.address, new, Weight::NONE, |plan| {
        plan.routes = vec![route("all", CopiedMethods::All)];
    });
    let mut client = Talk::to(rig.address()).await;
    let chunked =
        "POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    client.say(chunked).await;
    assert_eq!(client.response().await.body, "ok");
    report(&rig, "it is left out", |it| it.dropped.incomplete == 1).await;
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_keeps_nothing_else_from_being_copied() {
    let old = Scripted::start(|_, mut talk| async move {
        while talk.until("\r\n\r\n").await.starts_with("GET /other") {
            talk.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
        talk.say(head).await;
        talk.rest().await;
    });
    let (old, (new, _)) = (old.await, json("new").await);
    let rig = start(old.address, new, Weight::NONE, |plan| {
        plan.shadow.as_mut().unwrap().copies = 1;
    });
    let mut listener = Talk::to(rig.address()).await;
    let asked = "GET /events HTTP/1.1\r\nHost: a.test\r\n\r\n";
    listener.say(asked).await;
    listener.until("data: 1").await;
    let mut client = Talk::to(rig.address()).await;
    assert_eq!(client.get("/other").await.status(), 200);
    let report = report(&rig, "the other is compared", |it| {
        it.compared.old + it.compared.new == 1
    });
    let dropped = report.await.dropped;
    assert_eq!((dropped.busy, dropped.incomplete), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_new_without_an_end_is_not_read_on() {
    let (old, _) = json("old").await;
    let endless = Scripted::start(|_, mut talk| async move {
        talk.until("\r\n\r\n").await;
        talk.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            .await;
        let mut socket = talk.into_inner();
        // Until the copier hangs up.
        while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let rig = start(old, endless.await.address, Weight::NONE, |plan| {
        let shadow = plan.shadow.as_mut().unwrap();
        shadow.noise = Share::from_parts_per_million(10_000).unwrap();
        shadow.timeout = Duration::from_secs(60);
    });
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    let report = report(&rig, "all compared", |it| it.compared.new >= 5).await;
    let found = report.differences.iter().find(|it| it.new > 0).unwrap();
    assert_eq!(found.place, "body");
    let copy = &found.samples[0].copy;
    assert!(copy.starts_with("at least "), "{copy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_a_reload_is_not_counted_after_it() {
    let (old, _) = json("old").await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let new = Scripted::start(move |_, mut talk| {
        let mut gone = gone.clone();
        async move {
            talk.until("\r\n\r\n").await;
            gone.wait_for(|it| *it).await.unwrap();
            talk.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .await;
            talk.rest().await;
        }
    });
    let new = new.await;
    let rig = start(old, new.address, Weight::NONE, |plan| {
        let shadow = plan.shadow.as_mut().unwrap();
        shadow.copies = 4;
        shadow.noise = Share::from_parts_per_million(10_000).unwrap();
    });
    let mut client = Talk::to(rig.address()).await;
    let deadline = Instant::now() + PATIENCE;
    while new.connections() < 4 && Instant::now() < deadline {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!(client.get("/").await.status(), 200);
    let first = report(&rig, "a report", |it| it.dropped.busy > 0).await;
    let before = rig.shared.setups.load();
    let mut plan = Plan::clone(before.plan());
    plan.shadow.as_mut().unwrap().samples = Samples::Shown;
    let edition = before.edition.next(Arc::new(plan)).unwrap();
    let board = Arc::new(before.board.of(&edition));
    let setup = Setup::load(edition, board).unwrap();
    rig.shared.setups.store(Arc::new(setup));
    let second = report(&rig, "begun anew", |it| it.since > first.since).await;
    assert_eq!(second.dropped, Default::default());
    go.send(true).unwrap();
    let later = report(&rig, "renewed twice", |it| {
        it.at > second.at.after(Duration::from_secs(1))
    });
    assert_eq!(later.await.compared.new, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_begins_anew_once_copies_are_sent_again() {
    let ((old, _), (new, _)) = (json("old").await, json("new").await);
    let rig = start(old, new, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    assert_eq!(client.get("/").await.status(), 200);
    let one = |it: &Report| it.compared.old + it.compared.new == 1;
    report(&rig, "one compared", one).await;
    rig.shared.publication.copying().set(false);
    let stopped = rig.shared.clock.timestamp();
    // It says still what was found until then.
    let renewed = |it: &Report| it.at > stopped.after(Duration::from_secs(1));
    assert!(one(&*report(&rig, "renewed", renewed).await));
    rig.shared.publication.copying().set(true);
    report(&rig, "begun anew", |it| !one(it)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_of_the_side_that_the_client_was_answered_by() {
    let old = Scripted::start(|_, mut talk| async move {
        loop {
            let asked = talk.until("\r\n\r\n").await;
            assert!(!asked.contains("x-changeover-shadow: 7"), "{asked}");
            let answer = match asked.contains("if-none-match: \"old\"") {
                true => "304 Not Modified\r\nETag: \"old\"\r\n\r\n",
                false => "200 OK\r\nContent-Length: 2\r\n\r\nok",
            };
            talk.say(&format!("HTTP/1.1 {answer}")).await;
        }
    });
    let new = Scripted::start(|_, mut talk| async move {
        loop {
            let asked = talk.until("\r\n\r\n").await;
            assert!(!asked.contains("if-none-match"), "{asked}");
            talk.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        }
    });
    let (old, new) = (old.await.address, new.await.address);
    let rig = start(old, new, Weight::NONE, |_| ());
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..20 {
        for (tag, status) in [("old", 304), ("new", 200)] {
            let asked = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"{tag}\"\r\nX-Changeover-Shadow: 7\r\n\r\n"
            );
            client.say(&asked).await;
            assert_eq!(client.response().await.status(), status);
        }
    }
    let report = report(&rig, "all compared", |it| {
        it.compared.old + it.compared.new == 20
    });
    assert_eq!(report.await.differences, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_share_of_requests_is_drawn_and_of_what_is_pinned_none() {
    const READS: u64 = 600;
    let ((old, _), (new, asked_new)) = (json("old").await, json("new").await);
    let rig = start(old, new, Weight::NONE, |plan| {
        let shadow = plan.shadow.as_mut().unwrap();
        shadow.share = Share::from_parts_per_million(200_000).unwrap();
        // What is drawn finds no room, and is counted at once.
        shadow.copies = 0;
        plan.routes = vec![RoutePlan {
            name: "pinned".to_owned(),
            host: None,
            path: "/pinned".to_owned(),
            methods: Vec::new(),
            pin: Some(Side::Old),
            writes: None,
            copied: None,
        }];
    });
    let mut client = Talk::to(rig.address()).await;
    for _ in 0..READS {
        assert_eq!(client.get("/x").await.status(), 200);
        assert_eq!(client.get("/pinned").await.status(), 200);
    }
    let done = rig.shared.clock.timestamp();
    let report = report(&rig, "the report after that", |it| it.at > done);
    let drawn = report.await.dropped.busy;
    // A fifth of 600, give or take five standard deviations.
    assert!((71..=169).contains(&drawn), "{drawn} of {READS}");
    assert!(asked_new.lock().unwrap().is_empty());
}

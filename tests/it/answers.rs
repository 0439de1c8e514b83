//! Answers of endpoints, right and wrong, as raw bytes: what the client gets, what it is counted as, whether the connection
//! is used again, and that nobody ever gets another one's bytes. `answers/corpus.toml` holds them.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde::Deserialize;

use crate::harness::{
    eventually, h2,
    metrics::await_requests,
    proxy::{Proxy, configuration},
    raw::{End, H2, Raw, Said},
    scripted::{Caller, Scripted, ok},
};

const SOON: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    answer: Vec<RawAnswer>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    name: String,
    says: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    closes: bool,
    gets: String,
    class: String,
    again: bool,
    #[serde(default)]
    hyper: Option<Other>,
}

/// What the other codec makes of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    gets: String,
    class: String,
    again: bool,
}

fn corpus(codec: &str) -> Vec<RawAnswer> {
    let corpus: Corpus =
        toml::from_str(include_str!("answers/corpus.toml")).expect("the corpus is in order");
    let of_codec = |mut it: RawAnswer| {
        if let Some(other) = it.hyper.take().filter(|_| codec == "hyper") {
            (it.gets, it.class, it.again) = (other.gets, other.class, other.again);
        }
        it
    };
    corpus.answer.into_iter().map(of_codec).collect()
}

/// The connections that carried requests for each target.
type Carried = Arc<Mutex<BTreeMap<String, Vec<usize>>>>;

/// An endpoint that gives the answer of the corpus to `/NUMBER`, and its target back to anything else.
fn endpoint(answers: &[RawAnswer], carried: &Carried) -> Scripted {
    let (answers, carried) = (answers.to_vec(), Arc::clone(carried));
    Scripted::start(move |caller| {
        while let Some(target) = caller.request() {
            let number = caller.number;
            let mut all = carried.lock().expect("no panic");
            all.entry(target.clone()).or_default().push(number);
            drop(all);
            let asked = target.trim_start_matches('/').parse::<usize>();
            let Some(answer) = asked.ok().and_then(|it| answers.get(it)) else {
                caller.say(ok(&target));
                continue;
            };
            caller.say(&answer.says);
            if answer.closes {
                return;
            }
        }
    })
}

enum Client {
    Http1(Option<Raw>),
    H2(H2),
}

impl Client {
    fn ask(&mut self, proxy: &Proxy, method: &str, target: &str) -> Said {
        match self {
            Self::Http1(connection) => {
                let mut raw = connection
                    .take()
                    .unwrap_or_else(|| Raw::to(proxy.address()));
                let said = raw.ask(method, target);
                // What was answered with a failure may have been the connection's last.
                *connection = (said.end == End::Whole && said.error.is_none()).then_some(raw);
                said
            }
            Self::H2(h2) => h2.ask(method, target),
        }
    }
}

fn run(codec: &str) {
    let answers = corpus(codec);
    let carried = Carried::default();
    let endpoint = endpoint(&answers, &carried);
    let url = endpoint.url();
    let text = configuration(&url, &url, "").replacen(
        "\n[new]",
        &format!("\nhttp1 = \"{codec}\"\n[new]"),
        1,
    );
    let proxy = Proxy::start(&format!("workers = 1\n{text}"));
    let address = proxy.address();
    let mut classes = BTreeMap::<&str, f64>::new();
    let clients = [
        ("HTTP/1.1", Client::Http1(None)),
        ("HTTP/2", Client::H2(H2::to(address))),
    ];
    let mut others = Raw::to(address);
    let mut wrong = Vec::new();
    for ((protocol, mut client), sent) in clients.into_iter().zip(1..) {
        for (number, answer) in answers.iter().enumerate() {
            let method = answer.method.as_deref().unwrap_or("GET");
            let (bad, next) = (format!("/{number}"), format!("/next-{number}"));
            let said = client.ask(&proxy, method, &bad);
            let other = others.ask("GET", &next);
            *classes.entry(&answer.class).or_default() += 1.0;
            *classes.entry("2xx").or_default() += 1.0;
            // Asked twice, by a client of each protocol.
            let times = carried.lock().expect("no panic")[&bad].len();
            let is_sent_once = codec == "hyper" || times == sent;
            let again = used_again(&carried, &bad, &next);
            let name = format!("{codec}, {protocol}: {}", answer.name);
            // Over HTTP/2 a reset may overtake what came before it.
            let is_reset = protocol == "HTTP/2" && said.end == End::BrokenOff;
            let is_as_told =
                said.to_string() == answer.gets || (is_reset && answer.gets.ends_with("off"));
            if !is_as_told || again != answer.again || !is_sent_once {
                wrong.push(format!(
                    "{name}: got {said}, connection used again: {again}, sent {times} times"
                ));
            }
            assert_eq!((other.status, other.body), (200, next), "{name}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (class, count) in classes {
        await_requests(proxy.admin, "old", class, count);
    }
}

#[test]
fn every_answer_becomes_what_the_corpus_says() {
    run("native");
}

#[test]
fn every_answer_becomes_what_the_corpus_says_in_hypers_codec() {
    run("hyper");
}

/// A proxy in front of one scripted endpoint, and which connection each target came on.
fn scripted(
    script: impl Fn(&mut Caller, &str) -> bool + Send + Sync + 'static,
    more: &str,
) -> (Proxy, Scripted, Carried) {
    let carried = Carried::default();
    let seen = Arc::clone(&carried);
    let endpoint = Scripted::start(move |caller| {
        while let Some(head) = caller.head() {
            let target = head.split(' ').nth(1).expect("a target").to_owned();
            let mut all = seen.lock().expect("no panic");
            all.entry(target.clone()).or_default().push(caller.number);
            drop(all);
            if !script(caller, &target) {
                return;
            }
        }
    });
    let url = endpoint.url();
    let text = format!("workers = 1\n{}", configuration(&url, &url, more));
    (Proxy::start(&text), endpoint, carried)
}

fn used_again(carried: &Carried, first: &str, second: &str) -> bool {
    let carried = carried.lock().expect("no panic");
    carried[first].last() == carried[second].last()
}

#[test]
fn what_an_endpoint_says_unasked_reaches_nobody() {
    let has_said = Arc::new(AtomicBool::new(false));
    let saying = Arc::clone(&has_said);
    let (proxy, _endpoint, carried) = scripted(
        move |caller, target| {
            caller.say(ok(target));
            if target == "/first" {
                // Behind the answer, in a piece of its own.
                caller.say(ok("evil"));
                saying.store(true, Ordering::SeqCst);
            }
            true
        },
        "",
    );
    let said = Raw::to(proxy.address()).ask("GET", "/first");
    assert_eq!(said.to_string(), "200 /first");
    eventually("it is said", SOON, || {
        has_said.load(Ordering::SeqCst).then_some(())
    });
    let mut next = Raw::to(proxy.address());
    assert_eq!(next.ask("GET", "/second").to_string(), "200 /second");
    assert!(!used_again(&carried, "/first", "/second"));
    assert_eq!(next.ask("GET", "/third").to_string(), "200 /third");
    assert!(used_again(&carried, "/second", "/third"));
}

#[test]
fn a_download_that_its_client_leaves_reaches_nobody_else() {
    let (proxy, _endpoint, carried) = scripted(
        |caller, target| {
            if target == "/large" {
                let body = "x".repeat(8 << 20);
                caller.say(ok(&body));
            } else {
                caller.say(ok(target));
            }
            true
        },
        "",
    );
    let mut leaving = Raw::to(proxy.address());
    leaving.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await_requests_in_flight(&proxy, 1);
    drop(leaving);
    await_requests(proxy.admin, "old", "client_abort", 1.0);
    let said = Raw::to(proxy.address()).ask("GET", "/next");
    assert_eq!(said.to_string(), "200 /next");
    assert!(!used_again(&carried, "/large", "/next"));
}

#[test]
fn an_upload_that_its_client_leaves_is_never_completed_by_another() {
    let (proxy, _endpoint, carried) = scripted(
        |caller, target| {
            if target == "/upload" {
                let body = caller.bytes(100);
                assert!(body.is_none(), "the rest of the body came from elsewhere");
                return false;
            }
            caller.say(ok(target));
            true
        },
        "[split]\nwrites = \"split\"\n",
    );
    let mut leaving = Raw::to(proxy.address());
    leaving.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    await_requests_in_flight(&proxy, 1);
    drop(leaving);
    await_requests(proxy.admin, "old", "client_abort", 1.0);
    let said = Raw::to(proxy.address()).ask("GET", "/next");
    assert_eq!(said.to_string(), "200 /next");
    assert!(!used_again(&carried, "/upload", "/next"));
}

#[test]
fn an_upload_whose_stream_is_reset_never_looks_complete() {
    const NO_ERROR: u32 = 0;
    const CANCEL: u32 = 8;
    let (came, comes) = mpsc::channel();
    let (proxy, _endpoint, _) = scripted(
        move |caller, _| {
            let bytes = iter::from_fn(|| caller.bytes(1));
            let body: Vec<u8> = bytes.flatten().collect();
            came.send(body).expect("the test waits for it");
            false
        },
        "[split]\nwrites = \"split\"\n",
    );
    for (number, reason) in [(1.0, NO_ERROR), (2.0, CANCEL)] {
        let mut client = h2::Connection::to(proxy.address(), &[]);
        let head = h2::block([
            (b":method".as_slice(), b"POST".as_slice()),
            (b":scheme", b"http"),
            (b":authority", b"a"),
            (b":path", b"/upload"),
        ]);
        let sent = client
            .frame(h2::HEADERS, h2::END_HEADERS, 1, &head)
            .and_then(|()| client.frame(h2::DATA, 0, 1, b"half"));
        sent.expect("the proxy reads it");
        await_requests_in_flight(&proxy, 1);
        let reset = client.frame(h2::RST_STREAM, 0, 1, &reason.to_be_bytes());
        reset.expect("the proxy reads it");
        await_requests(proxy.admin, "old", "client_abort", number);
        let body = comes.recv().expect("the endpoint saw the connection end");
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(!body.contains("\r\n0\r\n"), "reset with {reason}: {body:?}");
    }
}

#[test]
fn an_answer_before_the_end_of_the_upload_is_the_connections_last() {
    let (proxy, _endpoint, carried) = scripted(
        |caller, target| {
            caller.say(ok(target));
            true
        },
        "",
    );
    let mut early = Raw::to(proxy.address());
    early.say("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    assert_eq!(early.answer("POST").to_string(), "200 /early");
    let said = Raw::to(proxy.address()).ask("GET", "/next");
    assert_eq!(said.to_string(), "200 /next");
    assert!(!used_again(&carried, "/early", "/next"));
    // What the client still sends is neither a request of its own nor part of another one.
    early.say("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(early.rest().is_empty());
    let smuggled = carried.lock().expect("no panic").contains_key("/smuggled");
    assert!(!smuggled);
}

#[test]
fn a_tunnel_begins_only_with_a_protocol_that_was_asked_for() {
    let (proxy, _endpoint, _) = scripted(
        |caller, target| {
            let protocol = target.trim_start_matches('/');
            caller.say(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\nwelcome"
            ));
            false
        },
        "",
    );
    let ask = |protocol: &str| {
        let mut client = Raw::to(proxy.address());
        client.say(format!(
            "GET /{protocol} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        ));
        let said = client.answer("GET");
        (said.to_string(), client)
    };
    let (said, mut tunnel) = ask("websocket");
    assert_eq!(said, "101");
    assert_eq!(tunnel.rest(), b"welcome");
    let (said, _) = ask("irc");
    assert_eq!(said, "502 (protocol)");
    await_requests(proxy.admin, "old", "upgrade", 1.0);
    await_requests(proxy.admin, "old", "reset", 1.0);
}

fn await_requests_in_flight(proxy: &Proxy, count: u64) {
    proxy.status_when("it is in flight", SOON, |it| {
        it["sides"]["old"]["in_flight"] == count
    });
}

//! Weights, configurations and whole processes change while requests of every kind are under way, and nobody notices.
//!
//! `CHANGEOVER_CHANGES=20 cargo test --test it changes` makes 1,000 changes of weight, 100 reloads and 20 upgrades, at half of what
//! the machine can do.

use std::{
    collections::BTreeMap,
    env,
    process::Command,
    time::{Duration, Instant},
};

use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    environment::{Environment, signal_process},
    eventually,
    load::{Answer, Load, Protocol, Running},
    now, pause,
    peers::{self, Peer},
    proxy::{Proxy, STICKY, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(20);
/// Rounds where nothing else is said. Each ends with an upgrade.
const ROUNDS: usize = 2;
/// Requests a second then.
const RATE: u32 = 1_000;
/// Requests of one kind that are under way. Over HTTP/2, fewer than a connection has streams for: hyper's client gives up one that
/// waits for a stream when a GOAWAY comes, and says neither that it was not sent nor gives it back.
const AT_ONCE: usize = 90;
const RELOADS: usize = 5;
const WEIGHTS_PER_RELOAD: usize = 10;
/// How long a process that was upgraded waits for long streams.
const DRAIN: Duration = Duration::from_secs(3);
/// How long one has to live then at least, by a clock that is read at other moments.
const LEAST: Duration = Duration::from_millis(2_700);

/// Calls go to old, which speaks HTTP/2, and tunnels to new, which does not.
const ROUTES: &str = "[[route]]\nname = \"calls\"\npath = \"/test.Echo\"\npin = \"old\"\n\
                      [[route]]\nname = \"sockets\"\npath = \"/sockets\"\npin = \"new\"\n";

/// A configuration with time to connect, since processes that begin open many connections at once to environments that have
/// little of the machine; it differs from the one before in what a reload changes.
fn text([old, new]: [&Environment; 2], number: usize) -> String {
    let old = format!("h2c://{}", old.address);
    let text = configuration(&old, &new.url(), &format!("{STICKY}{ROUTES}"));
    let seconds = 30 + number % 2;
    format!(
        "{text}[timeouts]\nconnect = \"10s\"\ndrain = \"{}s\"\nresponse_head = \"{seconds}s\"\n",
        DRAIN.as_secs()
    )
}

/// A proxy that is changed.
struct Changed<'a> {
    proxy: Proxy,
    sides: [&'a Environment; 2],
    reloads: usize,
}

impl<'a> Changed<'a> {
    fn start(sides: [&'a Environment; 2]) -> Self {
        let proxy = Proxy::start(&text(sides, 0));
        Self {
            proxy,
            sides,
            reloads: 0,
        }
    }

    fn weigh(&self, percent: f64) {
        self.proxy.set_weight(percent);
        assert_eq!(self.proxy.status()["weight"], percent);
    }

    /// By the API and by a signal in turn; the weight stays as it is.
    fn reload(&mut self) {
        let weight = self.proxy.status()["weight"].clone();
        self.reloads += 1;
        let text = text(self.sides, self.reloads);
        self.proxy.folder().write("changeover.toml", &text);
        if self.reloads.is_multiple_of(2) {
            self.proxy.does("/api/v1/reload", &json!({}));
        } else {
            let pid = self.proxy.status()["process"]["pid"].as_u64();
            let pid = u32::try_from(pid.expect("a number")).expect("an id");
            signal_process(pid, Signal::HUP);
        }
        eventually("the reload is recorded", LIMIT, || {
            (self.count("reloaded") == self.reloads).then_some(())
        });
        assert_eq!(self.proxy.status()["weight"], weight);
    }

    fn upgrade(&self) {
        // Only so many processes may drain at a time.
        self.proxy.status_when("nobody drains", LIMIT, |it| {
            it["process"]["predecessor"].is_null()
        });
        let before = self.proxy.status();
        self.proxy.upgrade();
        let after = self.proxy.status();
        assert_eq!(before["weight"], after["weight"]);
        assert_ne!(before["process"]["pid"], after["process"]["pid"]);
    }

    fn count(&self, kind: &str) -> usize {
        let events = self.proxy.events();
        let kinds = events.iter().map(|it: &Value| &it["change"]["kind"]);
        kinds.filter(|it| *it == kind).count()
    }
}

/// A WebSocket and a gRPC call, both open and both answered word by word.
struct Streams {
    websocket: Peer,
    call: Peer,
    words: usize,
}

impl Streams {
    fn open(proxy: &Proxy) -> Self {
        let address = proxy.address().to_string();
        let url = format!("ws://{address}/sockets");
        Self {
            websocket: Peer::start("websocket_client.py", &[&url, "talk"]),
            call: Peer::start("grpc_client.py", &[&address, "talk"]),
            words: 0,
        }
    }

    /// Neither has lost a word, nor got one twice.
    fn talk(&mut self) {
        self.words += 1;
        let word = self.words.to_string();
        self.websocket.say(&word);
        self.call.say(&word);
        assert_eq!(self.websocket.line(), format!("sockets:{word}"));
        assert_eq!(self.call.line(), format!("calls:{word}"));
    }

    /// Goes on until the process that they were opened at ends them, which it may not do before its time.
    fn talk_to_the_end(mut self, upgraded: Instant) {
        let mut open = vec![(&mut self.websocket, "sockets"), (&mut self.call, "calls")];
        while !open.is_empty() {
            self.words += 1;
            let word = self.words.to_string();
            open.retain_mut(|(peer, name)| {
                peer.say(&word);
                let line = peer.line();
                let lived = now() - upgraded;
                if line == "closed" {
                    assert!(lived > LEAST, "{name} ended after {lived:?}");
                } else {
                    assert_eq!(line, format!("{name}:{word}"));
                    assert!(lived < DRAIN + LIMIT, "{name} still lives after {lived:?}");
                }
                line != "closed"
            });
            pause(Duration::from_millis(20));
        }
    }
}

/// What the whole arrangement of clients, proxy and environments can do on this machine, in requests a second.
fn capacity(proxy: &Proxy) -> u32 {
    let url = format!("http://{}/", proxy.address());
    let mut command = Command::new("h2load");
    let said = peers::succeeded(command.args(["--h1", "-n", "4000", "-c", "16", &url]));
    let (rate, _) = said.split_once(" req/s").expect("a rate");
    let (_, rate) = rate.rsplit_once(' ').expect("a number");
    let (whole, _) = rate.split_once('.').unwrap_or((rate, ""));
    whole.parse().expect("a number")
}

fn start_loads(proxy: &Proxy, rate: u32) -> [Running; 2] {
    [
        (Protocol::Http1, Method::POST),
        (Protocol::H2c, Method::GET),
    ]
    .map(|(protocol, method)| {
        let load = Load {
            rate: rate / 2,
            protocol,
            method,
            clients: 100,
            at_once: AT_ONCE,
            ..Load::new(&format!("{protocol:?}"))
        };
        load.start(proxy.address())
    })
}

/// Each was answered well, and arrived exactly once.
fn arrived_once(answers: &[Answer], environments: [&Environment; 2], log: impl Fn() -> String) {
    let mut arrived: BTreeMap<String, u64> = BTreeMap::new();
    for environment in environments {
        for (id, count) in environment.arrived() {
            *arrived.entry(id).or_default() += count;
        }
    }
    for answer in answers {
        let count = arrived.get(&answer.id);
        let said = || format!("{answer:?} arrived {count:?}\n{}", log());
        assert_eq!(answer.status, Some(200), "{}", said());
        assert_eq!(count, Some(&1), "{}", said());
    }
}

#[test]
fn weights_reloads_and_upgrades_lose_nothing_and_double_nothing() {
    let _turn = turn();
    let rounds = env::var("CHANGEOVER_CHANGES").ok();
    let is_short = rounds.is_none();
    let rounds = rounds.map_or(ROUNDS, |it| it.parse().expect("a number of rounds"));
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let mut calls = Peer::start("grpc_server.py", &["calls"]);
    let mut sockets = Peer::start("websocket_server.py", &["sockets"]);
    old.pass_on(calls.address());
    new.pass_on(sockets.address());
    let mut changed = Changed::start([&old, &new]);
    // At 0 not even what is pinned reaches new.
    changed.weigh(50.0);
    let capacity = capacity(&changed.proxy);
    // Others who use this machine would make a half of what is possible more than that.
    let rate = if is_short {
        RATE.min(capacity / 2)
    } else {
        capacity / 2
    };
    let began = now();
    let loads = start_loads(&changed.proxy, rate);
    let mut weights = 0_usize;
    for round in 0..rounds {
        let mut open = Streams::open(&changed.proxy);
        for _ in 0..RELOADS {
            for _ in 0..WEIGHTS_PER_RELOAD {
                weights += 1;
                let percent = f64::from(u8::try_from(10 + weights % 80).expect("a share"));
                changed.weigh(percent);
                open.talk();
            }
            changed.reload();
            open.talk();
        }
        changed.upgrade();
        let upgraded = now();
        open.talk();
        println!("round {round}: {weights} changes of weight so far");
        open.talk_to_the_end(upgraded);
    }
    let answers: Vec<Answer> = loads.into_iter().flat_map(Running::stop).collect();
    println!(
        "{} requests in {:?}, {rate} a second wanted of {capacity} possible, {weights} changes of weight, {} reloads, {rounds} \
         upgrades",
        answers.len(),
        now() - began,
        changed.reloads,
    );
    arrived_once(&answers, [&old, &new], || changed.proxy.log());
    assert_eq!(changed.count("weight_set"), 1 + weights);
    assert_eq!(changed.count("upgraded"), rounds);
    assert!(old.requests() > 100 && new.requests() > 100);
}

//! Mixed traffic and faults at random, and nothing that grows: memory and descriptors are flat while it goes on, and
//! descriptors are back where they were when it is over. `CHANGEOVER_SOAK=3600` keeps it up for an hour.

use std::{
    env,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::harness::{
    environment::Environment,
    load::{Load, Protocol},
    now, pause,
    peers::{self, Peer},
    process::{Held, descriptors, held},
    proxy::{Folder, Proxy},
    raw::Raw,
    scripted::{Caller, Scripted, field, ok},
    turn,
};

/// How long it goes on where nothing else is said; the first third is for warming up.
const SHORT: Duration = Duration::from_secs(15);
/// What memory may grow by beside a tenth, after the warm-up: an allocator keeps what bursts have needed.
const SLACK_KIB: u64 = 6 << 10;
/// Requests of each kind of load that are under way at most.
const AT_ONCE: u64 = 64;
/// Descriptors that come and go with the bursts: on a busy machine all of those requests have one to the client and one to an
/// endpoint. Those that stay are found once it is over.
const SLACK_DESCRIPTORS: u64 = 4 * AT_ONCE;
/// Within this time what is idle is closed: clients and tunnels after 5 s, pipes after twice that.
const REST: Duration = Duration::from_secs(20);
const UPLOAD: usize = 300 << 10;

/// Nothing may roll back for the faults that are meant.
const COMMON: &str = r#"
[admin]
address = "127.0.0.1:0"
[[listener]]
address = "127.0.0.1:0"
[evidence]
false_alarms = 0.0
[[trigger]]
name = "never"
reading = "error_rate"
above = "99%"
[timeouts]
upstream_idle = "1s"
client_idle = "5s"
tunnel_idle = "5s"
"#;

/// For endpoints with faults, which are not to keep clients for long.
const IMPATIENT: &str = r#"
connect = "500ms"
response_head = "500ms"
body_idle = "500ms"
"#;

/// `timeouts` are those beside the common ones.
fn start(name: &str, sides: &str, timeouts: &str) -> Proxy {
    let folder = Folder::new();
    let text =
        format!("name = \"{name}\"\n[store]\nurl = \"sqlite:soak.db\"\n{sides}{COMMON}{timeouts}");
    folder.write("changeover.toml", &text);
    let proxy = Proxy::start_in(&folder);
    proxy.set_weight(50.0);
    proxy
}

/// An endpoint of which each sixteenth answer is another fault; it takes uploads and opens tunnels.
fn faulty(caller: &mut Caller) {
    while let Some(head) = caller.head() {
        if field(&head, "upgrade").is_some() {
            caller.say(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
            );
            while let Some(said) = caller.bytes(4) {
                caller.say(said);
            }
            return;
        }
        let mood = fastrand::u8(..128);
        let length = field(&head, "content-length").and_then(|it| it.parse().ok());
        if mood == 0 || caller.bytes(length.unwrap_or(0)).is_none() {
            caller.reset();
            return;
        }
        match mood {
            1 => return,
            2 => caller.say("nonsense\r\n\r\n"),
            3 => caller.say("HTTP/1.1 200 OK\r\nContent-"),
            4 => caller.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart"),
            5 => caller
                .say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nx\r\n"),
            6 => caller.say("a: b\r\n".repeat(20_000)),
            7 => {
                caller.wait_closed(); // Says nothing at all.
                return;
            }
            8 => caller.say(ok(&"x".repeat(1 << 20))),
            _ => {
                caller.say(ok("well"));
                continue;
            }
        }
        if mood != 8 {
            return;
        }
    }
}

/// What clients of one kind did.
#[derive(Default)]
struct Count {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Count {
    fn add(&self, is_done: bool) {
        let count = if is_done { &self.done } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The field that makes a client another one each time, so that weights move them.
fn somebody() -> String {
    format!("X-Client: {}\r\n", fastrand::u64(..))
}

fn upload(proxy: &Proxy, body: &str) -> bool {
    let said = Raw::to(proxy.address()).post("/upload", &somebody(), body);
    said.status == 200
}

/// A tunnel through which a few words go; some are left in the middle of one.
fn tunnel(proxy: &Proxy) -> bool {
    let mut client = Raw::to(proxy.address());
    let who = somebody();
    client.say(format!(
        "GET /t HTTP/1.1\r\nHost: a\r\n{who}Connection: upgrade\r\nUpgrade: echo\r\n\r\n"
    ));
    match client.answer("GET").status {
        101 => (),
        // The good endpoints open none, and answer.
        status => return status == 200,
    }
    for _ in 0..3 {
        client.say("word");
        if client.bytes(4) != b"word" {
            return false;
        }
    }
    if fastrand::bool() {
        client.say("wo");
    }
    true
}

/// A client that leaves before its answer, or within it.
fn leave(proxy: &Proxy) -> bool {
    let mut client = Raw::to(proxy.address());
    let who = somebody();
    client.say(format!("GET /leaving HTTP/1.1\r\nHost: a\r\n{who}\r\n"));
    true
}

/// Samples of one process: over the second and over the last third.
struct Samples {
    name: &'static str,
    before: Held,
    middle: Vec<Held>,
    last: Vec<Held>,
}

/// One of a process's two numbers.
type Number = fn(&Held) -> u64;

impl Samples {
    fn new(name: &'static str, proxy: &Proxy) -> Self {
        Self {
            name,
            before: held(proxy.pid()),
            middle: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Takes one, of this part of the whole time in thirds.
    fn take(&mut self, proxy: &Proxy, third: u128) {
        match third {
            0 => (),
            1 => self.middle.push(held(proxy.pid())),
            _ => self.last.push(held(proxy.pid())),
        }
    }

    fn check(&self) {
        let most = |samples: &[Held], of: Number| {
            let all = samples.iter().map(of);
            all.max().expect("there are samples")
        };
        let (kib, descriptors): (Number, Number) = (|it| it.kib, |it| it.descriptors);
        let (kib_then, kib_now) = (most(&self.middle, kib), most(&self.last, kib));
        let then = most(&self.middle, descriptors);
        let now = most(&self.last, descriptors);
        println!(
            "{}: at the start {:?}; {kib_then} KiB and {then} descriptors at most in the second third, {kib_now} KiB \
             and {now} in the last",
            self.name, self.before
        );
        let kib_most = kib_then + kib_then / 10 + SLACK_KIB;
        assert!(kib_now <= kib_most, "{}", self.name);
        assert!(now <= then + SLACK_DESCRIPTORS, "{}", self.name);
    }

    /// Every descriptor is given back once nobody asks any more.
    fn check_is_at_rest(&self, proxy: &Proxy) {
        let is_at_rest = || held(proxy.pid()).descriptors <= self.before.descriptors;
        let began = now();
        while !is_at_rest() && now() - began < REST {
            pause(Duration::from_millis(5));
        }
        let open = || descriptors(proxy.pid()).join("\n");
        assert!(is_at_rest(), "{} still has:\n{}", self.name, open());
        println!("{}: at rest after {:?}", self.name, now() - began);
    }
}

/// A proxy whose sides are a good and a faulty endpoint each.
fn start_mixed(good: &[Environment; 2], bad: &[Scripted; 2]) -> Proxy {
    let side = |name: &str, at: usize| {
        let (good, bad) = (good[at].url(), bad[at].url());
        format!("[{name}]\nendpoints = [\"{good}\", \"{bad}\"]\n")
    };
    let sides = [side("old", 0), side("new", 1)].concat();
    let sides = format!("{sides}[split]\nsticky = \"header:x-client\"\nwrites = \"split\"\n");
    start("mixed", &sides, IMPATIENT)
}

/// A proxy with calls on the one side and WebSockets on the other.
fn start_streams(grpc: &mut Peer, websocket: &mut Peer) -> Proxy {
    let sides = format!(
        "[old]\nendpoints = [\"h2c://{}\"]\n[new]\nendpoints = [\"http://{}\"]\n[split]\nwrites = \"split\"\n\
         [[route]]\nname = \"calls\"\npath = \"/test.Echo\"\npin = \"old\"\n\
         [[route]]\nname = \"sockets\"\npath = \"/\"\npin = \"new\"\n",
        grpc.address(),
        websocket.address()
    );
    start("streams", &sides, "")
}

/// Ends what clients do when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Clients of each kind, until the time is over; what they did, and what the proxies held meanwhile.
fn keep_up(
    mixed: &Proxy,
    streams: &Proxy,
    span: Duration,
    samples: &mut [Samples; 2],
) -> [(&'static str, Count); 5] {
    let counts = ["uploads", "tunnels", "leaving", "calls", "sockets"];
    let counts = counts.map(|name| (name, Count::default()));
    let is_over = AtomicBool::new(false);
    let repeat = |at: usize, client: &dyn Fn() -> bool| {
        while !is_over.load(Ordering::Relaxed) {
            counts[at].1.add(client());
            pause(Duration::from_millis(fastrand::u64(5..40)));
        }
    };
    let repeat = &repeat;
    let body = "x".repeat(UPLOAD);
    let target = streams.address().to_string();
    let url = format!("ws://{target}/");
    let call = || peers::runs("grpc_client.py", &[&target, "10"]);
    let socket = || peers::runs("websocket_client.py", &[&url, "4"]);
    let began = now();
    thread::scope(|scope| {
        // Also where this thread panics, since the scope waits for the others.
        let _over = Over(&is_over);
        scope.spawn(|| repeat(0, &|| upload(mixed, &body)));
        scope.spawn(|| repeat(1, &|| tunnel(mixed)));
        scope.spawn(|| repeat(2, &|| leave(mixed)));
        scope.spawn(|| repeat(3, &call));
        scope.spawn(|| repeat(4, &socket));
        for turn in 0_u64.. {
            pause(Duration::from_millis(100));
            if turn.is_multiple_of(20) {
                mixed.set_weight(if fastrand::bool() { 20.0 } else { 80.0 });
            }
            let elapsed = now() - began;
            if elapsed > span {
                break;
            }
            let third = elapsed.as_millis() * 3 / span.as_millis();
            samples[0].take(mixed, third);
            samples[1].take(streams, third);
        }
    });
    counts
}

#[test]
fn memory_and_descriptors_are_flat_under_mixed_traffic_and_faults() {
    let _turn = turn();
    let seconds = env::var("CHANGEOVER_SOAK").ok();
    let span = seconds.map_or(SHORT, |it| {
        Duration::from_secs(it.parse().expect("a number of seconds"))
    });
    let environments = [Environment::start("old"), Environment::start("new")];
    let endpoints = [Scripted::start(faulty), Scripted::start(faulty)];
    let mixed = start_mixed(&environments, &endpoints);
    let mut grpc = Peer::start("grpc_server.py", &["old"]);
    let mut websocket = Peer::start("websocket_server.py", &["new"]);
    let streams = start_streams(&mut grpc, &mut websocket);
    let mut samples = [
        Samples::new("mixed", &mixed),
        Samples::new("streams", &streams),
    ];
    let loads = [Protocol::Http1, Protocol::H2c].map(|protocol| {
        let load = Load {
            rate: 100,
            connections: 16,
            protocol,
            at_once: usize::try_from(AT_ONCE).expect("a few"),
            ..Load::new("soak")
        };
        load.start(mixed.address())
    });
    let counts = keep_up(&mixed, &streams, span, &mut samples);
    let answers: Vec<_> = loads.into_iter().flat_map(|it| it.stop()).collect();
    let well = answers.iter().filter(|it| it.status == Some(200)).count();
    println!("{well} of {} requests went well in {span:?}", answers.len());
    for (name, count) in &counts {
        println!(
            "{name}: {} went well, {} did not",
            count.done(),
            count.failed()
        );
        assert!(count.done() > 0, "no {name}");
    }
    // Their endpoints have no faults, but on a busy machine a client may give up.
    for (name, count) in &counts[3..] {
        assert!(count.failed() <= count.done() / 10, "{name} fail");
    }
    for (sample, proxy) in samples.iter().zip([&mixed, &streams]) {
        sample.check();
        sample.check_is_at_rest(proxy);
    }
    assert!(well > answers.len() / 2, "most of the traffic is served");
    assert!(
        environments.iter().all(|it| it.requests() > 0),
        "both sides serve"
    );
}

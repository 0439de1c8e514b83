//! Clients that hold on to what they have, or send without end: each is let go within a limit of the reference, and 200 good
//! requests a second are answered meanwhile. The figures are printed.

use std::{
    io::{Read, Write, stdout},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::harness::{
    admin,
    environment::Environment,
    eventually,
    h2::{self, Answer},
    load::Load,
    now, pause,
    process::held,
    proxy::{Proxy, configuration},
    recorder::Recorder,
    turn,
};

/// Short, so that a test can wait for them.
const LIMITS: &str = r#"
[split]
sticky = "none"
writes = "split"
[timeouts]
tls_handshake = "1s"
request_head = "1s"
body_idle = "1s"
client_idle = "1s"
# The environments are one process each, and may be slow to accept what comes at once.
connect = "10s"
"#;

const GOOD_RATE: u32 = 200;

/// How long the proxy may take beyond a limit of a second.
const PATIENCE: Duration = Duration::from_secs(10);

struct Bench {
    _old: Environment,
    proxy: Proxy,
}

impl Bench {
    fn start() -> Self {
        let old = Environment::start("old");
        let plan = configuration(&old.url(), &old.url(), LIMITS);
        let proxy = Proxy::start(&plan);
        Self { _old: old, proxy }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Runs `attack`, which must end by itself, while good requests are sent, and prints how those fared.
    fn survives(&self, what: &str, attack: impl FnOnce(SocketAddr)) {
        self.survives_within(32, what, attack);
    }

    /// The same, where memory may grow by so many MiB.
    fn survives_within(&self, mib: u64, what: &str, attack: impl FnOnce(SocketAddr)) {
        let load = Load {
            rate: GOOD_RATE,
            connections: 16,
            ..Load::new(what)
        };
        let load = load.start(self.address());
        eventually("good requests are on their way", PATIENCE, || {
            (load.sent() >= 20).then_some(())
        });
        let memory = Memory::watch(self.proxy.pid());
        let began = now();
        attack(self.address());
        let took = now() - began;
        let (before, most) = memory.stop();
        let answers = load.stop();
        let served = answers.iter().filter(|it| it.status == Some(200)).count();
        let worst = answers.iter().map(|it| it.took).max().unwrap_or_default();
        writeln!(
            stdout(),
            "figures: {what}: {served} of {} good requests served, the slowest in {} ms; memory {before} KiB, at most \
             {most} KiB; {:.1} s",
            answers.len(),
            worst.as_millis(),
            took.as_secs_f64(),
        )
        .expect("stdout is open");
        assert!(
            most < before + (mib << 10),
            "{what}: {before} to {most} KiB"
        );
        let lost: Vec<_> = answers.iter().filter(|it| it.status != Some(200)).collect();
        assert!(lost.is_empty(), "{what}: {lost:.3?}");
    }

    /// Waits until something was refused for `reason` so often at least.
    fn is_rejected(&self, reason: &str, times: u64) {
        let sample = format!("changeover_rejected_total{{reason=\"{reason}\"}}");
        eventually("the refusals are counted", PATIENCE, || {
            (metric(&self.proxy, &sample) >= times).then_some(())
        });
    }
}

/// The value of one sample of `/metrics`.
fn metric(proxy: &Proxy, sample: &str) -> u64 {
    let text = admin::get(proxy.admin, "/metrics");
    let found = text.lines().find_map(|line| line.strip_prefix(sample));
    let value = found.unwrap_or_else(|| panic!("no {sample}")).trim();
    value.parse().expect("a whole number")
}

/// The resident memory of a process while it is watched.
struct Memory {
    stop: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    before: u64,
    thread: thread::JoinHandle<()>,
}

impl Memory {
    fn watch(pid: u32) -> Self {
        let before = held(pid).kib;
        let stop = Arc::new(AtomicBool::new(false));
        let most = Arc::new(AtomicU64::new(before));
        let (is_over, seen) = (Arc::clone(&stop), Arc::clone(&most));
        let thread = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                seen.fetch_max(held(pid).kib, Ordering::Relaxed);
                pause(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            most,
            before,
            thread,
        }
    }

    /// What there was before, and the most there was, in KiB.
    fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic");
        (self.before, self.most.load(Ordering::Relaxed))
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the proxy listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is valid");
    stream
}

/// Reads until the proxy closes, which it must; what it said.
fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let mut space = [0; 4096];
    loop {
        match stream.read(&mut space) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("still open: {error}"),
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Opens so many connections, says `text` on each, and waits until each is closed with what `is_expected`.
fn hold(address: SocketAddr, count: usize, text: &str, expected: &str) {
    let mut streams: Vec<TcpStream> = (0..count).map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.write_all(text.as_bytes()).expect("it is open");
    }
    for stream in &mut streams {
        let said = rest(stream);
        assert!(said.starts_with(expected), "{said}");
    }
}

/// Clients that say `text` and then a byte ten times a second: each is answered and closed within two seconds, whatever still comes.
fn drip(address: SocketAddr, count: usize, text: &str) {
    let mut streams: Vec<TcpStream> = (0..count).map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.write_all(text.as_bytes()).expect("it is open");
    }
    let ends = now() + Duration::from_secs(2);
    while now() < ends {
        for stream in &mut streams {
            let _ = stream.write_all(b"x");
        }
        pause(Duration::from_millis(100));
    }
    for stream in &mut streams {
        let said = rest(stream);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408 "),
            "{said}"
        );
    }
}

#[test]
fn http1_clients_that_hold_on_are_let_go() {
    let _turn = turn();
    let bench = Bench::start();
    bench.survives("500 that only connect", |to| hold(to, 500, "", ""));
    let head = "GET / HTTP/1.1\r\nHost: a.test\r\nX: ";
    bench.survives("500 whose head does not end", |to| {
        hold(to, 500, head, "HTTP/1.1 408 ");
    });
    bench.survives("200 whose head comes byte by byte", |to| {
        drip(to, 200, head);
    });
    bench.is_rejected("head_timeout", 700);
    bench.survives("200 whose body does not go on", |to| {
        let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nx";
        hold(to, 200, post, "HTTP/1.1 408 ");
    });
    bench.survives("200 whose body comes byte by byte", |to| {
        drip(
            to,
            200,
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n",
        );
    });
    bench.survives("100 that read nothing of large answers", |to| {
        let proxy = &bench.proxy;
        let in_flight = |it: &Value| it["sides"]["old"]["in_flight"].as_u64();
        // Those of the time before are not these.
        proxy.status_when("the others are gone", PATIENCE, |it| {
            in_flight(it) < Some(10)
        });
        let streams: Vec<Socket> = (0..100).map(|_| reads_little(to)).collect();
        proxy.status_when("they are in", PATIENCE, |it| in_flight(it) >= Some(90));
        proxy.status_when("they are let go", PATIENCE, |it| in_flight(it) < Some(10));
        drop(streams);
    });
    bench.survives("500 that idle after an answer", |to| {
        hold(
            to,
            500,
            "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "HTTP/1.1 200 ",
        );
    });
    bench.survives("500 that shut down their sending side", |to| {
        let mut streams: Vec<TcpStream> = (0..500).map(|_| connect(to)).collect();
        for stream in &mut streams {
            let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
            stream.write_all(request).expect("it is open");
            stream
                .shutdown(std::net::Shutdown::Write)
                .expect("it is open");
        }
        for stream in &mut streams {
            assert!(rest(stream).starts_with("HTTP/1.1 200 "));
        }
    });
}

/// A client that asks for 16 MiB, more than the system holds for it, and has room for little.
fn reads_little(to: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("it is valid");
    socket.connect(&to.into()).expect("the proxy listens");
    let request = b"GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n";
    (&socket).write_all(&request.repeat(4)).expect("it is open");
    socket
}

#[test]
fn http2_clients_that_hold_on_are_let_go() {
    let _turn = turn();
    let bench = Bench::start();
    bench.survives("200 HTTP/2 connections without a stream", |to| {
        let mut clients: Vec<_> = (0..200).map(|_| h2::Connection::to(to, &[])).collect();
        for client in &mut clients {
            assert_eq!(client.answer(0), Answer::GoAway(0));
        }
    });
    bench.survives("200 whose HEADERS do not end", |to| {
        let mut clients: Vec<_> = (0..200).map(|_| h2::Connection::to(to, &[])).collect();
        for client in &mut clients {
            let block = h2::get("/");
            client.frame(h2::HEADERS, 0, 1, &block).expect("it is open");
        }
        for client in &mut clients {
            // Not even SETTINGS may be acknowledged within a head.
            while let Some(frame) = client.read() {
                assert_ne!(frame.kind, h2::GOAWAY);
            }
        }
    });
    bench.is_rejected("head_timeout", 200);
    bench.survives("5 with 100 streams each and no window", |to| {
        // SETTINGS_INITIAL_WINDOW_SIZE
        let settings = [(4, 0)];
        let mut clients: Vec<_> = (0..5).map(|_| h2::Connection::to(to, &settings)).collect();
        for client in &mut clients {
            for stream in 0..100 {
                client.get(stream * 2 + 1, "/large").expect("it is open");
            }
        }
        for client in &mut clients {
            let resets = std::iter::from_fn(|| client.read())
                .filter(|it| it.kind == h2::RST_STREAM)
                .take(100);
            assert_eq!(resets.count(), 100);
        }
    });
    bench.survives("50 streams whose window opens byte by byte", |to| {
        let mut client = h2::Connection::to(to, &[(4, 1)]);
        for stream in 0..50 {
            client.get(stream * 2 + 1, "/large").expect("it is open");
        }
        let ends = now() + Duration::from_secs(3);
        while now() < ends {
            for stream in 0..50 {
                let one = [0, 0, 0, 1];
                let opened = client.frame(h2::WINDOW_UPDATE, 0, stream * 2 + 1, &one);
                opened.expect("it is open");
            }
            pause(Duration::from_millis(100));
        }
        let resets = std::iter::from_fn(|| client.read())
            .filter(|it| it.kind == h2::RST_STREAM)
            .take(50);
        assert_eq!(resets.count(), 50);
    });
}

/// Sends frames until the proxy ends the connection, which it must within so many; how it did.
fn flood(to: SocketAddr, most: usize, mut frames: impl FnMut(usize, &mut Vec<u8>)) -> Answer {
    let mut client = h2::Connection::to(to, &[]);
    let mut number = 0;
    while number < most {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            frames(number, &mut bytes);
            number += 1;
        }
        if client.send(&bytes).is_err() {
            break;
        }
    }
    client.close_write();
    client.answer(0)
}

fn is_ended(answer: Answer) -> bool {
    matches!(answer, Answer::GoAway(1..) | Answer::Closed)
}

#[test]
fn http2_floods_end_their_connection() {
    let _turn = turn();
    let bench = Bench::start();
    let check = |what: &str, most, frames: fn(usize, &mut Vec<u8>)| {
        bench.survives(what, |to| {
            for _ in 0..5 {
                let answer = flood(to, most, frames);
                assert!(is_ended(answer), "{what}: {answer:?}");
            }
        });
    };
    check("PING without end", 20_000, |_, out| {
        h2::put(h2::PING, 0, 0, b"01234567", out);
    });
    check("SETTINGS without end", 20_000, |_, out| {
        h2::put(h2::SETTINGS, 0, 0, &[], out);
    });
    check(
        "WINDOW_UPDATE of the connection without end",
        30_000,
        |_, out| {
            h2::put(h2::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1], out);
        },
    );
    check("PRIORITY without end", 20_000, |_, out| {
        h2::put(h2::PRIORITY, 0, 1, &[0, 0, 0, 0, 1], out);
    });
    check("frames of an unknown kind without end", 20_000, |_, out| {
        h2::put(200, 0, 0, b"x", out);
    });
    bench.is_rejected("flood", 25);
    let status: Value = bench.proxy.status();
    assert!(status["rejected"].as_u64() >= Some(25), "{status}");
}

#[test]
fn http2_streams_that_only_cost_end_their_connection() {
    let _turn = turn();
    let bench = Bench::start();
    let id = |number: usize| u32::try_from(number).expect("few streams") * 2 + 1;
    bench.survives("WINDOW_UPDATE of a stream without end", |to| {
        let answer = flood(to, 30_000, |number, out| {
            if number == 0 {
                let block = h2::get("/");
                h2::put(h2::HEADERS, h2::END_HEADERS, 1, &block, out);
            }
            h2::put(h2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1], out);
        });
        assert!(is_ended(answer), "{answer:?}");
    });
    bench.survives("empty DATA without end", |to| {
        let answer = flood(to, 30_000, |number, out| {
            if number == 0 {
                let block = h2::get("/");
                h2::put(h2::HEADERS, h2::END_HEADERS, 1, &block, out);
            }
            h2::put(h2::DATA, 0, 1, &[], out);
        });
        assert!(is_ended(answer), "{answer:?}");
    });
    bench.survives("streams that are reset as soon as they are opened", |to| {
        let answer = flood(to, 5_000, |number, out| {
            let block = h2::get("/");
            let flags = h2::END_HEADERS | h2::END_STREAM;
            h2::put(h2::HEADERS, flags, id(number), &block, out);
            h2::put(h2::RST_STREAM, 0, id(number), &[0, 0, 0, 8], out);
        });
        assert!(is_ended(answer), "{answer:?}");
    });
    bench.survives("streams that the proxy is made to reset", |to| {
        let answer = flood(to, 5_000, |number, out| {
            let block = h2::get("/");
            let flags = h2::END_HEADERS | h2::END_STREAM;
            h2::put(h2::HEADERS, flags, id(number), &block, out);
            // A window may not grow by nothing (RFC 9113 section 6.9).
            h2::put(h2::WINDOW_UPDATE, 0, id(number), &[0, 0, 0, 0], out);
        });
        assert!(is_ended(answer), "{answer:?}");
    });
    bench.survives("CONTINUATION without end", |to| {
        let answer = flood(to, 20_000, |number, out| {
            if number == 0 {
                let block = h2::get("/");
                h2::put(h2::HEADERS, h2::END_STREAM, 1, &block, out);
            }
            h2::put(h2::CONTINUATION, 0, 1, &[], out);
        });
        assert!(is_ended(answer), "{answer:?}");
    });
    bench.survives("a table entry named ten thousand times", |to| {
        for _ in 0..5 {
            let mut client = h2::Connection::to(to, &[]);
            let mut block = h2::get("/");
            // A field of 4,000 bytes that is added to the table, and then named by its index of one byte.
            block.extend_from_slice(&[0x40, 1, b'x', 127, 0xA1, 0x1E]);
            block.extend_from_slice(&[b'y'; 4000]);
            block.extend_from_slice(&[0xBE; 10_000]);
            let flags = h2::END_HEADERS | h2::END_STREAM;
            client
                .frame(h2::HEADERS, flags, 1, &block)
                .expect("it is open");
            let answer = client.answer(1);
            let is_refused = matches!(answer, Answer::Status(431) | Answer::Reset(_));
            assert!(is_refused || is_ended(answer), "{answer:?}");
        }
    });
}

#[test]
fn a_flood_is_told_to_calm_down() {
    let bench = Bench::start();
    let answer = flood(bench.address(), 20_000, |_, out| {
        h2::put(h2::PING, 0, 0, b"01234567", out);
    });
    // A write that fails first leaves it unsaid.
    assert!(matches!(
        answer,
        Answer::GoAway(h2::ENHANCE_YOUR_CALM) | Answer::Closed
    ));
    let mut client = h2::Connection::to(bench.address(), &[]);
    let mut bytes = Vec::new();
    for _ in 0..1_001 {
        h2::put(h2::PING, 0, 0, b"01234567", &mut bytes);
    }
    client.send(&bytes).expect("it is open");
    assert_eq!(client.answer(0), Answer::GoAway(h2::ENHANCE_YOUR_CALM));
}

#[test]
fn thousands_of_tunnels_leave_room_for_requests() {
    let _turn = turn();
    let endpoint = Recorder::start();
    let old = Environment::start("idle");
    let more = format!("{LIMITS}[limits]\nconnections_per_endpoint = 4000\n");
    let proxy = Proxy::start(&configuration(&endpoint.url(), &old.url(), &more));
    let bench = Bench { _old: old, proxy };
    let request =
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    bench.survives_within(96, "3,000 open tunnels", |to| {
        let mut open = Vec::new();
        for _ in 0..3_000 {
            let mut stream = connect(to);
            stream.write_all(request.as_bytes()).expect("it is open");
            let mut space = [0; 512];
            let count = stream.read(&mut space).expect("it is open");
            assert!(space[..count].starts_with(b"HTTP/1.1 101 "));
            open.push(stream);
        }
        bench.proxy.status_when("they are counted", PATIENCE, |it| {
            it["sides"]["old"]["tunnels"] == 3_000
        });
    });
}

//! Limits on how much there may be at once: connections in all and per client, requests in flight, descriptors; and who is
//! believed about a client's address.

use std::{
    io::{Read, Write},
    iter,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::{Domain, SockRef, Socket, Type};

use crate::harness::{
    admin,
    environment::Environment,
    eventually, h2, now, pause,
    process::{cpu, held},
    proxy::{Proxy, configuration},
    recorder::Recorder,
};

const PATIENCE: Duration = Duration::from_secs(10);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the proxy listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is valid");
    stream
}

/// Sends `bytes`; the first part of what comes back.
fn ask(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).expect("it is open");
    let mut space = [0; 4096];
    let count = stream.read(&mut space).expect("it is answered");
    String::from_utf8_lossy(&space[..count]).into_owned()
}

/// Everything until the other end closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn proxy(endpoint: &str, more: &str) -> Proxy {
    let plan = format!("workers = 1\n{}", configuration(endpoint, endpoint, more));
    Proxy::start(&plan)
}

fn metric(proxy: &Proxy, sample: &str) -> u64 {
    let text = admin::get(proxy.admin, "/metrics");
    let found = text.lines().find_map(|line| line.strip_prefix(sample));
    let value = found.unwrap_or_else(|| panic!("no {sample}")).trim();
    value.parse().expect("a whole number")
}

fn rejected(proxy: &Proxy, reason: &str, count: u64) {
    let sample = format!("changeover_rejected_total{{reason=\"{reason}\"}}");
    eventually("the refusals are counted", PATIENCE, || {
        (metric(proxy, &sample) == count).then_some(())
    });
}

#[test]
fn beyond_the_connections_in_all_clients_wait() {
    let endpoint = Recorder::start();
    let proxy = proxy(&endpoint.url(), "[limits]\nconnections = 3\n");
    let mut open: Vec<TcpStream> = (0..3).map(|_| connect(proxy.address())).collect();
    for stream in &mut open {
        assert!(ask(stream, REQUEST).starts_with("HTTP/1.1 200 "));
    }
    let status = proxy.status_when("it says that it waits", PATIENCE, |it| {
        it["warnings"].to_string().contains("wait to be accepted")
    });
    assert_eq!(status["connections"], 3);
    let mut waits = connect(proxy.address());
    waits.write_all(REQUEST).expect("the system takes it");
    drop(open.pop());
    let mut space = [0; 12];
    waits.read_exact(&mut space).expect("it is let in");
    assert_eq!(&space, b"HTTP/1.1 200");
    assert!(
        metric(
            &proxy,
            "changeover_accept_pauses_total{cause=\"connections\"}"
        ) >= 1
    );
    drop((open, waits));
    proxy.status_when("it goes on", PATIENCE, |it| {
        it["connections"] == 0 && !it["warnings"].to_string().contains("wait to be accepted")
    });
}

#[test]
fn beyond_the_connections_of_one_address_clients_are_turned_away() {
    let endpoint = Recorder::start();
    let proxy = proxy(&endpoint.url(), "[limits]\nconnections_per_client = 2\n");
    let mut open: Vec<TcpStream> = (0..2).map(|_| connect(proxy.address())).collect();
    for stream in &mut open {
        assert!(ask(stream, REQUEST).starts_with("HTTP/1.1 200 "));
    }
    let before = endpoint.bytes();
    let mut third = connect(proxy.address());
    third.write_all(REQUEST).expect("it is open");
    third.shutdown(Shutdown::Write).expect("it is open");
    let said = rest(&mut third);
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    assert!(said.contains("\r\nretry-after: 1\r\n"), "{said}");
    assert!(
        said.contains("\r\nx-changeover-error: client_connections\r\n"),
        "{said}"
    );
    assert_eq!(endpoint.bytes(), before);
    rejected(&proxy, "client_connections", 1);
    drop(open.pop());
    eventually("there is room again", PATIENCE, || {
        let mut next = connect(proxy.address());
        ask(&mut next, REQUEST)
            .starts_with("HTTP/1.1 200 ")
            .then_some(())
    });
}

#[test]
fn trusted_forwarders_have_as_many_connections_as_they_like() {
    let endpoint = Recorder::start();
    let more = "[limits]\nconnections_per_client = 1\n[forwarding]\ntrusted = [\"127.0.0.0/8\"]\n";
    let proxy = proxy(&endpoint.url(), more);
    let mut open: Vec<TcpStream> = (0..5).map(|_| connect(proxy.address())).collect();
    for stream in &mut open {
        assert!(ask(stream, REQUEST).starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn beyond_the_requests_of_one_side_clients_are_answered_503() {
    let old = Environment::start("old");
    old.behave(200, Duration::from_secs(2));
    let proxy = proxy(&old.url(), "[limits]\nrequests_per_side = 2\n");
    let mut open: Vec<TcpStream> = (0..2).map(|_| connect(proxy.address())).collect();
    for stream in &mut open {
        stream.write_all(REQUEST).expect("it is open");
    }
    proxy.status_when("both are in flight", PATIENCE, |it| {
        it["sides"]["old"]["in_flight"] == 2
    });
    let said = ask(&mut connect(proxy.address()), REQUEST).to_ascii_lowercase();
    assert!(said.starts_with("http/1.1 503 "), "{said}");
    assert!(said.contains("\r\nretry-after: 1\r\n"), "{said}");
    assert!(
        said.contains("\r\nx-changeover-error: overload\r\n"),
        "{said}"
    );
    rejected(&proxy, "overload", 1);
    let mut space = [0; 12];
    for stream in &mut open {
        stream.read_exact(&mut space).expect("it is answered");
        assert_eq!(&space, b"HTTP/1.1 200");
    }
    // Nobody is blamed for a limit of ours.
    let status = proxy.status_when("both have ended", PATIENCE, |it| {
        it["sides"]["old"]["in_flight"] == 0
    });
    assert_eq!(status["sides"]["old"]["requests"], 2);
    assert_eq!(status["sides"]["old"]["errors"], 0);
}

#[test]
fn accepting_pauses_while_there_are_no_descriptors() {
    let endpoint = Recorder::start();
    let proxy = proxy(&endpoint.url(), "");
    let pid = i32::try_from(proxy.pid()).ok().and_then(Pid::from_raw);
    let used = held(proxy.pid()).descriptors;
    let limit = |current| Rlimit {
        current: Some(current),
        maximum: Some(20_000),
    };
    // Room for the connections of this test's own looks, and not for many more.
    prlimit(pid, Resource::Nofile, limit(used + 4)).expect("it is ours");
    let open: Vec<TcpStream> = (0..20).map(|_| connect(proxy.address())).collect();
    eventually("accepting pauses", PATIENCE, || {
        proxy.log().contains("accepting pauses").then_some(())
    });
    // Without a pause it would use a core: a tenth of one is far more than a look ten times a second needs.
    let (began, before) = (now(), cpu(proxy.pid()));
    while now() - began < Duration::from_secs(1) {
        pause(Duration::from_millis(50));
    }
    let spent = cpu(proxy.pid()).saturating_sub(before);
    assert!(
        spent < Duration::from_millis(100),
        "{spent:?} of CPU within a second"
    );
    // It looks ten times a second, and says so only where a pause begins: a descriptor that the process frees for itself lets
    // one more client in, and then it pauses anew.
    let said = proxy.log().matches("accepting pauses").count();
    assert!((1..=4).contains(&said), "said {said} times");
    prlimit(pid, Resource::Nofile, limit(4096)).expect("it is ours");
    let mut next = connect(proxy.address());
    assert!(ask(&mut next, REQUEST).starts_with("HTTP/1.1 200 "));
    assert_eq!(
        metric(
            &proxy,
            "changeover_accept_pauses_total{cause=\"descriptors\"}"
        ),
        u64::try_from(proxy.log().matches("accepting pauses").count()).expect("few")
    );
    drop(open);
}

#[test]
fn a_lack_of_descriptors_is_no_fault_of_an_endpoint() {
    let endpoint = Recorder::start();
    let trigger =
        "[[trigger]]\nname = \"unreachable\"\nreading = \"connect_failures\"\nin_a_row = 1\n";
    let proxy = proxy(&endpoint.url(), trigger);
    proxy.set_weight(100.0);
    let mut client = connect(proxy.address());
    eventually("it is accepted", PATIENCE, || {
        (metric(&proxy, "changeover_connections") == 1).then_some(())
    });
    let pid = i32::try_from(proxy.pid()).ok().and_then(Pid::from_raw);
    let limit = |current| Rlimit {
        current: Some(current),
        maximum: Some(20_000),
    };
    prlimit(pid, Resource::Nofile, limit(0)).expect("it is ours");
    let refused = ask(&mut client, REQUEST);
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(
        refused.contains("x-changeover-error: overload\r\n"),
        "{refused}"
    );
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    prlimit(pid, Resource::Nofile, limit(4096)).expect("it is ours");
    assert!(ask(&mut client, REQUEST).starts_with("HTTP/1.1 200 "));
    let status = proxy.status();
    assert_eq!(status["weight"], 100.0, "nothing rolled back: {status}");
    for side in ["old", "new"] {
        assert_eq!(status["sides"][side]["errors"], 0, "{status}");
    }
    assert!(
        proxy
            .log()
            .contains("the system lets nothing be connected to")
    );
    assert!(!proxy.log().contains("an endpoint cannot be connected to"));
}

#[test]
fn few_descriptors_limit_the_connections() {
    let endpoint = Recorder::start();
    let folder = crate::harness::proxy::Folder::new();
    folder.write(
        "changeover.toml",
        &format!(
            "workers = 1\n{}",
            configuration(&endpoint.url(), &endpoint.url(), "")
        ),
    );
    let mut command = std::process::Command::new("prlimit");
    command.args(["--nofile=120:120", env!("CARGO_BIN_EXE_changeover")]);
    let proxy = Proxy::start_with(command, &folder);
    assert!(
        proxy.log().contains("too few file descriptors"),
        "{}",
        proxy.log()
    );
    let mut open: Vec<TcpStream> = (0..30).map(|_| connect(proxy.address())).collect();
    for stream in &mut open {
        assert!(ask(stream, REQUEST).starts_with("HTTP/1.1 200 "));
    }
    let more: Vec<TcpStream> = (0..20).map(|_| connect(proxy.address())).collect();
    proxy.status_when("it says that clients wait", PATIENCE, |it| {
        it["connections"] == 30 && it["warnings"].to_string().contains("wait to be accepted")
    });
    // Those that are in are served all the same.
    assert!(ask(&mut open[0], REQUEST).starts_with("HTTP/1.1 200 "));
    drop(more);
}

fn announced(from: &str) -> (Recorder, Proxy) {
    let endpoint = Recorder::start();
    let plan = configuration(
        &endpoint.url(),
        &endpoint.url(),
        "[limits]\nconnections_per_client = 1\n",
    );
    let listener = format!("address = \"127.0.0.1:0\"\nproxy_protocol = [\"{from}\"]\n[old]");
    let plan = plan.replacen("address = \"127.0.0.1:0\"\n[old]", &listener, 1);
    (endpoint, Proxy::start(&plan))
}

#[test]
fn a_trusted_balancer_names_the_client() {
    let (endpoint, proxy) = announced("127.0.0.0/8");
    let v1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc6\x33\x64\x01\x12\x67\0\x50";
    let mut open = Vec::new();
    for (header, address) in [(&v1[..], "192.0.2.7"), (&v2[..], "192.0.2.8")] {
        let mut client = connect(proxy.address());
        // In two pieces, as it may come.
        let (first, second) = header.split_at(20);
        client.write_all(first).expect("it is open");
        let said = ask(&mut client, &[second, REQUEST].concat());
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        let seen = String::from_utf8(endpoint.take().remove(0)).expect("it is text");
        assert!(
            seen.contains(&format!("x-forwarded-for: {address}\r\n")),
            "{seen}"
        );
        open.push(client);
    }
    // The limit on one address is that of the client, not of the balancer.
    let mut again = connect(proxy.address());
    let said = ask(&mut again, &[&v1[..], REQUEST].concat());
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    // A balancer that checks speaks for itself.
    let mut local = connect(proxy.address());
    let said = ask(&mut local, &[b"PROXY UNKNOWN\r\n", REQUEST].concat());
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let seen = String::from_utf8(endpoint.take().remove(0)).expect("it is text");
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    // Without a header nothing of a trusted balancer is served.
    let before = endpoint.bytes();
    let mut bare = connect(proxy.address());
    bare.write_all(REQUEST).expect("it is open");
    assert_eq!(rest(&mut bare), "");
    assert_eq!(endpoint.bytes(), before);
    rejected(&proxy, "proxy_header", 1);
}

#[test]
fn nobody_else_names_a_client() {
    let (endpoint, proxy) = announced("10.0.0.0/8");
    let mut liar = connect(proxy.address());
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";
    let said = ask(&mut liar, &[&header[..], REQUEST].concat());
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(endpoint.bytes(), 0);
    drop(liar);
    let mut honest = eventually("the first one has gone", PATIENCE, || {
        let mut client = connect(proxy.address());
        ask(&mut client, REQUEST)
            .starts_with("HTTP/1.1 200 ")
            .then_some(client)
    });
    let seen = String::from_utf8(endpoint.take().remove(0)).expect("it is text");
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    assert!(ask(&mut honest, REQUEST).starts_with("HTTP/1.1 200 "));
}

#[test]
fn hints_reach_clients_that_understand_them() {
    let endpoint = Recorder::start();
    let proxy = proxy(&endpoint.url(), "");
    let ask_for_hints = |version: &str| {
        let mut client = connect(proxy.address());
        let request =
            format!("GET /hints HTTP/{version}\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).expect("it is open");
        rest(&mut client)
    };
    let said = ask_for_hints("1.1");
    let (hints, answer) = said.split_once("\r\n\r\n").expect("two heads");
    assert!(
        hints.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a.css>"),
        "{said}"
    );
    assert!(!hints.contains("connection"), "{said}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{said}");
    let said = ask_for_hints("1.0");
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let mut client = h2::Connection::to(proxy.address(), &[]);
    client.get(1, "/hints").expect("it is open");
    let mut heads = iter::from_fn(|| client.read()).filter(|it| it.kind == h2::HEADERS);
    let hint = heads.next().expect("the proxy answers");
    assert_eq!(hint.flags & h2::END_STREAM, 0);
    // `:status` by its index, with 103 in Huffman's code (RFC 7541 section 6.2.1 and appendix B).
    let early_hints = [0x48, 0x82, 0x08, 0x19];
    assert!(hint.payload.starts_with(&early_hints), "{hint:?}");
    let answer = heads.next().expect("the proxy answers");
    // Entry 8 of the static table is `:status: 200` (RFC 7541 appendix A).
    assert_eq!(answer.payload.first(), Some(&0x88), "{answer:?}");
}

/// Asks, shuts the sending side down, and reads to the end.
fn half_close(proxy: &Proxy) -> String {
    let mut client = connect(proxy.address());
    client.write_all(REQUEST).expect("it is open");
    client.shutdown(Shutdown::Write).expect("it is open");
    rest(&mut client)
}

#[test]
fn a_client_that_shuts_down_its_sending_side_is_answered_in_time() {
    let old = Environment::start("old");
    old.behave(200, Duration::from_millis(300));
    let proxy = proxy(&old.url(), "[timeouts]\nhalf_closed = \"1s\"\n");
    assert!(half_close(&proxy).starts_with("HTTP/1.1 200 "));
    old.behave(200, Duration::from_secs(4));
    let began = now();
    assert_eq!(half_close(&proxy), "");
    assert!(now() - began < Duration::from_secs(3), "it was given up");
}

/// Says `text` and then as much of `more` as is taken, to an endpoint that reads nothing; then breaks the connection.
fn break_off(text: &str, more: &[u8]) {
    let endpoint = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = endpoint.local_addr().expect("it is bound");
    let proxy = proxy(&format!("http://{address}"), "");
    let mut client = connect(proxy.address());
    let patience = Some(Duration::from_millis(500));
    client.set_write_timeout(patience).expect("it is valid");
    client.write_all(text.as_bytes()).expect("it is open");
    // Until nobody takes any more of it.
    while client.write_all(more).is_ok() {}
    proxy.status_when("it is in flight", PATIENCE, |it| {
        it["sides"]["old"]["in_flight"] == 1
    });
    let at_once = Some(Duration::ZERO);
    SockRef::from(&client)
        .set_linger(at_once)
        .expect("it is valid");
    drop(client);
    let limit = Duration::from_secs(5);
    proxy.status_when("it is given up", limit, |it| {
        it["sides"]["old"]["in_flight"] == 0 && it["connections"] == 0
    });
}

#[test]
fn a_client_that_breaks_off_a_blocked_upload_is_noticed() {
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n";
    break_off(post, &[b'x'; 65_536]);
}

#[test]
fn a_client_that_breaks_off_behind_what_it_sent_ahead_is_noticed() {
    let requests = REQUEST.repeat(1_000);
    break_off("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", &requests);
}

/// A proxy with room for a mebibyte.
fn narrow(endpoint: &str, more: &str) -> Proxy {
    let limits = format!("[limits]\nbuffered_bytes = \"1MiB\"\n{more}");
    proxy(endpoint, &limits)
}

/// Waits until more waits than may, and asks for something.
fn is_full(proxy: &Proxy) {
    let status = proxy.status_when("too much waits", PATIENCE, |it| {
        it["buffered_bytes"].as_u64() > Some(1 << 20)
    });
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("[limits] buffered_bytes"), "{warnings}");
    let said = ask(&mut connect(proxy.address()), REQUEST).to_ascii_lowercase();
    assert!(said.starts_with("http/1.1 503 "), "{said}");
    assert!(said.contains("\r\nretry-after: 1\r\n"), "{said}");
    let reason = "\r\nx-changeover-error: buffered_bytes\r\n";
    assert!(said.contains(reason), "{said}");
    let refused = "changeover_rejected_total{reason=\"buffered_bytes\"}";
    eventually("the refusal is counted", PATIENCE, || {
        (metric(proxy, refused) > 0).then_some(())
    });
}

/// Waits until nothing waits any more, and asks for something.
fn is_free_again(proxy: &Proxy) {
    let status = proxy.status_when("nothing waits", PATIENCE, |it| it["buffered_bytes"] == 0);
    assert_eq!(status["sides"]["old"]["errors"], 0, "nobody is blamed");
    let said = ask(&mut connect(proxy.address()), REQUEST);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(metric(proxy, "changeover_buffered_bytes ") < 1 << 20);
}

#[test]
fn beyond_the_bytes_that_clients_do_not_take_requests_are_answered_503() {
    let old = Environment::start("old");
    let proxy = narrow(&old.url(), "");
    let clients: Vec<Socket> = (0..16).map(|_| reads_nothing(proxy.address())).collect();
    is_full(&proxy);
    drop(clients);
    is_free_again(&proxy);
}

/// Asks for a large answer with room for little of it.
fn reads_nothing(to: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("it is valid");
    socket.connect(&to.into()).expect("the proxy listens");
    let request = b"GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n";
    (&socket).write_all(request).expect("it is open");
    socket
}

#[test]
fn beyond_the_bytes_of_streams_without_window_requests_are_answered_503() {
    let old = Environment::start("old");
    let proxy = narrow(&old.url(), "");
    // SETTINGS_INITIAL_WINDOW_SIZE
    let mut client = h2::Connection::to(proxy.address(), &[(4, 0)]);
    for stream in 0..100 {
        client.get(stream * 2 + 1, "/large").expect("it is open");
    }
    is_full(&proxy);
    drop(client);
    is_free_again(&proxy);
}

#[test]
fn beyond_the_bytes_of_bodies_that_wait_for_a_connection_requests_are_answered_503() {
    let old = Environment::start("old");
    old.behave(200, Duration::from_secs(30));
    let proxy = narrow(
        &old.url(),
        "connections_per_endpoint = 1\n[timeouts]\nconnect = \"1m\"\n",
    );
    let mut first = connect(proxy.address());
    first.write_all(REQUEST).expect("it is open");
    proxy.status_when("it is taken", PATIENCE, |it| {
        it["sides"]["old"]["in_flight"] == 1
    });
    let mut client = h2::Connection::to(proxy.address(), &[]);
    for number in 0..20 {
        let stream = number * 2 + 1;
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a.test"),
            (":path", "/"),
        ];
        let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let block = h2::block(fields);
        client
            .frame(h2::HEADERS, h2::END_HEADERS, stream, &block)
            .expect("it is open");
        // Together less than the window of a connection that has just begun (RFC 9113 section 6.9.2).
        let piece = [b'x'; 1_000];
        client
            .frame(h2::DATA, 0, stream, &piece)
            .expect("it is open");
    }
    is_full(&proxy);
    drop((client, first));
    old.behave(200, Duration::ZERO);
    is_free_again(&proxy);
}

#[test]
fn beyond_the_bytes_of_heads_that_do_not_end_they_are_answered_503() {
    let old = Environment::start("old");
    let proxy = narrow(&old.url(), "");
    let field = format!("x: {}\r\n", "y".repeat(10_000));
    let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{field}{field}{field}");
    let mut clients: Vec<TcpStream> = (0..64).map(|_| connect(proxy.address())).collect();
    for client in &mut clients {
        client.write_all(head.as_bytes()).expect("it is open");
    }
    // As many stay as there is room for.
    eventually("some are refused", PATIENCE, || {
        let sample = "changeover_rejected_total{reason=\"buffered_bytes\"}";
        (metric(&proxy, sample) >= 24).then_some(())
    });
    proxy.status_when("little more waits than may", PATIENCE, |it| {
        let held = it["buffered_bytes"].as_u64();
        held > Some(512 << 10) && held < Some(1_200 << 10)
    });
    let refused = clients.iter_mut().find_map(|it| {
        it.set_nonblocking(true).expect("it is open");
        let mut said = [0; 4096];
        let count = it.read(&mut said).ok()?;
        Some(String::from_utf8_lossy(&said[..count]).into_owned())
    });
    let said = refused.expect("some were refused");
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    assert!(said.contains("buffered_bytes"), "{said}");
    drop(clients);
    is_free_again(&proxy);
}

//! The whole way of a name, with clients that look it up and clients that do not: lowered, moved, watched until it is quiet at
//! the old address, and led back.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, OpCode, Query},
    rr::{Name, RData, RecordType},
};

use super::moving::{FROM, LIMIT, TO, World, dns, rfc2136, zone};
use crate::harness::{
    eventually,
    load::Load,
    now, pause,
    proxy::{Proxy, changeover},
    relay::Relay,
};

/// From one lookup to the next: a hundred a second.
const INTERVAL: Duration = Duration::from_millis(10);

/// A client that looks the name up before each request, and goes where it is led.
struct Visitor {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    thread: thread::JoinHandle<Vec<String>>,
}

/// What became of its requests.
#[derive(Default)]
struct Counts {
    lookups: AtomicU64,
    /// Requests that were answered at the old address, and at new itself.
    at_old: AtomicU64,
    at_new: AtomicU64,
}

impl Visitor {
    fn start(server: SocketAddr, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        let thread = thread::spawn(move || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            socket.set_read_timeout(Some(LIMIT)).expect("it is open");
            socket.connect(server).expect("an address");
            let mut faults = Vec::new();
            let mut next = now();
            for number in (0..=u16::MAX).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                next += INTERVAL;
                pause(next.saturating_duration_since(now()));
                match visit(&socket, number, port) {
                    Ok(address) if address == TO => counted.at_new.fetch_add(1, Ordering::Relaxed),
                    Ok(_) => counted.at_old.fetch_add(1, Ordering::Relaxed),
                    Err(fault) => {
                        faults.push(fault);
                        0
                    }
                };
                counted.lookups.fetch_add(1, Ordering::Relaxed);
            }
            faults
        });
        Self {
            stop,
            counts,
            thread,
        }
    }

    /// What went wrong.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

impl Counts {
    fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    fn at_old(&self) -> u64 {
        self.at_old.load(Ordering::Relaxed)
    }

    fn at_new(&self) -> u64 {
        self.at_new.load(Ordering::Relaxed)
    }
}

/// One lookup and one request; where it went.
fn visit(socket: &UdpSocket, number: u16, port: u16) -> Result<String, String> {
    let name = Name::from_ascii("shop.example.test.").expect("a name");
    let mut message = Message::query();
    message.metadata.id = number;
    message.metadata.op_code = OpCode::Query;
    message.add_query(Query::query(name, RecordType::A));
    let question = message.to_vec().expect("it can be written");
    socket.send(&question).expect("BIND listens");
    let mut answer = [0; 1500];
    let length = socket
        .recv(&mut answer)
        .map_err(|error| format!("no answer: {error}"))?;
    let answer = Message::from_vec(&answer[..length]).map_err(|error| error.to_string())?;
    let address = answer.answers.iter().find_map(|it| match it.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    let address = address.ok_or_else(|| format!("an empty answer: {answer:?}"))?;
    let got = get((address, port).into()).map_err(|error| format!("{address}: {error}"))?;
    match got.starts_with("HTTP/1.1 200 ") {
        true => Ok(address.to_string()),
        false => Err(format!("{address}: {got}")),
    }
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.example.test\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn says_quiet(proxy: &Proxy) {
    let text = changeover(&["status", "--admin", &format!("http://{}", proxy.admin)]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("nobody needs this proxy any more"), "{text}");
    assert!(text.lines().all(|it| it.chars().count() <= 80), "{text}");
}

#[test]
fn names_are_lowered_moved_watched_until_quiet_and_led_back() {
    let bind = zone(2);
    // A second and a half at this rate are few requests; the stragglers' are not.
    let more = "quiet = \"under 600/min for 2s\"";
    let world = World::complete(&dns(bind.address, &rfc2136(bind.address), more));
    let port = world.proxy.address().port();
    let to = format!("{TO}:{port}").parse().expect("an address");
    let _at_new = Relay::start_on(to, world.new.address);
    let visitor = Visitor::start(bind.address, port);
    let stragglers = Load {
        rate: 50,
        connections: 4,
        ..Load::new("straggler")
    };
    let stragglers = stragglers.start(world.proxy.address());
    eventually("the name is looked up", LIMIT, || {
        (visitor.counts.at_old() > 20).then_some(())
    });
    assert_eq!(visitor.counts.at_new(), 0);

    world.lowered();
    world.ordered(&["move"]);
    world.is("move", "served");
    eventually("who looks it up arrives at new itself", LIMIT, || {
        (visitor.counts.at_new() > 100).then_some(())
    });
    let status = world
        .proxy
        .status_when("stragglers are counted", LIMIT, |it| {
            let quiet = &it["dns"]["quiet"];
            quiet["per_minute"].as_f64().is_some_and(|it| it > 600.0) && quiet["since"].is_null()
        });
    assert!(status["dns"]["quiet"]["reached_at"].is_null(), "{status}");
    let connections = status["connections"].as_u64();
    assert!(connections.is_some_and(|it| it > 0), "{status}");
    let answers = stragglers.stop();
    let status = world.proxy.status_when("it is quiet", LIMIT, |it| {
        it["dns"]["quiet"]["satisfied"] == true
    });
    assert!(status["dns"]["quiet"]["reached_at"].is_string(), "{status}");
    says_quiet(&world.proxy);

    let before = visitor.counts.at_old();
    world.ordered(&["revert"]);
    let status = world.is("revert", "served");
    assert!(status["dns"]["quiet"].is_null(), "{status}");
    eventually("who looks it up arrives here again", LIMIT, || {
        (visitor.counts.at_old() > before + 50).then_some(())
    });
    let counts = Arc::clone(&visitor.counts);
    let faults = visitor.stop();
    assert_eq!(faults, [""; 0], "of {} lookups", counts.lookups());
    assert_eq!(counts.at_old() + counts.at_new(), counts.lookups());
    for answer in answers {
        let log = world.proxy.log();
        assert_eq!(answer.status, Some(200), "{answer:?}\n{log}");
    }
    let expected = [
        "lower-ttl ordered by local",
        "lower-ttl served by plan",
        "move ordered by local",
        "move served by plan",
        "quiet by plan",
        "revert ordered by local",
        "revert served by plan",
    ];
    assert_eq!(world.journal(), expected);
    assert_eq!(bind.dig("shop", "A"), [format!("1 A {FROM}")]);
}

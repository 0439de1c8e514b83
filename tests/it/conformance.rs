//! Requests that two parsers could read differently, sent to the real binary byte for byte and frame by frame: what must be
//! refused is, with nothing at an endpoint, and what may pass arrives as it must. The cases stand in `tests/conformance/`.

mod corpus;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    conformance::corpus::{Case, Expected, cases},
    harness::{
        h2::{self, Answer},
        proxy::{Proxy, configuration},
        recorder::Recorder,
    },
};

const HTTP1: &str = include_str!("../conformance/http1.txt");
const HTTP2: &str = include_str!("../conformance/http2.txt");

const PLAN: &str = r#"
[split]
sticky = "none"
writes = "split"
[[route]]
name = "admin"
path = "/admin"
pin = "old"
[[route]]
name = "kept"
host = "old.test"
pin = "old"
"#;

/// A proxy in front of two endpoints that keep what they see.
struct Bench {
    old: Recorder,
    new: Recorder,
    proxy: Proxy,
}

impl Bench {
    fn start(more: &str) -> Self {
        let (old, new) = (Recorder::start(), Recorder::start());
        let plan = format!("{PLAN}{more}");
        let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan));
        proxy.set_weight(100.0);
        Self { old, new, proxy }
    }

    fn bytes(&self) -> usize {
        self.old.bytes() + self.new.bytes()
    }

    /// What is wrong about the one request that an answered case has led to.
    fn fault_of(&self, expected: &Expected) -> Option<String> {
        let Expected::Answered {
            side,
            line,
            holds,
            lacks,
            ..
        } = expected
        else {
            return None;
        };
        let seen = [("old", &self.old), ("new", &self.new)]
            .map(|(name, it)| it.take().into_iter().map(move |it| (name, it)));
        let seen: Vec<_> = seen.into_iter().flatten().collect();
        let [(found, request)] = &seen[..] else {
            return Some(format!("{} requests reached an endpoint", seen.len()));
        };
        let text = String::from_utf8_lossy(request).into_owned();
        if found != side {
            return Some(format!("{found} answered"));
        }
        if text.lines().next() != Some(line) {
            return Some(format!("the endpoint saw {text:.200}"));
        }
        if let Some(missing) = holds.iter().find(|it| !text.contains(*it)) {
            return Some(format!(
                "the endpoint did not see {missing:?} in {text:.1000}"
            ));
        }
        let too_much = lacks.iter().find(|it| text.contains(*it));
        too_much.map(|it| format!("the endpoint saw {it:?} in {text:.1000}"))
    }
}

fn check(cases: &[Case], bench: &Bench, run: impl Fn(SocketAddr, &Case) -> Result<(), String>) {
    let mut faults = Vec::new();
    for case in cases {
        let before = bench.bytes();
        let mut fault = run(bench.proxy.address(), case).err();
        fault = fault.or_else(|| bench.fault_of(&case.expected));
        let is_refused = !matches!(case.expected, Expected::Answered { .. });
        if is_refused && bench.bytes() != before {
            fault = Some(fault.unwrap_or_default() + " and something reached an endpoint");
        }
        // Whatever was not expected is not the next one's.
        drop((bench.old.take(), bench.new.take()));
        faults.extend(fault.map(|it| format!("{}: {it}", case.name)));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn http1_is_read_in_one_way_only() {
    let bench = Bench::start("");
    let cases = cases(HTTP1);
    assert!(cases.len() > 100, "the file is read whole");
    check(&cases, &bench, |address, case| {
        let said = exchange(address, &case.bytes());
        let head = String::from_utf8_lossy(&said).to_ascii_lowercase();
        let status = format!("http/1.1 {} ", case.expected.status());
        if !head.starts_with(&status) {
            return Err(format!("answered {head:.100}"));
        }
        match &case.expected {
            Expected::Refused { reason, .. } => {
                let error = format!("\r\nx-changeover-error: {reason}\r\n");
                let closes = head.contains("\r\nconnection: close\r\n");
                (closes && head.contains(&error))
                    .then_some(())
                    .ok_or_else(|| format!("answered {head:.300}"))
            }
            Expected::Answered { .. } | Expected::Error => Ok(()),
        }
    });
}

#[test]
fn http2_is_translated_in_one_way_only() {
    let bench = Bench::start("");
    let cases = cases(HTTP2);
    assert!(cases.len() > 40, "the file is read whole");
    check(&cases, &bench, |address, case| {
        let mut client = h2::Connection::to(address, &[]);
        // What is refused may be so before all of it is sent.
        let _ = client.send(&case.frames());
        let found = client.answer(1);
        let is_expected = match (&case.expected, found) {
            (Expected::Error, Answer::Reset(_) | Answer::GoAway(1..)) => true,
            (expected, Answer::Status(status)) => expected.status() == status,
            _ => false,
        };
        let is_expected = is_expected.then_some(());
        is_expected.ok_or_else(|| format!("{found:?}"))
    });
}

/// Sends bytes and the end of them; what comes back until the proxy closes, which it must.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the proxy listens");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("it is valid");
    // What is refused may be so before all of it is sent.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let mut space = [0; 4096];
    let mut is_open = true;
    loop {
        match stream.read(&mut space) {
            Ok(0) => return said,
            Ok(count) => said.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return said,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&said)),
        }
        if is_open && said.ends_with(b"\r\n\r\nok") {
            is_open = false;
            stream.shutdown(Shutdown::Write).expect("it is open");
        }
    }
}

#[test]
fn underscores_pass_where_the_configuration_says_so() {
    let bench = Bench::start("[limits]\nunderscores = \"accept\"\n");
    let said = exchange(
        bench.proxy.address(),
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Y: z\r\n\r\n",
    );
    assert!(said.starts_with(b"HTTP/1.1 200 "));
    let seen = String::from_utf8(bench.new.take().remove(0)).expect("it is text");
    assert!(seen.contains("x_y: z\r\n"), "{seen}");
}

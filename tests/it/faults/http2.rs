//! Endpoints of HTTP/2 that break its rules, or send what costs without end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{SOON, get, nobody, start, url};
use crate::harness::{
    eventually, h2,
    metrics::await_requests,
    scripted::{Caller, Scripted},
};

/// Takes the proxy's first words and its first request; `None` when it closes before that.
fn greet(caller: &mut Caller) -> Option<()> {
    let mut said = Vec::new();
    h2::put(h2::SETTINGS, 0, 0, &[], &mut said);
    caller.say(said);
    caller.bytes(h2::PREFACE.len())?;
    loop {
        let head = caller.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        caller.bytes(usize::try_from(length).expect("24 bits"))?;
        if head[3] == h2::HEADERS {
            return Some(());
        }
    }
}

/// One frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    h2::put(kind, flags, stream, payload, &mut out);
    out
}

/// Said once the proxy has asked for something.
type Fault = fn(&mut Caller);

/// Each is what an endpoint says to a request, and what the client of that gets.
const FAULTS: [(&str, Fault, &str); 7] = [
    (
        "garbage",
        |caller| {
            caller.say([0xff; 64]);
            caller.wait_closed();
        },
        "502 (reset)",
    ),
    (
        "that it goes away",
        |caller| {
            caller.say(frame(h2::GOAWAY, 0, 0, &[0; 8]));
            caller.wait_closed();
        },
        "502 (reset)",
    ),
    (
        "CONTINUATION without end",
        |caller| {
            let status = h2::block([(&b":status"[..], &b"200"[..])]);
            caller.say(frame(h2::HEADERS, 0, 1, &status));
            let field = h2::block([(&b"a"[..], &b"b"[..])]);
            caller.flood(&frame(h2::CONTINUATION, 0, 1, &field));
        },
        "502 (reset)",
    ),
    (
        "empty DATA without end",
        |caller| {
            let status = h2::block([(&b":status"[..], &b"200"[..])]);
            caller.say(frame(h2::HEADERS, h2::END_HEADERS, 1, &status));
            caller.flood(&frame(h2::DATA, 0, 1, b""));
        },
        "200, broken off",
    ),
    (
        "PING without end",
        |caller| caller.flood(&frame(h2::PING, 0, 0, b"01234567")),
        "502 (reset)",
    ),
    (
        "SETTINGS without end",
        |caller| caller.flood(&frame(h2::SETTINGS, 0, 0, &[])),
        "502 (reset)",
    ),
    (
        "frames of an unknown kind without end",
        |caller| caller.flood(&frame(200, 0, 0, b"x")),
        "502 (reset)",
    ),
];

#[test]
fn an_http2_endpoint_that_breaks_the_rules_or_floods() {
    for (says, fault, expected) in FAULTS {
        let over = Arc::new(AtomicUsize::new(0));
        let ended = Arc::clone(&over);
        let endpoint = Scripted::start(move |caller| {
            if greet(caller).is_some() {
                fault(caller);
            }
            ended.fetch_add(1, Ordering::SeqCst);
        });
        let old = [format!("h2c://{}", endpoint.address)];
        let proxy = start(&old, &[url(nobody())], "");
        for _ in 0..2 {
            assert_eq!(get(&proxy), expected, "{says}");
        }
        await_requests(proxy.admin, "old", "reset", 2.0);
        // What floods is not listened to any longer, whether somebody waits for it or not.
        eventually(&format!("{says}: it is closed"), SOON, || {
            (over.load(Ordering::SeqCst) == endpoint.taken()).then_some(())
        });
    }
}

//! Endpoints of HTTP/2 that break its rules, or send what costs without end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{SOON, get, logs, nobody, start, url};
use crate::harness::{
    eventually,
    frames::{Last, begin, frame, go_away, headers, next_request},
    h2,
    metrics::await_requests,
    raw::Raw,
    scripted::{Caller, Scripted},
    turn,
};

/// Said once the proxy has asked for something.
type Fault = fn(&mut Caller);

/// Each is what an endpoint says to a request, and what the client of that gets. The first four are faults to the `h2` crate
/// already.
const FAULTS: [(&str, Fault, &str); 9] = [
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
            caller.say(go_away(0));
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
            caller.say(headers(1, &[(":status", "200")], Last::No));
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
        "WINDOW_UPDATE without end",
        |caller| caller.flood(&frame(h2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        "502 (reset)",
    ),
    (
        "interim answers without end",
        |caller| {
            caller.flood(&headers(1, &[(":status", "103")], Last::No));
        },
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
    let _turn = turn();
    for (number, (says, fault, expected)) in FAULTS.into_iter().enumerate() {
        let is_well = Arc::new(AtomicBool::new(false));
        let over = Arc::new(AtomicUsize::new(0));
        let (well, ended) = (Arc::clone(&is_well), Arc::clone(&over));
        let endpoint = Scripted::start(move |caller| {
            if begin(caller).and_then(|()| next_request(caller)).is_some() {
                if well.load(Ordering::SeqCst) {
                    caller.say(headers(1, &[(":status", "204")], Last::Yes));
                    caller.wait_closed();
                } else {
                    fault(caller);
                }
            }
            ended.fetch_add(1, Ordering::SeqCst);
        });
        let old = [format!("h2c://{}", endpoint.address)];
        let proxy = start(&old, &[url(nobody())], "");
        for _ in 0..2 {
            assert_eq!(get(&proxy), expected, "{says}");
        }
        await_requests(proxy.admin, "old", "reset", 2.0);
        // A GET is sent once more, unless its answer has begun.
        let sends = if expected.starts_with("502") { 4 } else { 2 };
        assert_eq!(endpoint.taken(), sends, "{says}");
        // What floods is not listened to any longer, whether somebody waits for it or not.
        eventually(&format!("{says}: it is closed"), SOON, || {
            (over.load(Ordering::SeqCst) == sends).then_some(())
        });
        if number >= 4 {
            logs(
                &proxy,
                &["WARN", "too many HTTP/2 frames", "control_frames"],
            );
        }
        is_well.store(true, Ordering::SeqCst);
        assert_eq!(get(&proxy), "204", "{says}: with the next request");
    }
}

/// Reads four KiB at a time, opens both windows after each, and measures the connection with a PING a frame.
fn reads_little_by_little(caller: &mut Caller) -> Option<()> {
    begin(caller)?;
    // SETTINGS_MAX_FRAME_SIZE: 1 MiB.
    caller.say(frame(h2::SETTINGS, 0, 0, &[0, 5, 0, 0x10, 0, 0]));
    loop {
        let head = caller.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        caller.bytes(usize::try_from(length).expect("24 bits"))?;
        if head[3] != h2::DATA {
            continue;
        }
        let mut said = frame(h2::PING, 0, 0, b"01234567");
        let mut left = length;
        while left > 0 {
            let read = left.min(4 << 10);
            left -= read;
            for stream in [0, 1] {
                said.extend(frame(h2::WINDOW_UPDATE, 0, stream, &read.to_be_bytes()));
            }
        }
        caller.say(&said);
        if head[4] & h2::END_STREAM != 0 {
            caller.say(headers(1, &[(":status", "204")], Last::Yes));
            caller.wait_closed();
            return None;
        }
    }
}

#[test]
fn an_http2_endpoint_that_opens_its_windows_little_by_little_is_no_flood() {
    let endpoint = Scripted::start(|caller| {
        reads_little_by_little(caller);
    });
    let old = [format!("h2c://{}", endpoint.address)];
    let proxy = start(&old, &[url(nobody())], "");
    // Ten times as many frames as a second has room for.
    let body = "x".repeat(20 << 20);
    let said = Raw::to(proxy.address()).post("/", "", &body);
    assert_eq!(said.to_string(), "204");
    assert_eq!(endpoint.taken(), 1);
}

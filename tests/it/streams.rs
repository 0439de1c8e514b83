//! The same for endpoints that speak HTTP/2: what a client gets of right and wrong frames, and that the next one, on the same
//! connection or another, gets its own answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::harness::{
    frames::{Last, begin, data, go_away, headers, next_request, reset},
    metrics::await_requests,
    proxy::{Proxy, configuration},
    raw::{End, H2, Raw},
    scripted::Scripted,
};

struct Case {
    name: &'static str,
    method: &'static str,
    /// The frames on this stream.
    says: fn(u32) -> Vec<u8>,
    gets: &'static str,
    class: &'static str,
}

const OK: (&str, &str) = (":status", "200");

const fn case(
    name: &'static str,
    says: fn(u32) -> Vec<u8>,
    gets: &'static str,
    class: &'static str,
) -> Case {
    Case {
        name,
        method: "POST",
        says,
        gets,
        class,
    }
}

fn hi(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![OK];
    all.extend_from_slice(fields);
    [
        headers(stream, &all, Last::No),
        data(stream, "hi", Last::Yes),
    ]
    .concat()
}

const CASES: &[Case] = &[
    case("an answer", |it| hi(it, &[]), "200 hi", "2xx"),
    case(
        "a length",
        |it| hi(it, &[("content-length", "2")]),
        "200 hi",
        "2xx",
    ),
    case(
        "an interim answer",
        |it| {
            let early = headers(it, &[(":status", "103"), ("link", "</a>")], Last::No);
            [early, hi(it, &[])].concat()
        },
        "200 hi",
        "2xx",
    ),
    case(
        "trailers",
        |it| {
            [
                headers(it, &[OK], Last::No),
                data(it, "hi", Last::No),
                headers(it, &[("a", "b")], Last::Yes),
            ]
            .concat()
        },
        "200 hi",
        "2xx",
    ),
    case(
        "a length that is too long",
        |it| hi(it, &[("content-length", "5")]),
        "200 hi, broken off",
        "reset",
    ),
    case(
        "a length that is too short",
        |it| hi(it, &[("content-length", "1")]),
        "200, broken off",
        "reset",
    ),
    Case {
        method: "HEAD",
        ..case(
            "HEAD without a body",
            |it| headers(it, &[OK, ("content-length", "2")], Last::Yes),
            "200",
            "2xx",
        )
    },
    Case {
        method: "HEAD",
        ..case("HEAD with a body", |it| hi(it, &[]), "200", "2xx")
    },
    case(
        "204 with a body",
        |it| {
            let head = headers(it, &[(":status", "204")], Last::No);
            [head, data(it, "hi", Last::Yes)].concat()
        },
        "204",
        "2xx",
    ),
    case(
        "no status",
        |it| headers(it, &[("a", "b")], Last::Yes),
        "502 (reset)",
        "reset",
    ),
    case(
        "a field of a connection",
        |it| hi(it, &[("connection", "close")]),
        "502 (reset)",
        "reset",
    ),
    case(
        "a name in capitals",
        |it| hi(it, &[("A", "b")]),
        "502 (reset)",
        "reset",
    ),
    case(
        "a 101, which HTTP/2 does not have",
        |it| headers(it, &[(":status", "101")], Last::No),
        "504 (timeout)",
        "timeout",
    ),
    case(
        "a head over the limit",
        |it| hi(it, &[("a", &"b".repeat(80 << 10))]),
        "502 (reset)",
        "reset",
    ),
    case("a reset", reset, "502 (reset)", "reset"),
    case(
        "a reset within the body",
        |it| {
            [
                headers(it, &[OK], Last::No),
                data(it, "hi", Last::No),
                reset(it),
            ]
            .concat()
        },
        "200 hi, broken off",
        "reset",
    ),
    case(
        "data before a head",
        |it| data(it, "hi", Last::Yes),
        "502 (reset)",
        "reset",
    ),
    case(
        "frames of a stream that nobody opened",
        |it| data(it + 2, "hi", Last::Yes),
        "502 (reset)",
        "reset",
    ),
    case(
        "a farewell with the answer",
        |it| [go_away(it), hi(it, &[])].concat(),
        "200 hi",
        "2xx",
    ),
];

/// Says the frames of each case in turn, and between them an answer of its own to whoever asks next.
fn endpoint() -> Scripted {
    let asked = Arc::new(AtomicUsize::new(0));
    Scripted::start(move |caller| {
        if begin(caller).is_none() {
            return;
        }
        while let Some(stream) = next_request(caller) {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            let case = &CASES[number / 2 % CASES.len()];
            if number.is_multiple_of(2) {
                caller.say((case.says)(stream));
                continue;
            }
            let head = headers(stream, &[OK], Last::No);
            let body = data(stream, &format!("next-{number}"), Last::Yes);
            caller.say([head, body].concat());
        }
    })
}

#[test]
fn frames_of_an_endpoint_become_what_the_standard_says() {
    let endpoint = endpoint();
    let url = format!("h2c://{}", endpoint.address);
    let text = configuration(&url, &url, "[timeouts]\nresponse_head = \"300ms\"\n");
    let proxy = Proxy::start(&format!("workers = 1\n{text}"));
    let mut others = Raw::to(proxy.address());
    let mut h2 = H2::to(proxy.address());
    let mut classes = BTreeMap::<&str, f64>::new();
    let mut wrong = Vec::new();
    let mut number = 0;
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        for case in CASES {
            println!("{protocol}: {}", case.name);
            let said = match protocol {
                "HTTP/2" => h2.ask(case.method, "/"),
                _ => Raw::to(proxy.address()).ask(case.method, "/"),
            };
            let next = others.ask("POST", "/").to_string();
            // A reset may overtake what came before it.
            let is_as_told = said.to_string() == case.gets
                || (said.end == End::BrokenOff && case.gets.ends_with("off"));
            let expected = format!("200 next-{}", number + 1);
            if !is_as_told || next != expected {
                wrong.push(format!(
                    "{protocol}, {}: got {said}; the next one {next}",
                    case.name
                ));
            }
            // Nothing else can be told once the next one got another one's answer.
            assert_eq!(next, expected, "{wrong:#?}");
            number += 2;
            *classes.entry(case.class).or_default() += 1.0;
            *classes.entry("2xx").or_default() += 1.0;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (class, count) in classes {
        await_requests(proxy.admin, "old", class, count);
    }
}

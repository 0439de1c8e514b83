//! Streams of requests, cut in any way, through the reader of heads and the reader of bodies; responses; and what is
//! written, read back.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use http_body::{Body, Frame};
use proptest::prelude::*;
use tokio::io::AsyncWrite;

use super::{body::Sender, encode::Persistence, *};
use crate::{
    measure::Rejection,
    proxy::{
        buffers::Buffers,
        head::{Fields, HeadLimits, Underscores},
        pipe::{Drain, Fill, Pipe},
    },
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1024,
    target_bytes: 200,
    header_bytes: 1024,
    headers: 10,
    underscores: Underscores::Refuse,
};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Between two requests.
    Clean,
    /// Within one.
    Partial,
    /// The next head was refused.
    Refused(Rejection),
    /// The last body broke its framing.
    BodyFault,
}

/// A request as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    target: String,
    headers: Fields,
    persistence: Persistence,
    body: Vec<u8>,
    trailers: HeaderMap,
}

/// Reads a stream that comes in these pieces.
fn run(pieces: &[&[u8]], limits: HeadLimits) -> (Vec<Message>, End) {
    let mut reader = RequestReader::new(limits);
    let mut ahead = BytesMut::new();
    let mut body = BodyReader::Ended;
    let mut messages: Vec<Message> = Vec::new();
    for piece in pieces.iter().filter(|it| !it.is_empty()) {
        ahead.extend_from_slice(piece);
        loop {
            if body.is_ended() {
                if ahead.is_empty() {
                    break;
                }
                match reader.read(&ahead) {
                    Ok(Scanned::Partial) => break,
                    Ok(Scanned::Complete(length, head)) => {
                        drop(ahead.split_to(length));
                        body = head.body;
                        messages.push(Message {
                            target: head.head.target,
                            headers: head.head.headers,
                            persistence: head.persistence,
                            body: Vec::new(),
                            trailers: HeaderMap::new(),
                        });
                    }
                    Err(reason) => return (messages, End::Refused(reason)),
                }
                continue;
            }
            let message = messages.last_mut().expect("a body follows a head");
            match body.read(&mut ahead, &limits) {
                Ok(Part::Data(data)) => message.body.extend_from_slice(&data),
                Ok(Part::Trailers(trailers)) => message.trailers = trailers,
                Ok(Part::End) => (),
                Ok(Part::More) => break,
                Err(BodyFault) => return (messages, End::BodyFault),
            }
        }
    }
    let end = if ahead.is_empty() && body.is_ended() {
        End::Clean
    } else {
        End::Partial
    };
    (messages, end)
}

fn run_whole(stream: &[u8]) -> (Vec<Message>, End) {
    run(&[stream], LIMITS)
}

const MALFORMED: &[&str] = &[
    // Two lengths.
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 4\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    // A malformed length.
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nabc",
    // Transfer codings.
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\r\n ked\r\n\r\n",
    // Line ends.
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\n",
    "GET / HTTP/1.1\r\nHost: a\r\rX: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
    "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    // Folding and white space.
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n",
    " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    // Names.
    "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\u{e4}: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n",
    // Control characters.
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{7f}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /\u{1b} HTTP/1.1\r\nHost: a\r\n\r\n",
    // Host.
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nX: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    // An authority that is another one, or none.
    "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
    "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "GET http://a/ HTTP/1.1\r\n\r\n",
    "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    // Targets.
    "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /?a#f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a#f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET #f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET g HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
    // Request lines.
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "GET /\r\nHost: a\r\n\r\n",
    "GET\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "GET / HTTP/01.1\r\nHost: a\r\n\r\n",
    "GET / http/1.1\r\nHost: a\r\n\r\n",
    "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u{16}\u{3}\u{1}\u{2}\u{0}",
];

#[test]
fn refuses_what_two_parsers_could_read_differently() {
    assert!(MALFORMED.len() > 90);
    for head in MALFORMED {
        let expected = (Vec::new(), End::Refused(Rejection::Malformed));
        assert_eq!(run_whole(head.as_bytes()), expected, "{head:?}");
    }
}

#[test]
fn names_the_reason_of_a_refusal() {
    let check = |head: String, expected| {
        let expected = (Vec::new(), End::Refused(expected));
        assert_eq!(run_whole(head.as_bytes()), expected, "{head:?}");
    };
    check(
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".to_owned(),
        Rejection::Unsupported,
    );
    check(
        "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        Rejection::Unsupported,
    );
    let long = |count: usize| "a".repeat(count);
    check(
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(200)),
        Rejection::TargetTooLong,
    );
    check(format!("GET /{}", long(300)), Rejection::TargetTooLong);
    check(long(2000), Rejection::TargetTooLong);
    check(
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", long(1000)),
        Rejection::HeadTooLarge,
    );
    check(
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10)),
        Rejection::HeadTooLarge,
    );
}

#[test]
fn passes_what_reaches_the_limits() {
    let check = |head: String| assert_eq!(run_whole(head.as_bytes()).1, End::Clean, "{head:?}");
    check(format!(
        "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
        "a".repeat(199)
    ));
    check(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(9)
    ));
    let head = |fill: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "a".repeat(fill)
        )
    };
    let fill = LIMITS.head_bytes - head(0).len();
    check(head(fill));
    let refused = run_whole(head(fill + 1).as_bytes()).1;
    assert_eq!(refused, End::Refused(Rejection::HeadTooLarge));
}

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /b?c=d HTTP/1.1\r\nHost: a.test:8080\r\nX:\r\nY: \t z \t\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "GET http://a.test/x HTTP/1.1\r\nHost: A.TEST:80\r\n\r\n",
    "GET HTTPS://a.test HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
    "GET http://a.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /%2F..%2f/./../\"{|}~/\u{e4}?\\`^ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{e4}\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /",
    "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n5;a=\"b\"\r\n\r\n\r\n\r\r\n00A\r\n0123456789\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nTrailer: x\r\n\r\n1\r\na\r\n000;e\r\nX: y\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
];

#[test]
fn reads_good_requests_to_their_end() {
    let bodies = [
        (10, "GET /"),
        (12, "\r\n\r\n\r0123456789"),
        (13, "a"),
        (14, "x"),
    ];
    for (at, request) in GOOD.iter().enumerate() {
        let (messages, end) = run_whole(request.as_bytes());
        assert_eq!((messages.len(), end), (1, End::Clean), "{request:?}");
        let body = bodies.iter().find(|(it, _)| *it == at);
        let body = body.map_or("", |(_, body)| body);
        assert_eq!(messages[0].body, body.as_bytes(), "{request:?}");
    }
}

#[test]
fn values_and_trailers_come_as_they_were_sent() {
    let (messages, _) = run_whole(GOOD[1].as_bytes());
    assert_eq!(messages[0].target, "/b?c=d");
    assert_eq!(&messages[0].headers["host"], b"a.test:8080");
    assert_eq!(&messages[0].headers["x"], b"");
    assert_eq!(&messages[0].headers["y"], b"z");
    let (messages, _) = run_whole(GOOD[13].as_bytes());
    assert_eq!(messages[0].trailers["x"], "y");
}

#[test]
fn tells_whether_the_connection_goes_on() {
    let check = |version: &str, connection: &str, expected| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        let (messages, _) = run_whole(head.as_bytes());
        assert_eq!(messages[0].persistence, expected, "{head:?}");
    };
    check("1.1", "", Persistence::KeepAlive);
    check("1.1", "Connection: x, Close\r\n", Persistence::Close);
    check(
        "1.1",
        "Connection: keep-alive\r\nconnection: close\r\n",
        Persistence::Close,
    );
    check("1.0", "", Persistence::Close);
    check(
        "1.0",
        "Connection: Keep-Alive\r\n",
        Persistence::KeepAliveHttp10,
    );
    check(
        "1.0",
        "Connection: keep-alive, close\r\n",
        Persistence::Close,
    );
}

#[test]
fn a_refused_head_comes_after_those_before_it() {
    let stream = format!("{}{}{}{}", GOOD[0], GOOD[10], GOOD[12], MALFORMED[0]);
    let (messages, end) = run_whole(stream.as_bytes());
    assert_eq!(
        (messages.len(), end),
        (3, End::Refused(Rejection::Malformed))
    );
}

#[test]
fn a_body_that_breaks_its_framing_ends_in_an_error() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let check = |body: &str, passed: &str| {
        let stream = format!("{HEAD}{body}");
        let (messages, end) = run_whole(stream.as_bytes());
        assert_eq!(end, End::BodyFault, "{body:?}");
        assert_eq!(messages[0].body, passed.as_bytes(), "{body:?}");
    };
    check("\r\n", "");
    check("x\r\n", "");
    check("-1\r\n", "");
    check("0x1\r\na\r\n", "");
    check(" 1\r\na\r\n", "");
    check("1 \r\na\r\n", "");
    check("1\na\r\n", "");
    check("1\ra\r\n", "");
    check(";a\r\n", "");
    check("1;a\n", "");
    check("1;\0\r\n", "");
    check("1\r\nab\r\n", "a");
    check("1\r\na\n", "a");
    check("1\r\na\rb", "a");
    check("2\r\na\r\n0\r\n\r\n", "a\r");
    check("1000000000000000\r\n", "");
    check("0000000000000001\r\na\r\n", "");
    check("0\r\nX y\r\n\r\n", "");
    check("0\r\nX : y\r\n\r\n", "");
    check("0\r\nX_Y: y\r\n\r\n", "");
    check("0\r\nContent-Length: 3\r\n\r\n", "");
    check("0\r\ntransfer-encoding: chunked\r\n\r\n", "");
    check("0\r\nHost: b\r\n\r\n", "");
    check("0\r\n\n", "");
    check(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(11)), "");
    check(&format!("0\r\nX: {}\r\n\r\n", "a".repeat(1024)), "");
    check(&format!("1;{}\r\n", "a".repeat(5000)), "");
    // Many small extensions count together.
    check(&format!("1;{}\r\na\r\n", "a".repeat(2000)).repeat(3), "aa");
}

#[test]
fn endpoints_may_pad_the_sizes_of_chunks() {
    let mut ahead = BytesMut::from("2  \r\nok\r\n0\t\r\n\r\n");
    let mut body = BodyReader::chunked(Sender::Endpoint);
    assert!(matches!(body.read(&mut ahead, &LIMITS), Ok(Part::Data(data)) if data == "ok"));
    assert!(matches!(body.read(&mut ahead, &LIMITS), Ok(Part::End)));
    assert!(body.is_ended());
}

#[test]
fn one_field_has_a_limit_of_its_own() {
    let limits = HeadLimits {
        header_bytes: 8,
        ..LIMITS
    };
    let within = b"GET / HTTP/1.1\r\nHost: a\r\nX: 12345\r\n\r\n";
    let beyond = b"GET / HTTP/1.1\r\nHost: a\r\nX: 123456\r\n\r\n";
    assert_eq!(run(&[within], limits).1, End::Clean);
    let refused = End::Refused(Rejection::HeadTooLarge);
    assert_eq!(run(&[beyond], limits).1, refused);
}

#[test]
fn a_fault_in_chunks_is_foreseen() {
    let check = |bytes: &[u8], expected| {
        let body = BodyReader::chunked(Sender::Client);
        assert_eq!(body.foresee(bytes, &LIMITS), expected, "{bytes:?}");
    };
    check(b"", Ok(()));
    check(b"3\r\nab", Ok(()));
    check(b"3\r\nabc\r\n0\r\nX: y\r\n\r\nGET", Ok(()));
    check(b"3\r\nabc\r\n0\r\nX: ", Ok(()));
    check(b"3\r\nabcd", Err(BodyFault));
    check(b"3\r\nabc\r\nx", Err(BodyFault));
    check(b"0\r\nHost: a\r\n\r\n", Err(BodyFault));
}

#[test]
fn underscores_pass_where_the_limits_say_so() {
    let limits = HeadLimits {
        underscores: Underscores::Accept,
        ..LIMITS
    };
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n";
    assert_eq!(run(&[head], limits).1, End::Clean);
}

/// A response head, and how its body ends.
fn response(text: &str, method: &Method) -> Result<(usize, ReadResponse), HeadFault> {
    let read = read_response(text.as_bytes(), method, &LIMITS)?;
    Ok(read.expect("the head is complete"))
}

#[test]
fn the_end_of_a_response_can_be_read_in_one_way() {
    let check = |fields: &str, expected: &str| {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\nrest");
        let (length, head) = response(&text, &Method::GET).expect(&text);
        assert_eq!(text.get(length..), Some("rest"));
        let body = match head.body {
            BodyReader::Ended => "ended".to_owned(),
            BodyReader::Sized(length) => length.to_string(),
            BodyReader::Chunked(_) => "chunked".to_owned(),
            BodyReader::UntilClose => "close".to_owned(),
        };
        assert_eq!(body, expected, "{text:?}");
    };
    check("", "close");
    check("Content-Length: 0\r\n", "ended");
    check("Content-Length: 7\r\n", "7");
    check("Content-Length: 7, 7\r\ncontent-length: 7\r\n", "7");
    check("Transfer-Encoding: Chunked\r\n", "chunked");
    let faulty = [
        "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
        "Content-Length: 7\r\nContent-Length: 8\r\n",
        "Content-Length: 7, 8\r\n",
        "Content-Length: x\r\n",
        "Content-Length: +7\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n",
    ];
    for fields in faulty {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let fault = response(&text, &Method::GET).err();
        assert_eq!(fault, Some(HeadFault::Framing), "{text:?}");
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(response(old, &Method::GET).err(), Some(HeadFault::Framing));
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    let check = |status: u16, method: &Method| {
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 7\r\n\r\n");
        let (_, head) = response(&text, method).expect(&text);
        assert!(head.body.is_ended(), "{text:?}");
        assert_eq!(&head.head.headers["content-length"], b"7");
    };
    check(200, &Method::HEAD);
    check(204, &Method::GET);
    check(304, &Method::GET);
    check(103, &Method::GET);
}

#[test]
fn a_response_says_whether_another_may_follow() {
    let check = |version: &str, fields: &str, expected| {
        let text = format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{fields}\r\n");
        let (_, head) = response(&text, &Method::GET).expect(&text);
        assert_eq!(head.persists, expected, "{text:?}");
    };
    check("1.1", "", true);
    check("1.1", "Connection: x, Close\r\n", false);
    check("1.0", "", false);
    check("1.0", "Connection: keep-alive\r\n", true);
    check(
        "1.0",
        "Connection: keep-alive\r\nConnection: close\r\n",
        false,
    );
}

#[test]
fn what_is_no_response_head_is_told_apart_from_half_a_one() {
    let read = |text: &str| read_response(text.as_bytes(), &Method::GET, &LIMITS);
    for text in ["", "H", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nA: b\r\n"] {
        assert!(matches!(read(text), Ok(None)), "{text:?}");
    }
    for text in [
        "SSH-2.0\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
    ] {
        assert_eq!(read(text).err(), Some(HeadFault::Malformed), "{text:?}");
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(11));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(1024));
    for text in [many, large.clone(), format!("{large}\r\n\r\n")] {
        assert_eq!(read(&text).err(), Some(HeadFault::TooLarge), "{text:?}");
    }
}

/// A body of scripted frames, pending once after each `None`.
struct Script(Vec<Option<Frame<Bytes>>>);

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        match self.0.remove(0) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Fill for Script {
    type Fault = Infallible;

    fn poll_fill(
        &mut self,
        _pipe: &mut Pipe,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A socket that takes up to so many bytes at once.
struct Narrow(Vec<u8>, usize);

impl Drain for Narrow {
    fn drains(&self) -> bool {
        false
    }

    fn poll_drain(&mut self, _pipe: &mut Pipe, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = buf.len().min(self.1);
        self.0.extend_from_slice(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn write(
    script: Script,
    framing: Framing,
    trailers: Trailers,
    width: usize,
) -> Result<Vec<u8>, WriteError<Infallible>> {
    let mut writer = Writer::new(Rc::new(Buffers::default()), script, framing, trailers);
    let mut socket = Narrow(Vec::new(), width);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(written) = writer.poll(&mut socket, &mut cx) {
            return written.map(|()| socket.0);
        }
    }
}

fn data(text: &str) -> Option<Frame<Bytes>> {
    Some(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

#[test]
fn a_body_that_breaks_its_word_about_its_length_is_an_error() {
    let check = |frames, length| {
        let written = write(Script(frames), Framing::Sized(length), Trailers::Pass, 100);
        assert!(matches!(written, Err(WriteError::Length)), "{length}");
    };
    check(vec![data("abc"), data("d")], 5);
    check(vec![data("abc"), None, data("def")], 5);
    let written = write(
        Script(vec![data("abc"), data("de"), data("more")]),
        Framing::Sized(5),
        Trailers::Pass,
        100,
    );
    assert_eq!(
        written.unwrap(),
        b"abcde",
        "nobody asks after the last byte"
    );
}

#[test]
fn trailers_go_to_those_who_take_them() {
    let frames = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x", "y".parse().unwrap());
        vec![data("a"), None, Some(Frame::trailers(trailers))]
    };
    let check = |trailers, expected: &str| {
        let written = write(Script(frames()), Framing::Chunked, trailers, 100).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    };
    check(Trailers::Pass, "1\r\na\r\n0\r\nx: y\r\n\r\n");
    check(Trailers::Drop, "1\r\na\r\n0\r\n\r\n");
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let pick = |from: &'static [&'static str]| {
        prop::sample::select(from).prop_map(|it| it.as_bytes().to_vec())
    };
    let broken = (pick(GOOD), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut bytes, place, byte)| {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes
        },
    );
    prop_oneof![6 => pick(GOOD), 1 => pick(MALFORMED), 3 => broken]
}

fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|it| it.index(stream.len())).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places {
        pieces.push(&stream[start..place]);
        start = place;
    }
    pieces.push(&stream[start..]);
    pieces
}

proptest! {
    #[test]
    fn how_the_stream_is_cut_changes_nothing(
        messages in prop::collection::vec(message(), 1..6),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream = messages.concat();
        let whole = run_whole(&stream);
        prop_assert_eq!(&whole, &run(&cut(&stream, &places), LIMITS));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&whole, &run(&bytes, LIMITS));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        stream in prop::collection::vec(any::<u8>(), 1..2000),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let whole = run_whole(&stream);
        prop_assert_eq!(whole, run(&cut(&stream, &places), LIMITS));
        drop(read_response(&stream, &Method::GET, &LIMITS));
    }

    #[test]
    fn a_chunked_body_is_read_as_it_was_written(
        pieces in prop::collection::vec((0..9000_usize, any::<bool>()), 0..8),
        width in 1..5000_usize,
    ) {
        let mut script = Vec::new();
        let mut expected = Vec::new();
        for (length, waits) in pieces {
            let piece: Vec<u8> = (0..length).map(|it| u8::try_from(it % 251).unwrap_or(0)).collect();
            expected.extend_from_slice(&piece);
            script.push(Some(Frame::data(Bytes::from(piece))));
            if waits {
                script.push(None);
            }
        }
        let written = write(Script(script), Framing::Chunked, Trailers::Drop, width);
        let mut stream = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        stream.extend_from_slice(&written.unwrap());
        let (messages, end) = run_whole(&stream);
        prop_assert_eq!(end, End::Clean);
        prop_assert_eq!(&messages[0].body, &expected);
    }
}

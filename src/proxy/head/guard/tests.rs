//! The guard alone over scripted reads, and under a real hyper server.

use std::{cell::RefCell, collections::VecDeque, convert::Infallible, rc::Rc, task::Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::measure::Rejection;

const LIMITS: GuardLimits = GuardLimits {
    head_bytes: 1024,
    target_bytes: 200,
    headers: 10,
    underscores: Underscores::Refuse,
};

/// Gives each piece to one read, then the end of the stream.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clean,
    /// The request of this number was refused.
    Refused(u64, Rejection),
    BodyFault,
    /// It waits for an upgrade's decision.
    Waits,
}

/// What passed and how it ended; a stand-in is checked and cut off.
fn run(pieces: &[&[u8]], room: usize, limits: GuardLimits) -> (Vec<u8>, End) {
    let pieces = pieces.iter().filter(|it| !it.is_empty());
    let pieces = Pieces(pieces.map(|it| it.to_vec()).collect());
    let (mut guard, state) = Guard::new(pieces, limits);
    let mut passed = Vec::new();
    let mut scratch = vec![0; room];
    let ended = loop {
        let mut buf = ReadBuf::new(&mut scratch);
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut guard).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => break End::Clean,
            Poll::Ready(Ok(())) => passed.extend_from_slice(buf.filled()),
            Poll::Ready(Err(_)) => {
                assert!(state.has_body_fault());
                break End::BodyFault;
            }
            Poll::Pending => break End::Waits,
        }
    };
    let refused = (1..=guard.framing.heads() + 1)
        .find_map(|number| Some((number, state.next_request().err()?)));
    match refused {
        None => (passed, ended),
        Some((number, rejection)) => {
            assert_eq!(ended, End::Waits, "nothing follows the stand-in");
            let real = passed.len() - STAND_IN.len();
            assert_eq!(&passed[real..], STAND_IN);
            passed.truncate(real);
            (passed, End::Refused(number, rejection))
        }
    }
}

fn run_whole(stream: &[u8]) -> (Vec<u8>, End) {
    run(&[stream], 8192, LIMITS)
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
        let expected = (Vec::new(), End::Refused(1, Rejection::Malformed));
        assert_eq!(run_whole(head.as_bytes()), expected, "{head:?}");
    }
}

#[test]
fn names_the_reason_of_a_refusal() {
    let check = |head: String, expected| {
        let expected = (Vec::new(), End::Refused(1, expected));
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
    assert_eq!(refused, End::Refused(1, Rejection::HeadTooLarge));
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
fn passes_good_requests_byte_for_byte() {
    for request in GOOD {
        let expected = (request.as_bytes().to_vec(), End::Clean);
        assert_eq!(run_whole(request.as_bytes()), expected, "{request:?}");
    }
}

#[test]
fn a_refused_head_is_counted_after_those_before_it() {
    let stream = format!("{}{}{}{}", GOOD[0], GOOD[10], GOOD[12], MALFORMED[0]);
    let good = stream.len() - MALFORMED[0].len();
    let expected = (
        stream.as_bytes()[..good].to_vec(),
        End::Refused(4, Rejection::Malformed),
    );
    assert_eq!(run_whole(stream.as_bytes()), expected);
}

#[test]
fn a_body_that_breaks_its_framing_ends_in_an_error() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let check = |body: &str, passed: usize| {
        let stream = format!("{HEAD}{body}");
        let expected = stream.as_bytes()[..HEAD.len() + passed].to_vec();
        assert_eq!(
            run_whole(stream.as_bytes()),
            (expected, End::BodyFault),
            "{body:?}"
        );
    };
    check("\r\n", 0);
    check("x\r\n", 0);
    check("-1\r\n", 0);
    check("0x1\r\na\r\n", 1);
    check(" 1\r\na\r\n", 0);
    check("1 \r\na\r\n", 1);
    check("1\na\r\n", 1);
    check("1\ra\r\n", 2);
    check(";a\r\n", 0);
    check("1;a\n", 3);
    check("1;\0\r\n", 2);
    check("1\r\nab\r\n", 4);
    check("1\r\na\n", 4);
    check("1\r\na\rb", 5);
    check("2\r\na\r\n0\r\n\r\n", 5);
    check("1000000000000000\r\n", 15);
    check("0000000000000001\r\na\r\n", 15);
    check("0\r\nX y\r\n\r\n", 3);
    check("0\r\nX : y\r\n\r\n", 3);
    check("0\r\nX_Y: y\r\n\r\n", 3);
    check("0\r\nContent-Length: 3\r\n\r\n", 3);
    check("0\r\ntransfer-encoding: chunked\r\n\r\n", 3);
    check("0\r\nHost: b\r\n\r\n", 3);
    check("0\r\n\n", 3);
    check(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(11)), 3);
    check(&format!("0\r\nX: {}\r\n\r\n", "a".repeat(1024)), 3);
    check(&format!("1;{}\r\n", "a".repeat(5000)), 4098);
    // Many small extensions count together.
    check(
        &format!("1;{}\r\na\r\n", "a".repeat(2000)).repeat(3),
        2 * 2007 + 98,
    );
}

#[test]
fn underscores_pass_where_the_limits_say_so() {
    let limits = GuardLimits {
        underscores: Underscores::Accept,
        ..LIMITS
    };
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n";
    assert_eq!(run(&[head], 8192, limits), (head.to_vec(), End::Clean));
}

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Passes an upgrade request and offers `after`; returns what more passes once `decide` was told.
fn after_upgrade(after: &str, decide: impl FnOnce(Turn)) -> (Vec<u8>, GuardState) {
    let pieces = Pieces([UPGRADE, after].map(|it| it.as_bytes().to_vec()).into());
    let (mut guard, state) = Guard::new(pieces, LIMITS);
    let mut scratch = [0; 1024];
    let mut read = || {
        let mut buf = ReadBuf::new(&mut scratch);
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut guard).poll_read(&mut cx, &mut buf) {
            Poll::Ready(read) => {
                read.expect("nothing here is a body");
                Some(buf.filled().to_vec())
            }
            Poll::Pending => None,
        }
    };
    assert_eq!(read(), Some(UPGRADE.as_bytes().to_vec()));
    assert_eq!(read(), None, "undecided");
    decide(state.next_request().expect("it is not refused"));
    (read().expect("it is decided"), state)
}

#[test]
fn after_a_granted_upgrade_every_byte_passes() {
    for bytes in ["\0\n\r any", MALFORMED[0], GOOD[0]] {
        let (passed, state) = after_upgrade(bytes, Turn::tunnel);
        assert_eq!(passed, bytes.as_bytes());
        assert!(!state.has_partial_head());
    }
}

#[test]
fn after_a_declined_upgrade_a_head_follows() {
    let (passed, _) = after_upgrade(GOOD[1], drop);
    assert_eq!(passed, GOOD[1].as_bytes());
    let (passed, state) = after_upgrade(MALFORMED[0], drop);
    assert_eq!(passed, STAND_IN);
    let refusal = state.next_request().expect_err("it is refused");
    assert_eq!(refusal, Rejection::Malformed);
}

#[tokio::test]
async fn tells_whether_part_of_a_head_has_come() {
    let (mut client, server) = duplex(1024);
    let (mut guard, state) = Guard::new(server, LIMITS);
    assert!(!state.has_partial_head());
    client.write_all(b"GET / HT").await.unwrap();
    let mut scratch = [0; 1024];
    let mut read = std::pin::pin!(guard.read(&mut scratch));
    assert!(futures_poll(read.as_mut()).is_pending());
    assert!(state.has_partial_head());
    // Part of the next head comes with the end of the first.
    let rest = b"TP/1.1\r\nHost: a\r\n\r\nGET";
    client.write_all(rest).await.unwrap();
    assert_eq!(read.await.unwrap(), 27);
    assert!(state.has_partial_head());
    client
        .write_all(b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(guard.read(&mut scratch).await.unwrap(), 27);
    assert!(!state.has_partial_head());
}

/// Polls once, without a wake-up.
fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Serves one connection with hyper: each request's body is read and its length told; a refusal is named.
async fn serve(io: DuplexStream, seen: Rc<RefCell<Vec<String>>>) {
    let (guard, state) = Guard::new(io, LIMITS);
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, seen) = (state.clone(), Rc::clone(&seen));
        async move {
            let turn = match state.next_request() {
                Ok(turn) => turn,
                Err(rejection) => {
                    let mut answer = Response::new(Full::<Bytes>::from(rejection.as_str()));
                    *answer.status_mut() = StatusCode::BAD_REQUEST;
                    let close = header::HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                    return Ok::<_, Infallible>(answer);
                }
            };
            seen.borrow_mut().push(request.uri().to_string());
            let mut answer = Response::new(Full::default());
            match request.into_body().collect().await {
                Ok(body) => {
                    *answer.body_mut() = Full::from(body.to_bytes().len().to_string());
                }
                Err(_) if state.has_body_fault() => *answer.status_mut() = StatusCode::BAD_REQUEST,
                Err(_) => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
            }
            drop(turn);
            Ok(answer)
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(guard), service);
    drop(served.await);
}

/// What a client that sends `stream` gets until the connection closes, and the targets that were served.
async fn exchange(stream: &str) -> (String, Vec<String>) {
    let (mut client, server) = duplex(64 * 1024);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let client = async move {
        client.write_all(stream.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = tokio::join!(client, serve(server, Rc::clone(&seen)));
    (answer, seen.take())
}

#[tokio::test(start_paused = true)]
async fn under_hyper_a_refusal_comes_after_the_answers_before_it() {
    let stream = format!("{}{}{}{}", GOOD[1], GOOD[10], MALFORMED[0], GOOD[0]);
    let (answer, seen) = exchange(&stream).await;
    let statuses: Vec<&str> = answer.matches("HTTP/1.1 200 OK").collect();
    assert_eq!(statuses.len(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
    assert!(answer.ends_with("malformed"), "{answer}");
    assert_eq!(seen, ["/b?c=d", "/"]);
}

#[tokio::test(start_paused = true)]
async fn under_hyper_a_broken_body_is_an_error_and_closes() {
    let stream = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n{}",
        GOOD[0]
    );
    let (answer, seen) = exchange(&stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(seen, ["/a"]);
}

#[tokio::test(start_paused = true)]
async fn under_hyper_each_good_request_is_one_request() {
    for request in GOOD {
        let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (answer, seen) = exchange(&format!("{request}{last}")).await;
        if request.contains("HTTP/1.0") && !request.contains("keep-alive") {
            assert_eq!(seen.len(), 1, "{request:?}");
            continue;
        }
        assert_eq!(
            seen.last().map(String::as_str),
            Some("/last"),
            "{request:?} {answer}"
        );
        assert_eq!(seen.len(), 2, "{request:?}");
    }
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
        room in 1..300_usize,
    ) {
        let stream = messages.concat();
        let whole = run_whole(&stream);
        prop_assert_eq!(&whole, &run(&cut(&stream, &places), room, LIMITS));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&whole, &run(&bytes, room, LIMITS));
        // What passed is what was sent, up to where it ended.
        prop_assert_eq!(&whole.0, &stream[..whole.0.len()]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        stream in prop::collection::vec(any::<u8>(), 1..2000),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let whole = run_whole(&stream);
        prop_assert_eq!(whole, run(&cut(&stream, &places), 100, LIMITS));
    }
}

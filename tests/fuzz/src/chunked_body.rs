//! A chunked body means the same however it is cut, from a client and from an endpoint, and what a client's means to us
//! another parser of chunk sizes agrees with.

use changeover::proxy::stages::{Body, Piece, Reader, read_answer_on};
use http::Method;

use super::stream::{LIMITS, Outcome, read_body};

pub fn run(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    for body in [client, endpoint] {
        let whole = read_body(body(), bytes, bytes.len());
        let cut = read_body(body(), bytes, usize::from(*cut));
        assert_eq!(ended(&whole), ended(&cut));
    }
    let from_client = read_body(client(), bytes, 0);
    if matches!(from_client.last, Piece::End | Piece::Trailers(_)) {
        let length = from_client.data.len();
        assert_eq!(
            peer_length(bytes),
            Some(length),
            "another length than a peer's"
        );
        // Endpoints are believed no less than clients.
        let from_endpoint = read_body(endpoint(), bytes, 0);
        assert_eq!(from_endpoint.data, from_client.data);
    }
}

fn client() -> Body {
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let read = Reader::new(LIMITS).read_on(head);
    read.expect("it is right").expect("it is whole").2
}

fn endpoint() -> Body {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    read_answer_on(head, &Method::GET, &LIMITS)
        .expect("it is right and whole")
        .2
}

/// A broken body has the same data before it whatever the pieces, but not the same rest.
fn ended(outcome: &Outcome) -> (&[u8], &Piece, &[u8]) {
    match outcome.last {
        Piece::Broken => (&[], &outcome.last, &[]),
        _ => (&outcome.data, &outcome.last, &outcome.rest),
    }
}

/// How long the body is to `httparse`'s chunk sizes.
fn peer_length(mut bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(bytes) else {
            return None;
        };
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(length);
        }
        length += size;
        bytes = bytes.get(line + size..)?.strip_prefix(b"\r\n")?;
    }
}

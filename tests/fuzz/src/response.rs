//! Responses of endpoints: what is taken another parser takes too, bodies mean the same however they are cut, and what
//! is sent on is one head.

use changeover::proxy::stages::{encode_answer, read_answer_on};
use http::Method;

use super::stream::{LIMITS, read_body};

pub fn run(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    for method in [Method::GET, Method::HEAD, Method::CONNECT] {
        let Some((length, head, body)) = read_answer_on(bytes, &method, &LIMITS) else {
            continue;
        };
        assert!(length <= bytes.len() && length <= LIMITS.head_bytes);
        // No shorter piece is a whole head.
        assert!(read_answer_on(&bytes[..length - 1], &method, &LIMITS).is_none());
        let after = &bytes[length..];
        let again = read_answer_on(bytes, &method, &LIMITS)
            .expect("as before")
            .2;
        let whole = read_body(body, after, after.len());
        let in_pieces = read_body(again, after, usize::from(*cut));
        assert_eq!(whole.last, in_pieces.last);
        assert_eq!(whole.data, in_pieces.data);
        let mut sent = Vec::new();
        encode_answer(&head, 3, b"", &mut sent);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut peer = httparse::Response::new(&mut fields);
        let parsed = peer.parse(&sent).expect("another parser takes it");
        assert_eq!(
            parsed,
            httparse::Status::Complete(sent.len()),
            "more than one head"
        );
        assert_eq!(peer.code, Some(head.status.as_u16()));
    }
}

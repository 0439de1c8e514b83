//! Heads as bytes.

use std::io::Write;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::proxy::head::{
    RequestHead, ResponseHead,
    names::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING},
};

/// How the end of a body that we send is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// It has so many bytes.
    Sized(u64),
    /// In chunks.
    Chunked,
    /// It ends with the connection, for clients of HTTP/1.0.
    UntilClose,
}

/// What becomes of a client's connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It stays open (HTTP/1.1).
    KeepAlive,
    /// It stays open, and a client of HTTP/1.0 is told so.
    KeepAliveHttp10,
    /// It closes.
    Close,
}

/// Writes a request's head, whose target is taken without scheme and authority. `framing` says what of a body follows;
/// fields that say it already are kept.
pub(crate) fn write_request_head(head: &RequestHead, framing: Framing, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    head.headers.write(out);
    match framing {
        Framing::Sized(length) if !head.headers.contains(CONTENT_LENGTH) => {
            write_length(length, out);
        }
        Framing::Chunked if !head.headers.contains(TRANSFER_ENCODING) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        Framing::None | Framing::Sized(_) | Framing::Chunked | Framing::UntilClose => (),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of an answer, in HTTP/1.1 whatever the client speaks (RFC 9110 section 6.2). `date` is the line to add
/// where the answer has no `Date`.
pub(crate) fn write_response_head(
    head: &ResponseHead,
    framing: Framing,
    persistence: Persistence,
    date: &[u8],
    out: &mut Vec<u8>,
) {
    write_status(head.status, out);
    head.headers.write(out);
    match framing {
        Framing::Sized(length) if !head.headers.contains(CONTENT_LENGTH) => {
            write_length(length, out);
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::Sized(_) | Framing::UntilClose => (),
    }
    if !head.headers.contains(CONNECTION) {
        match persistence {
            Persistence::KeepAlive => (),
            Persistence::KeepAliveHttp10 => out.extend_from_slice(b"connection: keep-alive\r\n"),
            Persistence::Close => out.extend_from_slice(b"connection: close\r\n"),
        }
    }
    if !head.headers.contains(DATE) {
        out.extend_from_slice(date);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes one field.
pub(super) fn write_field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the line before a chunk of so many bytes.
pub(super) fn write_chunk_size(size: usize, out: &mut Vec<u8>) {
    write!(out, "{size:x}\r\n").expect("a vector takes everything");
}

fn write_status(status: StatusCode, out: &mut Vec<u8>) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    write!(out, "content-length: {length}\r\n").expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;

    const DAY: &[u8] = b"date: x\r\n";

    fn answer(
        status: u16,
        fields: &[(&str, &str)],
        framing: Framing,
        after: Persistence,
    ) -> String {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let head = ResponseHead::from(head);
        let mut out = Vec::new();
        write_response_head(&head, framing, after, DAY, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_says_how_its_body_ends_and_what_comes_after() {
        let check = |framing, after, fields: &[(&str, &str)], expected: &str| {
            let written = answer(200, fields, framing, after);
            assert_eq!(written, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"));
        };
        check(
            Framing::Sized(3),
            Persistence::KeepAlive,
            &[],
            "content-length: 3\r\ndate: x\r\n",
        );
        check(
            Framing::Sized(3),
            Persistence::KeepAliveHttp10,
            &[("content-length", "3"), ("date", "y")],
            "content-length: 3\r\ndate: y\r\nconnection: keep-alive\r\n",
        );
        check(
            Framing::Chunked,
            Persistence::Close,
            &[],
            "transfer-encoding: chunked\r\nconnection: close\r\ndate: x\r\n",
        );
        check(
            Framing::None,
            Persistence::Close,
            &[("connection", "upgrade")],
            "connection: upgrade\r\ndate: x\r\n",
        );
    }

    #[test]
    fn a_status_without_a_name_has_an_empty_one() {
        let written = answer(299, &[], Framing::Sized(0), Persistence::KeepAlive);
        assert!(written.starts_with("HTTP/1.1 299 \r\n"), "{written}");
        let written = answer(404, &[], Framing::Sized(0), Persistence::KeepAlive);
        assert!(
            written.starts_with("HTTP/1.1 404 Not Found\r\n"),
            "{written}"
        );
    }

    #[test]
    fn a_request_names_its_path_alone() {
        let check = |uri: &str, framing, expected: &str| {
            let request = Request::post(uri).header("host", "a").body(()).unwrap();
            let mut out = Vec::new();
            let head = (&request.into_parts().0).try_into().unwrap();
            write_request_head(&head, framing, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(
            "http://a/b?c",
            Framing::None,
            "POST /b?c HTTP/1.1\r\nhost: a\r\n\r\n",
        );
        check(
            "/b",
            Framing::Sized(7),
            "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\n",
        );
        check(
            "*",
            Framing::Chunked,
            "POST * HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        );
    }
}

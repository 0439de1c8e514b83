//! Interim answers (RFC 9110 section 15.2), such as 103 with hints of what to load: passed on to clients while their request
//! is in work.
//!
//! HTTP/1.0 has none: there they are left out. So are 100, which is the proxy's own to say, and 101, which is final. Hints
//! that a client of HTTP/1.1 does not take in time are sent in front of its answer; over HTTP/2 they are frames of the stream.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response, StatusCode, Version};

use crate::proxy::{
    head::ResponseHead,
    http1::{Framing, Persistence, write_response_head},
};

/// How interim answers reach the client of a request.
pub(crate) enum Interim {
    /// Through the connection's [`Hints`].
    Connection,
    /// Over the request's stream.
    Stream(Rc<RefCell<SendResponse<Bytes>>>),
}

impl Interim {
    /// Whether it takes an answer of this status.
    pub(crate) fn takes(&self, status: StatusCode, hints: &RefCell<Hints>) -> bool {
        match self {
            Self::Connection => hints.borrow().takes(status),
            Self::Stream(_) => is_passed_on(status),
        }
    }

    /// Says `head`; what is beyond `most` bytes for one request on a connection is left out.
    pub(crate) fn say(&self, head: ResponseHead, most: usize, hints: &RefCell<Hints>) {
        match self {
            Self::Connection => hints.borrow_mut().add(&head, most),
            Self::Stream(respond) => {
                let head = Response::from_parts(head.into_parts(HeaderMap::new()), ());
                if let Err(error) = respond.borrow_mut().send_informational(head) {
                    tracing::debug!(%error, "an interim answer cannot be sent over HTTP/2");
                }
            }
        }
    }
}

/// Whether an interim answer is for the client: 100 is the proxy's own to say, and 101 is final.
fn is_passed_on(status: StatusCode) -> bool {
    status.is_informational()
        && status != StatusCode::CONTINUE
        && status != StatusCode::SWITCHING_PROTOCOLS
}

/// What is to be said to one client of interim answers.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    is_open: bool,
    waiting: Vec<u8>,
    said: usize,
    /// Bytes of the request in work's, said ones included.
    total: usize,
}

impl Hints {
    /// A request begins, of a client that speaks `version`.
    pub(crate) fn open(&mut self, version: Version) {
        self.is_open = version == Version::HTTP_11;
        self.total = 0;
    }

    /// The answer begins.
    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }

    /// Whether an interim answer of this status can be passed on.
    pub(crate) fn takes(&self, status: StatusCode) -> bool {
        self.is_open && is_passed_on(status)
    }

    /// Adds one; beyond `most` bytes for one request it is left out.
    pub(crate) fn add(&mut self, head: &ResponseHead, most: usize) {
        let before = self.waiting.len();
        let goes_on = Persistence::KeepAlive;
        write_response_head(head, Framing::None, goes_on, b"", &mut self.waiting);
        let added = self.waiting.len() - before;
        if self.total + added > most {
            self.waiting.truncate(before);
            return;
        }
        self.total += added;
    }

    /// Whether nothing waits to be said.
    pub(crate) const fn is_empty(&self) -> bool {
        self.said == self.waiting.len()
    }

    /// What waits to be said.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.waiting[self.said..]
    }

    /// The client took so many bytes.
    pub(crate) fn said(&mut self, count: usize) {
        self.said += count;
        if self.is_empty() {
            self.waiting.clear();
            self.said = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint() -> ResponseHead {
        let mut head = ResponseHead::new(StatusCode::EARLY_HINTS);
        let link = crate::proxy::head::names::LINK;
        head.headers.append(link, b"</a.css>; rel=preload");
        head
    }

    #[test]
    fn only_interim_answers_that_the_client_understands_are_taken() {
        let mut hints = Hints::default();
        assert!(!hints.takes(StatusCode::EARLY_HINTS));
        hints.open(Version::HTTP_10);
        assert!(!hints.takes(StatusCode::EARLY_HINTS));
        hints.open(Version::HTTP_11);
        assert!(hints.takes(StatusCode::EARLY_HINTS));
        assert!(!hints.takes(StatusCode::CONTINUE));
        assert!(!hints.takes(StatusCode::SWITCHING_PROTOCOLS));
        assert!(!hints.takes(StatusCode::OK));
    }

    #[test]
    fn what_is_over_the_limit_is_left_out_whole() {
        let mut hints = Hints::default();
        hints.open(Version::HTTP_11);
        hints.add(&hint(), 100);
        let text = String::from_utf8(hints.as_bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
        );
        hints.said(4);
        hints.add(&hint(), 100);
        assert_eq!(hints.as_bytes(), &text.as_bytes()[4..]);
        hints.said(text.len() - 4);
        assert!(hints.is_empty());
        hints.add(&hint(), 100);
        assert!(hints.is_empty(), "the limit is on all of a request's");
    }
}

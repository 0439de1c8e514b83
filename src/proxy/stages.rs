//! The stages of a request, to be called one by one: for `benches/micro.rs` and the fuzz targets, which stand outside the
//! crate.
//!
//! Nothing in the proxy calls this and nobody else may: it follows the code that it leads to, without notice.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Version};

use crate::{
    measure::Rejection,
    plan::Plan,
    proxy::{
        head::{
            BodyFraming, ClientScheme, Destination, HeadLimits, Peer, Protocol, RequestHead,
            ResponseContext, ResponseHead, finish_response, host_sent, translate,
        },
        http1::{
            BodyReader, Framing, Part, Persistence, RequestReader, Scanned, read_response,
            write_request_head, write_response_head,
        },
        request::Intake,
    },
    split::{Assignment, SplitTable},
    units::{Side, Timestamp},
};

pub use crate::proxy::{
    connection::{Announced, announced},
    upstream::{IdleConnections, choose},
};

/// Reads the request heads of one HTTP/1 connection.
#[derive(Debug)]
pub struct Reader(RequestReader);

/// A request that was taken in.
#[derive(Debug)]
pub struct Request(Intake);

impl Reader {
    /// Before the first head.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self(RequestReader::new(limits))
    }

    /// The head that `bytes` begin with; `None` where that is none, or no whole one.
    pub fn read(&mut self, bytes: &[u8]) -> Option<RequestHead> {
        match self.0.read(bytes).ok()? {
            Scanned::Complete(_, read) => Some(read.head),
            Scanned::Partial => None,
        }
    }

    /// As [`Reader::read`], with the head's length, what tells where its body ends, and why it is refused.
    ///
    /// # Errors
    /// The reason to refuse it.
    pub fn read_on(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(usize, RequestHead, Body)>, Rejection> {
        Ok(match self.0.read(bytes)? {
            Scanned::Complete(length, read) => Some((length, read.head, Body(read.body))),
            Scanned::Partial => None,
        })
    }
}

/// Finds the end of one body.
#[derive(Debug)]
pub struct Body(BodyReader);

/// What stands next in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of it.
    Data(Bytes),
    /// What follows it; the end.
    Trailers(HeaderMap),
    /// The end.
    End,
    /// More bytes are needed.
    More,
    /// The framing is broken.
    Broken,
}

impl Body {
    /// Takes the next piece from the front of `bytes`.
    pub fn read(&mut self, bytes: &mut BytesMut, limits: &HeadLimits) -> Piece {
        match self.0.read(bytes, limits) {
            Ok(Part::Data(data)) => Piece::Data(data),
            Ok(Part::Trailers(trailers)) => Piece::Trailers(trailers),
            Ok(Part::End) => Piece::End,
            Ok(Part::More) => Piece::More,
            Err(_fault) => Piece::Broken,
        }
    }
}

impl Request {
    /// Takes a head in, and rewrites it to what every endpoint shall see; `None` where it is refused.
    pub fn take_in(
        plan: &Plan,
        peer: Peer,
        head: &mut RequestHead,
        table: &SplitTable,
        now: Timestamp,
    ) -> Option<Self> {
        Intake::new(plan, peer, head, table, now).ok().map(Self)
    }

    /// Its side.
    #[must_use]
    pub fn assign(&self, table: &SplitTable) -> Assignment {
        self.0.assign(table)
    }

    /// Rewrites the head for an HTTP/1.1 endpoint of `side`.
    pub fn address(&self, plan: &Plan, side: Side, head: &mut RequestHead) {
        let destination = Destination {
            protocol: Protocol::H1,
            scheme: ClientScheme::Http,
            authority: host_sent(&plan.upstreams[side].host, &self.0.authority),
        };
        translate(head, &self.0.hop, destination, BodyFraming::Empty);
    }

    /// Rewrites an answer's head for the client.
    pub fn answer(&self, plan: &Plan, side: Side, head: &mut ResponseHead) {
        let context = ResponseContext {
            client: &self.0.client,
            authority: &self.0.authority,
            host: &plan.upstreams[side].host,
            forwarding: &plan.forwarding,
            set_cookie: None,
            reveals: None,
            version: Version::HTTP_11,
        };
        finish_response(head, &context);
    }
}

/// Writes the head of a request without a body.
pub fn encode_request(head: &RequestHead, out: &mut Vec<u8>) {
    write_request_head(head, Framing::None, out);
}

/// The head of an answer to `request`; `None` where `bytes` do not begin with a whole one.
#[must_use]
pub fn read_answer(
    bytes: &[u8],
    request: &RequestHead,
    limits: &HeadLimits,
) -> Option<ResponseHead> {
    let read = read_response(bytes, &request.method, limits).ok()??;
    Some(read.1.head)
}

/// As [`read_answer`], with the head's length and what tells where its body ends; a refused one is no answer either.
#[must_use]
pub fn read_answer_on(
    bytes: &[u8],
    method: &Method,
    limits: &HeadLimits,
) -> Option<(usize, ResponseHead, Body)> {
    let (length, read) = read_response(bytes, method, limits).ok()??;
    Some((length, read.head, Body(read.body)))
}

/// Writes the head of an answer with a body of so many bytes; `date` is the line to add.
pub fn encode_answer(head: &ResponseHead, length: u64, date: &[u8], out: &mut Vec<u8>) {
    let framing = Framing::Sized(length);
    write_response_head(head, framing, Persistence::KeepAlive, date, out);
}

//! A response's body on its way from an endpoint, which gives its connection back when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::proxy::upstream::{
    endpoint::InFlight,
    error::{BreakKind, UpstreamBodyError},
    lease::Held,
    pool::Connection,
};

/// The body of a response. Dropped before its end, it closes its connection (HTTP/1.1) or resets its stream (HTTP/2).
///
/// With a 101 it is empty, and counts the tunnel as a request in flight for as long as it is kept.
#[derive(Debug)]
pub(crate) struct UpstreamBody<B> {
    incoming: Incoming,
    hold: Hold<B>,
}

#[derive(Debug)]
enum Hold<B> {
    /// The exchange goes on.
    Exchange(Held<B>),
    /// The socket is a tunnel's.
    Tunnel { _in_flight: InFlight<B> },
    /// Nothing is held any more.
    Ended,
}

impl<B> UpstreamBody<B> {
    /// The body of a response with `status`, on what is `held` for it.
    pub(crate) fn new(incoming: Incoming, held: Held<B>, status: StatusCode) -> Self {
        let hold = match held {
            Held {
                connection: Connection::Http1(connection),
                in_flight,
            } if status == StatusCode::SWITCHING_PROTOCOLS => {
                connection.hand_over();
                Hold::Tunnel {
                    _in_flight: in_flight,
                }
            }
            held => Hold::Exchange(held),
        };
        let mut body = Self { incoming, hold };
        if body.incoming.is_end_stream() {
            body.end();
        }
        body
    }

    /// The body came to its end.
    fn end(&mut self) {
        if let Hold::Exchange(_) = self.hold
            && let Hold::Exchange(held) = std::mem::replace(&mut self.hold, Hold::Ended)
        {
            held.give_back();
        }
    }
}

impl<B> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.incoming).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Whoever knows the length does not ask again after the last byte.
                if this.incoming.is_end_stream() {
                    this.end();
                }
                Some(Ok(frame))
            }
            None => {
                this.end();
                None
            }
            Some(Err(source)) => {
                this.hold = Hold::Ended;
                let kind = BreakKind::of(&source);
                Some(Err(UpstreamBodyError { kind, source }))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

//! The body of a request that comes over a stream of HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};

/// A request's body. A stream that the client resets is a body that breaks, whatever the client says is the reason.
pub(crate) struct Incoming {
    stream: RecvStream,
    /// Bytes still to come, where the client says how many; h2 holds it to that (RFC 9113 section 8.1.1).
    left: Option<u64>,
    reads: Reads,
}

/// What of it is read.
enum Reads {
    Pieces,
    Trailers,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        Self {
            stream,
            left: length.and_then(|it| it.parse().ok()),
            reads: Reads::Pieces,
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let piece = ready!(self.stream.poll_data(cx)?);
        let Some(piece) = piece else {
            return Poll::Ready(None);
        };
        // The piece goes on at once, and the next one is asked for when that was taken.
        self.stream.flow_control().release_capacity(piece.len())?;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.map(|it| it.saturating_sub(length));
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Reads::Pieces = self.reads {
            if let Some(piece) = ready!(self.poll_piece(cx)) {
                return Poll::Ready(Some(piece.map(Frame::data)));
            }
            self.reads = Reads::Trailers;
        }
        let trailers = ready!(self.stream.poll_trailers(cx)?);
        Poll::Ready(trailers.map(|it| Ok(Frame::trailers(it))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

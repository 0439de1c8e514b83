//! A request's body on its way to an endpoint, watched for how it ends.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// How far a request's body has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More of it is to come; if nobody reads it any more, it was cut short.
    Going,
    /// It was handed over to its end.
    Ended,
    /// It failed by itself: the client broke it off.
    Failed,
}

/// The body `B` with its [`Progress`] told to the exchange that it belongs to.
#[derive(Debug)]
pub(crate) struct Upload<B> {
    body: B,
    progress: Rc<Cell<Progress>>,
}

impl<B: Body> Upload<B> {
    /// Watches `body`; `progress` may have belonged to an earlier exchange of the same connection.
    pub(crate) fn new(body: B, progress: Rc<Cell<Progress>>) -> Self {
        progress.set(if body.is_end_stream() {
            Progress::Ended
        } else {
            Progress::Going
        });
        Self { body, progress }
    }

    /// The body as it was given.
    pub(crate) fn into_inner(self) -> B {
        self.body
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Upload<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            None => this.progress.set(Progress::Ended),
            // Whoever knows the length does not ask again after the last byte.
            Some(Ok(frame))
                if frame.is_trailers()
                    || this.body.is_end_stream()
                    || this.body.size_hint().exact() == Some(0) =>
            {
                this.progress.set(Progress::Ended);
            }
            Some(Ok(_)) => (),
            Some(Err(_)) => this.progress.set(Progress::Failed),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

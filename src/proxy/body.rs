//! The two bodies of a request, streamed with back-pressure: a piece is read only when the other end takes it.

mod grpc;

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use thiserror::Error;

use crate::{
    measure::Class,
    proxy::{
        connection::{Client, Incoming},
        exchange::{Exchange, Hold},
        head::{
            ResponseHead, X_CHANGEOVER_ERROR,
            names::{GRPC_STATUS, X_CHANGEOVER_SIDE},
            strip_trailers,
        },
        holdings::Holding,
        http1::BodyFault,
        pipe::{Fill, Pipe},
        shadow::Tap,
        upstream::UpstreamBody,
        worker::Worker,
    },
    shadow::Kept,
};

pub(crate) use grpc::{is_grpc, status_class};

/// A request's body on its way to an endpoint.
pub(crate) struct Upload(Option<Source>);

struct Source {
    incoming: ClientBody,
    /// What the client's stream may hold, where it is one of many on a connection.
    potential: Option<Potential>,
    exchange: Rc<Exchange>,
    /// Where it is kept for a copy.
    kept: Option<Rc<RefCell<Kept>>>,
}

/// A request's body as it comes from the client.
pub(crate) enum ClientBody {
    /// There is none.
    Empty,
    /// Read from the connection that it is the only one on.
    Http1(Rc<Client>),
    /// Of one stream.
    Http2(Incoming),
}

/// Why a client's body ended before its end.
#[derive(Debug, Error)]
pub(crate) enum ClientFault {
    /// The connection broke.
    #[error("read from the client")]
    Io(#[source] io::Error),
    /// The client closed its connection.
    #[error("the client closed its connection")]
    Truncated,
    /// The framing is broken.
    #[error(transparent)]
    Framing(#[from] BodyFault),
    /// The stream was reset, or its connection broke.
    #[error("read from the client's stream")]
    Http2(#[source] h2::Error),
}

/// Why a body ended before its end.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The client broke the request's body.
    #[error("the client broke the request's body")]
    Client(#[source] ClientFault),
    /// The endpoint broke the response's body.
    #[error("the endpoint broke the response's body")]
    Endpoint,
    /// The endpoint sent nothing for longer than the limit.
    #[error("the endpoint sent nothing for too long")]
    Overdue,
}

impl Upload {
    /// No body.
    pub(crate) const fn empty() -> Self {
        Self(None)
    }

    /// The client's body.
    pub(crate) fn new(incoming: ClientBody, exchange: Rc<Exchange>) -> Self {
        let potential = match &incoming {
            ClientBody::Empty | ClientBody::Http1(_) => None,
            ClientBody::Http2(_) => Some(Potential::of(exchange.worker())),
        };
        let all = incoming.size_hint();
        potential.iter().for_each(|it| it.unread(&all));
        Self(Some(Source {
            incoming,
            potential,
            exchange,
            kept: None,
        }))
    }

    /// What passes is kept for a copy.
    pub(crate) fn kept_by(mut self, kept: Option<Rc<RefCell<Kept>>>) -> Self {
        if let Some(source) = &mut self.0 {
            source.kept = kept;
        }
        self
    }
}

impl Fill for ClientBody {
    type Fault = ClientFault;

    fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, ClientFault>>> {
        match self {
            Self::Http1(client) => client.poll_fill(pipe, cx),
            Self::Empty | Self::Http2(_) => Poll::Ready(None),
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ClientFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFault>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Http1(client) => client.poll_body(cx),
            Self::Http2(incoming) => {
                let frame = Pin::new(incoming).poll_frame(cx);
                frame.map(|it| it.map(|it| it.map_err(ClientFault::Http2)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(client) => client.is_body_ended(),
            Self::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(client) => client.body_size_hint(),
            Self::Http2(incoming) => incoming.size_hint(),
        }
    }
}

impl Fill for Upload {
    type Fault = BodyError;

    fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, BodyError>>> {
        let Some(source) = &mut self.0 else {
            return Poll::Ready(None);
        };
        if source.kept.is_some() {
            return Poll::Ready(None); // What moves within the kernel is not seen here.
        }
        let Poll::Ready(moved) = source.incoming.poll_fill(pipe, cx) else {
            source.exchange.upload_awaits_client();
            return Poll::Pending;
        };
        Poll::Ready(moved.map(|moved| match moved {
            Ok(count) => {
                source.passed(u64::try_from(count).unwrap_or(u64::MAX));
                Ok(count)
            }
            Err(error) => {
                source.exchange.upload_broke();
                Err(BodyError::Client(error))
            }
        }))
    }
}

impl Source {
    /// So many bytes are on their way.
    fn passed(&self, bytes: u64) {
        self.exchange.upload_passed(bytes);
        if is_complete(&self.incoming) {
            self.exchange.upload_ended();
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(source) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let exchange = &source.exchange;
        let frame = Pin::new(&mut source.incoming).poll_frame(cx);
        if let Some(potential) = &source.potential {
            potential.polled(&frame, &source.incoming);
        }
        match frame {
            Poll::Pending => {
                exchange.upload_awaits_client();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    let limits = exchange.worker().limits();
                    strip_trailers(trailers, limits.underscores);
                }
                if let (Some(kept), Some(piece)) = (&source.kept, frame.data_ref()) {
                    kept.borrow_mut().push(piece);
                }
                source.passed(length(&frame));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                exchange.upload_broke();
                Poll::Ready(Some(Err(BodyError::Client(error))))
            }
            Poll::Ready(None) => {
                exchange.upload_ended();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(source) => source.incoming.size_hint(),
        }
    }
}

/// An answer for a client.
pub(crate) struct Reply {
    pub(crate) head: ResponseHead,
    pub(crate) body: ReplyBody,
}

/// A response's body on its way to the client.
pub(crate) struct ReplyBody(Kind);

enum Kind {
    /// An answer of our own.
    Own(Full<Bytes>),
    /// An endpoint's.
    Relayed(Box<Relayed>),
}

/// An endpoint's body with what its end decides.
pub(crate) struct Relayed {
    pub(crate) body: UpstreamBody<Upload>,
    pub(crate) hold: Hold,
    /// What the response is counted as when its body ends well.
    pub(crate) class: Class,
    /// Whether a status in the trailers can make it an error still.
    pub(crate) is_grpc: bool,
    /// What is kept of it for a copy.
    pub(crate) tap: Option<Box<Tap>>,
    /// What it may hold, where the endpoint sends without being asked.
    pub(crate) potential: Option<Potential>,
}

/// What a body may hold whose sender fills it though nobody reads it, as streams of HTTP/2 are: as much as was asked for, until
/// it is seen to be empty.
pub(crate) struct Potential {
    holding: Holding,
    window: usize,
}

impl Potential {
    /// Of a body on this worker.
    pub(crate) fn of(worker: &Worker) -> Self {
        Self {
            holding: worker.buffers.holding(),
            window: worker.limits().buffer_bytes,
        }
    }

    /// So much of it is to come, and may be here already.
    fn unread(&self, left: &SizeHint) {
        let left = left.upper().and_then(|it| usize::try_from(it).ok());
        let most = left.map_or(self.window, |it| it.min(self.window));
        self.holding.set(most);
    }

    /// It was read, with this result.
    fn polled<T>(&self, frame: &Poll<Option<T>>, body: &impl Body) {
        match frame {
            Poll::Ready(Some(_)) if !body.is_end_stream() => self.unread(&body.size_hint()),
            Poll::Ready(_) | Poll::Pending => self.holding.set(0),
        }
    }
}

impl ReplyBody {
    /// A text of our own.
    pub(crate) fn text(text: &'static str) -> Self {
        Self(Kind::Own(Full::new(Bytes::from_static(text.as_bytes()))))
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self(Kind::Own(Full::default()))
    }

    /// An endpoint's body. One that is at its end already is the outcome at once, since nobody will poll it.
    pub(crate) fn relay(mut relayed: Relayed) -> Self {
        if relayed.body.is_end_stream() {
            relayed.end();
            return Self::empty();
        }
        if relayed.is_complete() {
            relayed.end();
        }
        Self(Kind::Relayed(Box::new(relayed)))
    }

    /// Lets the request's body go on while nobody takes more of this one.
    pub(crate) fn upload(&mut self, cx: &mut Context<'_>) {
        if let Kind::Relayed(relayed) = &mut self.0 {
            relayed.body.upload(cx);
        }
    }
}

impl Relayed {
    /// Whether nothing that is still to come can change the outcome: a gRPC status in the trailers can.
    fn is_complete(&self) -> bool {
        self.body.is_end_stream() || (!self.is_grpc && is_complete(&self.body))
    }

    fn end(&mut self) {
        self.hold.finish(self.class);
        self.hold.leave_reader();
        if let Some(tap) = self.tap.take() {
            tap.finish(self.hold.upload());
        }
    }

    /// So many bytes are on their way to the client.
    fn passed(&mut self, bytes: u64) {
        self.hold.download_passed(bytes);
        if self.is_complete() {
            self.end();
        }
    }

    /// The endpoint has no piece ready; an error once that is overdue.
    fn poll_overdue(&self, cx: &Context<'_>) -> Poll<BodyError> {
        self.hold.poll_download(cx).map(|_| {
            self.hold.finish(Class::Timeout);
            BodyError::Overdue
        })
    }

    fn broke(&self, error: &dyn std::error::Error) -> BodyError {
        tracing::debug!(%error, "a response broke off");
        self.hold.finish(Class::Reset);
        BodyError::Endpoint
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) {
        // Ours alone to say, as in the head.
        trailers.remove(X_CHANGEOVER_ERROR.as_str());
        trailers.remove(X_CHANGEOVER_SIDE.as_str());
        if self.is_grpc {
            let status = trailers.get(GRPC_STATUS.as_str());
            self.class = status_class(status.map(HeaderValue::as_bytes)).unwrap_or(self.class);
        }
    }
}

impl Fill for ReplyBody {
    type Fault = BodyError;

    fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, BodyError>>> {
        let Kind::Relayed(relayed) = &mut self.0 else {
            return Poll::Ready(None);
        };
        if relayed.tap.is_some() {
            return Poll::Ready(None); // What moves within the kernel is not seen here.
        }
        match relayed.body.poll_fill(pipe, cx) {
            Poll::Pending => relayed.poll_overdue(cx).map(|it| Some(Err(it))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(count))) => {
                relayed.passed(u64::try_from(count).unwrap_or(u64::MAX));
                Poll::Ready(Some(Ok(count)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(relayed.broke(&error)))),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let relayed = match &mut self.0 {
            Kind::Own(own) => {
                let frame = Pin::new(own).poll_frame(cx);
                return frame.map(|it| it.map(|it| it.map_err(|never| match never {})));
            }
            Kind::Relayed(relayed) => relayed,
        };
        let frame = Pin::new(&mut relayed.body).poll_frame(cx);
        if let Some(potential) = &relayed.potential {
            potential.polled(&frame, &relayed.body);
        }
        match frame {
            Poll::Pending => relayed.poll_overdue(cx).map(|it| Some(Err(it))),
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    relayed.trailers(trailers);
                }
                if let (Some(tap), Some(piece)) = (&mut relayed.tap, frame.data_ref()) {
                    tap.keep(piece);
                    drop(relayed.tap.take_if(|it| it.is_late()));
                }
                relayed.passed(length(&frame));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(relayed.broke(&error)))),
            Poll::Ready(None) => {
                relayed.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(own) => own.is_end_stream(),
            Kind::Relayed(relayed) => relayed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(own) => own.size_hint(),
            Kind::Relayed(relayed) => relayed.body.size_hint(),
        }
    }
}

/// Whether the last byte has passed. Over HTTP/2 the end itself may come later, in a frame of its own, and a writer of
/// HTTP/1 that knows the length does not ask for it any more.
pub(crate) fn is_complete(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

fn length(frame: &Frame<Bytes>) -> u64 {
    let bytes = frame.data_ref().map_or(0, Bytes::len);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

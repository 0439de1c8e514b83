//! A client's HTTP/2 connection: many requests at once, each with a deadline of its own.

mod frames;
mod guard;

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::http2::{self, Builder},
    service::{HttpService, service_fn},
};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::AsyncWriteExt;

use self::guard::{Guard, Watch};

use super::http1::throw_away;
use crate::{
    measure::Rejection,
    plan::Limits,
    proxy::{
        body::{ClientBody, ReplyBody},
        buffers::window,
        connection::Connection,
        head::RequestHead,
        relay::{Visit, refuse, relay, take_in},
        wheel::{Deadline, Wait},
        wire::Wire,
    },
};

/// Streams' worth of buffer that one connection may fill at once; the rest waits for the client's window.
const STREAMS_BUFFERED: usize = 16;

/// Streams that the proxy itself resets for what a client does wrong on one connection, before that is ended.
const RESETS_MAX: usize = 100;

/// hyper's side of a connection.
type ServedBy<S> = http2::Connection<TokioIo<Guard>, S, Streams>;

/// The streams of one connection: where hyper gives its streams to, each of which becomes a task.
#[derive(Clone)]
struct Streams(Rc<Inner>);

struct Inner {
    connection: Rc<Connection>,
    open: Cell<usize>,
    /// The deadline of the request that hyper has just made a stream of.
    next: RefCell<Option<Rc<Deadline>>>,
}

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Rc<Connection>, wire: Wire) {
    let streams = Streams(Rc::new(Inner {
        connection: Rc::clone(&connection),
        open: Cell::new(0),
        next: RefCell::new(None),
    }));
    let service = service_fn(|request| streams.answer(request));
    let builder = builder(streams.clone(), &connection.worker.limits());
    connection.deadline.wait(Wait::Stream);
    let guard = Guard::new(Rc::clone(&connection), wire);
    let watch = guard.watch();
    let served = drive(
        &connection,
        &watch,
        builder.serve_connection(TokioIo::new(guard), service),
    );
    if let Err(error) = served.await {
        tracing::debug!(%error, "a client's connection broke");
    }
    let flooded = watch.flooded.take();
    if let Some(mut wire) = flooded {
        let farewell = async {
            wire.shutdown().await?;
            throw_away(&mut wire).await;
            Ok::<_, io::Error>(())
        };
        // Read and thrown away for a moment: a socket closed over unread bytes takes the GOAWAY along.
        let seen_off = connection.deadline.within(Wait::Farewell, farewell).await;
        tracing::debug!(?seen_off, "a client that flooded its connection is gone");
    }
}

/// Drives the connection to its end.
async fn drive<S>(
    connection: &Connection,
    watch: &Watch,
    serving: ServedBy<S>,
) -> Result<(), hyper::Error>
where
    S: HttpService<Incoming, ResBody = ReplyBody, Error = Infallible>,
    S::Future: 'static,
{
    let mut serving = pin!(serving);
    let mut is_told = false;
    poll_fn(|cx| {
        if connection.is_draining() && !is_told {
            is_told = true;
            serving.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(served) = serving.as_mut().poll(cx) {
            return Poll::Ready(served);
        }
        if watch.head.poll_passed(cx).is_ready() {
            connection.worker.recorder.reject(Rejection::HeadTimeout);
            return Poll::Ready(Ok(()));
        }
        match connection.deadline.poll_passed(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Wait::Stream) => {
                // No stream for too long. GOAWAY is followed by a second one a round trip later, so a stream on its
                // way is still served.
                is_told = true;
                serving.as_mut().graceful_shutdown();
                connection.deadline.wait(Wait::Farewell);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(_) => Poll::Ready(Ok(())),
        }
    })
    .await
}

fn builder(streams: Streams, limits: &Limits) -> Builder<Streams> {
    let stream_window = limits.buffer_bytes;
    let connection_window = stream_window.saturating_mul(STREAMS_BUFFERED);
    let mut builder = Builder::new(streams);
    builder
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(window(stream_window))
        .initial_connection_window_size(window(connection_window))
        .max_send_buf_size(stream_window)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    builder
}

impl Streams {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ReplyBody>, Infallible>> + use<> {
        let connection = Rc::clone(&self.0.connection);
        let deadline = Rc::new(connection.worker.wheel.place());
        self.0.next.replace(Some(Rc::clone(&deadline)));
        let visit = Visit {
            connection,
            deadline,
        };
        async {
            let (head, body) = request.into_parts();
            let head = RequestHead::try_from(head).map_err(|reason| refuse(&visit, reason));
            let taken = head.and_then(|it| take_in(&visit, it, ClientBody::Http2(body)));
            let reply = match taken {
                Ok(taken) => relay(visit, taken).await,
                Err(refusal) => refusal,
            };
            Ok(Response::from_parts(reply.head.into_parts(), reply.body))
        }
    }
}

/// hyper calls the service and gives the stream made of its answer to this in one go.
impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let deadline = self.0.next.take();
        let seat = StreamSeat::new(Rc::clone(&self.0));
        tokio::task::spawn_local(Stream {
            future,
            deadline,
            _seat: seat,
        });
    }
}

pin_project! {
    /// One stream, which is reset when what it waits for is overdue and nobody answers for that.
    struct Stream<F> {
        #[pin]
        future: F,
        deadline: Option<Rc<Deadline>>,
        _seat: StreamSeat,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match this.deadline {
            Some(deadline) => deadline.poll_passed(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }
}

/// Counts a stream: a connection without any waits for the next one, and not for ever.
struct StreamSeat(Rc<Inner>);

impl StreamSeat {
    fn new(inner: Rc<Inner>) -> Self {
        inner.open.set(inner.open.get() + 1);
        inner.connection.deadline.wait(Wait::Nothing);
        Self(inner)
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        if left == 0 {
            self.0.connection.deadline.wait(Wait::Stream);
        }
    }
}

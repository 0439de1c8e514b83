//! A client's HTTP/2 connection: many requests at once, each with a deadline of its own.

mod crew;
mod guard;
mod incoming;
mod stream;

pub(crate) use crew::Crew;
pub(crate) use incoming::Incoming;

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::server::{Builder, Connection as Session, Handshake};
use tokio::io::AsyncWriteExt;

use self::{
    guard::{Guard, Watch},
    stream::Stream,
};

use super::http1::throw_away;
use crate::{
    measure::Rejection,
    plan::Limits,
    proxy::{buffers::window, connection::Connection, wheel::Wait, wire::Wire},
};

/// Streams' worth of buffer that one connection may fill at once; the rest waits for the client's window.
const STREAMS_BUFFERED: usize = 16;

/// Streams that the proxy itself resets for what a client does wrong on one connection, before that is ended.
const RESETS_MAX: usize = 100;

/// How far the connection is.
enum Phase {
    Greeting(Handshake<Guard, Bytes>),
    Open(Session<Guard, Bytes>),
}

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Rc<Connection>, wire: Wire) {
    let guard = Guard::new(Rc::clone(&connection), wire);
    let watch = guard.watch();
    let greeting = builder(&connection.worker.limits()).handshake(guard);
    connection.deadline.wait(Wait::Stream);
    if let Err(error) = drive(&connection, &watch, greeting).await {
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
async fn drive(
    connection: &Rc<Connection>,
    watch: &Watch,
    greeting: Handshake<Guard, Bytes>,
) -> Result<(), h2::Error> {
    let streams = Rc::new(Streams {
        connection: Rc::clone(connection),
        open: Cell::new(0),
    });
    let mut phase = Phase::Greeting(greeting);
    let mut is_told = false;
    poll_fn(|cx| {
        if let Poll::Ready(served) = phase.poll(&streams, cx) {
            return Poll::Ready(served);
        }
        if let Phase::Open(session) = &mut phase
            && connection.is_to_leave()
            && !is_told
        {
            is_told = true;
            session.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if watch.head.poll_passed(cx).is_ready() {
            connection.worker.recorder.reject(Rejection::HeadTimeout);
            return Poll::Ready(Ok(()));
        }
        match (connection.deadline.poll_passed(cx), &mut phase) {
            (Poll::Pending, _) => Poll::Pending,
            (Poll::Ready(Wait::Stream), Phase::Open(session)) => {
                // No stream for too long. GOAWAY is followed by a second one a round trip later, so a stream on its
                // way is still served.
                is_told = true;
                session.graceful_shutdown();
                connection.deadline.wait(Wait::Farewell);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (Poll::Ready(_), _) => Poll::Ready(Ok(())),
        }
    })
    .await
}

impl Phase {
    /// Greets the client and takes its streams in; ready once the connection has ended.
    fn poll(&mut self, streams: &Rc<Streams>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            match self {
                Self::Greeting(greeting) => match Pin::new(greeting).poll(cx)? {
                    Poll::Ready(session) => *self = Self::Open(session),
                    Poll::Pending => return Poll::Pending,
                },
                Self::Open(session) => match session.poll_accept(cx)? {
                    Poll::Ready(Some((request, respond))) => {
                        streams.take_in(request, respond);
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder {
    let stream_window = limits.buffer_bytes;
    let connection_window = stream_window.saturating_mul(STREAMS_BUFFERED);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .initial_window_size(window(stream_window))
        .initial_connection_window_size(window(connection_window))
        .max_send_buffer_size(stream_window)
        .max_local_error_reset_streams(Some(RESETS_MAX))
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    builder
}

/// The streams of one connection.
struct Streams {
    connection: Rc<Connection>,
    open: Cell<usize>,
}

impl Streams {
    fn take_in(
        self: &Rc<Self>,
        request: http::Request<h2::RecvStream>,
        respond: h2::server::SendResponse<Bytes>,
    ) {
        let seat = StreamSeat::new(Rc::clone(self));
        let stream = Stream {
            request,
            respond,
            seat,
        };
        self.connection.worker.crew.serve(stream);
    }
}

/// Counts a stream: a connection without any waits for the next one, and not for ever.
struct StreamSeat(Rc<Streams>);

impl StreamSeat {
    fn new(streams: Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        streams.connection.deadline.wait(Wait::Nothing);
        Self(streams)
    }

    fn connection(&self) -> &Rc<Connection> {
        &self.0.connection
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

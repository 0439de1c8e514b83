//! One HTTP connection to an endpoint in hyper's codec: its sender, and the task that drives it.
//!
//! Whoever holds the last handle of a connection owns its task: dropping the handle ends the task and closes the
//! socket, whatever state the exchange is in.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::Body;
use hyper::{
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::{AbortHandle, spawn_local};

use crate::{
    plan::Limits,
    proxy::{
        buffers::{BUFFER_MIN, window},
        upstream::{
            error::DialError,
            guard::{Floods, Guard},
            http1::Http1,
            slots::Slots,
            socket::Socket,
            upload::{Progress, Upload},
        },
    },
};

/// How often an HTTP/2 connection with open streams is asked whether it still lives. A peer that vanished without a
/// word is otherwise noticed only by the time-outs of every single stream.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long the answer to such a question may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Response header fields for which hyper's parser needs no allocation.
const HEADERS_WITHOUT_ALLOCATION: usize = 100;

/// Ends a connection's task when dropped.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An HTTP/1.1 connection: one exchange at a time.
#[derive(Debug)]
pub(crate) struct HyperHttp1<B> {
    pub(crate) sender: http1::SendRequest<Upload<B>>,
    /// Of the exchange under way; one cell for all of the connection's exchanges.
    pub(crate) progress: Rc<Cell<Progress>>,
    driver: Option<Driver>,
}

impl<B> HyperHttp1<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Starts HTTP/1.1 on `socket`.
    pub(crate) async fn start(socket: Socket, limits: &Limits) -> Result<Self, DialError> {
        let mut builder = http1::Builder::new();
        builder
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.buffer_bytes.max(limits.head_bytes).max(BUFFER_MIN));
        if limits.headers != HEADERS_WITHOUT_ALLOCATION {
            builder.max_headers(limits.headers);
        }
        let started = builder.handshake(TokioIo::new(socket)).await;
        let (sender, connection) = started.map_err(DialError::Http)?;
        let task = spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an endpoint ended with an error");
            }
        });
        Ok(Self {
            sender,
            progress: Rc::new(Cell::new(Progress::Ended)),
            driver: Some(Driver(task.abort_handle())),
        })
    }
}

impl<B> HyperHttp1<B> {
    /// Whether the next request can be sent: the last exchange is over and nothing came in since.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the exchange ended cleanly on both sides, once its response has. The task may need another turn to
    /// become ready after the last byte of an upload, but an upload that still goes on makes the connection useless.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_ready() || (self.progress.get() == Progress::Ended && !self.is_closed())
    }

    /// Lets the task go on by itself: after a 101 it hands the socket over and ends.
    pub(crate) fn hand_over(mut self) {
        std::mem::forget(self.driver.take());
    }
}

/// An HTTP/1.1 connection in either codec: one exchange at a time.
#[derive(Debug)]
pub(crate) enum Http1Connection<B> {
    /// Ours. Boxed, since it is handed from hand to hand.
    Native(Box<Http1>),
    /// hyper's.
    Hyper(HyperHttp1<B>),
}

impl<B> Http1Connection<B> {
    /// Whether the next request can be sent.
    pub(crate) fn is_ready(&mut self) -> bool {
        match self {
            Self::Native(it) => it.is_ready(),
            Self::Hyper(it) => it.is_ready(),
        }
    }

    /// Whether it can never take a request again.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Native(it) => !it.is_idle(),
            Self::Hyper(it) => it.is_closed(),
        }
    }

    /// Whether the last exchange ended cleanly on both sides.
    pub(crate) fn is_reusable(&self) -> bool {
        match self {
            Self::Native(it) => it.is_idle(),
            Self::Hyper(it) => it.is_reusable(),
        }
    }
}

/// An HTTP/2 connection, shared by as many exchanges as it may have streams.
#[derive(Debug)]
pub(crate) struct Http2<B> {
    sender: http2::SendRequest<Upload<B>>,
    streams: Cell<u32>,
    /// The smaller of our limit and the endpoint's, which it may change at any time.
    streams_max: StreamsMax,
    is_retired: Cell<bool>,
    idle_since: Cell<Instant>,
    slots: Arc<Slots>,
    _drivers: (Driver, Driver),
}

impl<B> Http2<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Starts HTTP/2 on `socket`, one of the endpoint's connections counted in `slots`.
    pub(crate) async fn start(
        socket: Socket,
        limits: &Limits,
        slots: Arc<Slots>,
        floods: Rc<Floods>,
        now: Instant,
    ) -> Result<Rc<Self>, DialError> {
        let tasks = Tasks::default();
        let guarded = Guard::new(socket, limits.control_frames, floods);
        let started = builder(limits, tasks.clone())
            .handshake(TokioIo::new(guarded))
            .await;
        let (sender, connection) = started.map_err(DialError::Http)?;
        let connection_task = tasks.first.borrow_mut().take();
        let connection_task = connection_task.expect("the handshake spawned the connection's task");
        let requests = Rc::new(RefCell::new(connection));
        // The task alone owns it, so that senders learn of its end.
        let looked_at = Rc::downgrade(&requests);
        let request_task = spawn_local(async move {
            let ended = poll_fn(|cx| Pin::new(&mut *requests.borrow_mut()).poll(cx));
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a connection to an endpoint ended with an error");
            }
        });
        let limit = limits.streams;
        let streams_max = move || {
            looked_at.upgrade().map_or(0, |requests| {
                let allowed = u32::try_from(requests.borrow().current_max_send_streams());
                allowed.unwrap_or(limit).min(limit)
            })
        };
        Ok(Rc::new(Self {
            sender,
            streams: Cell::new(0),
            streams_max: StreamsMax(Box::new(streams_max)),
            is_retired: Cell::new(false),
            idle_since: Cell::new(now),
            slots,
            _drivers: (Driver(request_task.abort_handle()), Driver(connection_task)),
        }))
    }
}

fn builder(limits: &Limits, tasks: Tasks) -> http2::Builder<Tasks> {
    // Room for every stream to be full at once, so that one that nobody reads does not stop the others.
    let streams = usize::try_from(limits.streams).unwrap_or(usize::MAX);
    let connection_window = limits.buffer_bytes.saturating_mul(streams);
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .initial_stream_window_size(window(limits.buffer_bytes))
        .initial_connection_window_size(window(connection_window))
        .max_send_buf_size(limits.buffer_bytes)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    builder
}

impl<B> Http2<B> {
    /// Whether new exchanges may be started on it, now or when a stream becomes free.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_retired.get() && !self.sender.is_closed()
    }

    /// Takes no new exchange; closes when the last one under way has ended.
    pub(crate) fn retire(&self) {
        self.is_retired.set(true);
    }

    /// One of its streams, if one is free.
    pub(crate) fn open_stream(self: &Rc<Self>) -> Option<Stream<B>> {
        self.has_free_stream().then(|| self.first_stream())
    }

    /// The stream of the request for which the connection was opened.
    pub(crate) fn first_stream(self: &Rc<Self>) -> Stream<B> {
        self.streams.set(self.streams.get() + 1);
        Stream {
            sender: self.sender.clone(),
            connection: Rc::clone(self),
        }
    }

    /// Whether a stream is free.
    pub(crate) fn has_free_stream(&self) -> bool {
        self.is_open() && self.streams.get() < (self.streams_max.0)()
    }

    /// Since when it has had no stream; `None` while it has one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }
}

/// One stream of an HTTP/2 connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct Stream<B> {
    pub(crate) sender: http2::SendRequest<Upload<B>>,
    pub(crate) connection: Rc<Http2<B>>,
}

impl<B> Stream<B> {
    /// Gives the stream back at `now`, for the connection's idle time.
    pub(crate) fn finish(self, now: Instant) {
        self.connection.idle_since.set(now);
    }
}

impl<B> Drop for Stream<B> {
    fn drop(&mut self) {
        let streams = &self.connection.streams;
        debug_assert!(streams.get() > 0, "a stream is given back once");
        streams.set(streams.get().saturating_sub(1));
        self.connection.slots.wake_one();
    }
}

/// Reads how many streams may be open at once.
struct StreamsMax(Box<dyn Fn() -> u32>);

impl fmt::Debug for StreamsMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamsMax").field(&(self.0)()).finish()
    }
}

/// Runs hyper's tasks of one HTTP/2 connection on this worker. The first one is the connection itself and is owned by
/// it; those of its streams end with it.
#[derive(Clone, Debug, Default)]
struct Tasks {
    first: Rc<RefCell<Option<AbortHandle>>>,
    has_first: Rc<Cell<bool>>,
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        let task = spawn_local(future);
        if !self.has_first.replace(true) {
            *self.first.borrow_mut() = Some(task.abort_handle());
        }
    }
}

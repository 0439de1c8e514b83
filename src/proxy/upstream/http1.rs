//! One HTTP/1.1 connection to an endpoint, in our own codec: no task of its own and no channel, so an exchange is polled by
//! the request that it belongs to.
//!
//! ```text
//! Idle ──send──▶ Busy ──both bodies ended cleanly, nothing behind them──▶ Idle
//!                  └──anything else──▶ Spent
//! ```

use std::{
    error::Error,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::coop::unconstrained,
};

use crate::{
    plan::Limits,
    proxy::{
        buffers::Buffers,
        head::{
            HeadLimits, RequestHead, ResponseHead, Underscores,
            names::{CONTENT_LENGTH, TRANSFER_ENCODING},
        },
        holdings::Holding,
        http1::{
            BodyReader, Framing, Part, ReadResponse, Trailers, WriteError, Writer, parse_length,
            read_response, write_request_head,
        },
        pipe::{Flow, Pipe},
        upstream::{
            error::{ExchangeFault, SendError},
            socket::Socket,
        },
    },
};

/// Answers before the final one that an endpoint may give to one request.
const INTERIM_MAX: u8 = 16;

/// A connection that takes one exchange at a time.
#[derive(Debug)]
pub(crate) struct Http1 {
    socket: Socket,
    /// Read, but not used yet.
    ahead: BytesMut,
    /// So many bytes of a response head were found not to end it.
    looked: usize,
    buffers: Rc<Buffers>,
    limits: HeadLimits,
    buffer_bytes: usize,
    state: State,
    /// What is read ahead.
    holding: Holding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next request may be sent.
    Idle,
    /// An exchange is under way.
    Busy,
    /// Of no more use.
    Spent,
}

/// The rest of an exchange after its response head.
#[derive(Debug)]
pub(crate) struct Transfer<B> {
    /// The request, until it is sent to its end.
    writer: Option<Writer<B>>,
    body: BodyReader,
    /// Whether the endpoint takes another request after this one.
    persists: bool,
    /// Whether the response was a 101.
    is_tunnel: bool,
}

impl Http1 {
    /// Speaks HTTP/1.1 on `socket`.
    pub(crate) fn new(socket: Socket, limits: &Limits, buffers: Rc<Buffers>) -> Self {
        Self {
            socket,
            ahead: BytesMut::new(),
            looked: 0,
            holding: buffers.holding(),
            buffers,
            limits: HeadLimits {
                // What endpoints name their fields is theirs.
                underscores: Underscores::Accept,
                ..HeadLimits::from(limits)
            },
            buffer_bytes: limits.buffer_bytes,
            state: State::Idle,
        }
    }

    /// Whether the next request can be sent: no exchange is under way, the endpoint has not closed the connection, and
    /// nothing came in since the last response. Costs no system call unless the endpoint did something.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.state == State::Idle && !self.is_quiet() {
            self.state = State::Spent;
        }
        self.state == State::Idle
    }

    /// Whether it may still take an exchange.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        if let Some(socket) = self.socket.plain() {
            let read = socket.try_read(&mut byte);
            return read.is_err_and(|it| it.kind() == io::ErrorKind::WouldBlock);
        }
        let mut buf = ReadBuf::new(&mut byte);
        // Whatever the task has done before: out of its budget it would be told of nothing.
        let socket = &mut self.socket;
        let looking = unconstrained(poll_fn(|cx| {
            Poll::Ready(Pin::new(&mut *socket).poll_read(cx, &mut buf).is_pending())
        }));
        // Nobody is to be woken: whoever uses it next asks again.
        let mut cx = Context::from_waker(Waker::noop());
        pin!(looking).poll(&mut cx) == Poll::Ready(true)
    }

    /// Ends an exchange.
    pub(crate) fn finish<B>(&mut self, transfer: &Transfer<B>) {
        let is_clean = transfer.persists
            && transfer.writer.is_none()
            && transfer.body.is_ended()
            && self.ahead.is_empty();
        self.state = if is_clean { State::Idle } else { State::Spent };
        // An idle connection keeps no memory.
        self.ahead = BytesMut::new();
        self.holding.set(0);
    }

    /// The socket and what was read ahead, for a tunnel.
    pub(crate) fn into_tunnel(self) -> (Socket, Bytes) {
        (self.socket, self.ahead.freeze())
    }

    /// Sends a request and waits for the response head, however long that takes. `interim` gets those that come before it.
    ///
    /// # Errors
    /// [`SendError::Unsent`] gives the body back where nothing of the request was sent.
    pub(crate) async fn send<B>(
        &mut self,
        head: &RequestHead,
        body: B,
        interim: &mut dyn FnMut(ResponseHead),
    ) -> Result<(ResponseHead, Transfer<B>), SendError<B>>
    where
        B: Flow,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if !self.is_ready() {
            return Err(SendError::Unsent {
                body,
                source: ExchangeFault::Closed,
            });
        }
        self.state = State::Busy;
        let framing = framing(head, &body);
        let mut writer = Writer::new(Rc::clone(&self.buffers), body, framing, Trailers::Pass);
        write_request_head(head, framing, writer.head());
        let mut sending = Sending {
            writer,
            is_over: false,
            broke: None,
            interim: 0,
        };
        let answered = poll_fn(|cx| sending.poll(self, &head.method, interim, cx)).await;
        match answered {
            Ok(answer) => {
                let transfer = Transfer {
                    writer: (!sending.is_over).then_some(sending.writer),
                    body: answer.body,
                    persists: answer.persists && sending.broke.is_none(),
                    is_tunnel: answer.head.status == StatusCode::SWITCHING_PROTOCOLS,
                };
                Ok((answer.head, transfer))
            }
            Err(source) => {
                self.state = State::Spent;
                let is_untouched = !sending.writer.is_begun() && !sending.writer.is_body_begun();
                if matches!(source, ExchangeFault::Closed | ExchangeFault::Io(_)) && is_untouched {
                    let body = sending.writer.into_body();
                    return Err(SendError::Unsent { body, source });
                }
                Err(SendError::broken(source))
            }
        }
    }

    /// Reads the next response head, interim ones included.
    fn poll_head(
        &mut self,
        method: &Method,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReadResponse, ExchangeFault>> {
        loop {
            let Self {
                socket,
                ahead,
                looked,
                buffers,
                limits,
                ..
            } = self;
            // Read once it may be complete, and not with every byte that comes.
            if may_end(ahead, *looked) || ahead.len() >= limits.head_bytes {
                *looked = 0;
                if let Some((length, head)) = read_response(ahead, method, limits)? {
                    drop(ahead.split_to(length));
                    return Poll::Ready(Ok(head));
                }
            }
            *looked = ahead.len();
            let read = buffers.poll_read(socket, cx, |read| {
                if read.is_empty() {
                    return Err(if ahead.is_empty() {
                        ExchangeFault::Closed
                    } else {
                        ExchangeFault::Truncated
                    });
                }
                if !ahead.is_empty() {
                    ahead.extend_from_slice(read);
                    return Ok(None);
                }
                // Nearly always a head comes whole, and need not be kept anywhere.
                let found = read_response(read, method, limits)?;
                let used = found.as_ref().map_or(0, |(length, _)| *length);
                ahead.extend_from_slice(&read[used..]);
                Ok(found.map(|(_, head)| head))
            });
            let read = ready!(read).map_err(|error| {
                if ahead.is_empty() {
                    ExchangeFault::Io(error)
                } else {
                    ExchangeFault::Truncated
                }
            })?;
            if let Some(head) = read? {
                return Poll::Ready(Ok(head));
            }
        }
    }
}

/// An exchange until its response head.
struct Sending<B> {
    writer: Writer<B>,
    /// Whether the request is sent to its end.
    is_over: bool,
    /// Why sending it ended before its end. The endpoint may have answered before it closed.
    broke: Option<io::Error>,
    interim: u8,
}

impl<B> Sending<B>
where
    B: Flow,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn poll(
        &mut self,
        connection: &mut Http1,
        method: &Method,
        interim: &mut dyn FnMut(ResponseHead),
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReadResponse, ExchangeFault>> {
        if !self.is_over && self.broke.is_none() {
            match self.writer.poll(&mut connection.socket, cx) {
                Poll::Pending => (),
                Poll::Ready(Ok(())) => self.is_over = true,
                Poll::Ready(Err(WriteError::Io(error))) => self.broke = Some(error),
                Poll::Ready(Err(WriteError::Body(error))) => {
                    return Poll::Ready(Err(ExchangeFault::Upload(error.into())));
                }
                Poll::Ready(Err(WriteError::Length)) => {
                    let error = "the body has another length than was said".into();
                    return Poll::Ready(Err(ExchangeFault::Upload(error)));
                }
            }
        }
        loop {
            let head = match ready!(connection.poll_head(method, cx)) {
                Ok(head) => head,
                // Something of an answer has come, so the endpoint is at work on the request.
                Err(ExchangeFault::Closed | ExchangeFault::Io(_)) if self.interim > 0 => {
                    return Poll::Ready(Err(ExchangeFault::Truncated));
                }
                Err(ExchangeFault::Closed) => {
                    let error = self.broke.take().map(ExchangeFault::Io);
                    return Poll::Ready(Err(error.unwrap_or(ExchangeFault::Closed)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            };
            let status = head.head.status;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Poll::Ready(Err(ExchangeFault::Interim));
            }
            interim(head.head);
        }
    }
}

impl<B> Transfer<B>
where
    B: Flow,
{
    /// The next frame of the response's body.
    pub(crate) fn poll_frame(
        &mut self,
        connection: &mut Http1,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        self.upload(connection, cx);
        let frame = self.poll_body(connection, cx);
        connection.holding.set(connection.ahead.len());
        frame
    }

    fn poll_body(
        &mut self,
        connection: &mut Http1,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        loop {
            let Http1 {
                socket,
                ahead,
                limits,
                buffer_bytes,
                ..
            } = &mut *connection;
            match self.body.read(ahead, limits)? {
                Part::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Part::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Part::End => return Poll::Ready(None),
                Part::More => (),
            }
            let read = self.body.poll_more(socket, ahead, *buffer_bytes, cx);
            let count = ready!(read).map_err(ExchangeFault::Io)?;
            if count == 0 {
                return Poll::Ready(match self.body {
                    BodyReader::UntilClose => {
                        self.body = BodyReader::Ended;
                        None
                    }
                    BodyReader::Ended | BodyReader::Sized(_) | BodyReader::Chunked(_) => {
                        Some(Err(ExchangeFault::Truncated))
                    }
                });
            }
        }
    }

    /// Sends on what is left of the request. A failure only means that the connection is of no use after this.
    pub(crate) fn upload(&mut self, connection: &mut Http1, cx: &mut Context<'_>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let Poll::Ready(written) = writer.poll(&mut connection.socket, cx) else {
            return;
        };
        if written.is_err() {
            self.persists = false;
        }
        self.writer = None;
    }

    /// Moves what there is of the response's body into `pipe`.
    pub(crate) fn poll_fill(
        &mut self,
        connection: &mut Http1,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, ExchangeFault>>> {
        self.upload(connection, cx);
        if !connection.ahead.is_empty() {
            return Poll::Ready(None);
        }
        let Some(socket) = connection.socket.plain() else {
            return Poll::Ready(None);
        };
        Poll::Ready(
            ready!(self.body.poll_fill(socket, pipe, cx)).map(|moved| match moved {
                Ok(0) => Err(ExchangeFault::Truncated),
                Ok(count) => Ok(count),
                Err(error) => Err(ExchangeFault::Io(error)),
            }),
        )
    }
}

impl<B> Transfer<B> {
    /// Whether the connection is a tunnel from now on.
    pub(crate) const fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// Whether nothing more of the response is to come.
    pub(crate) const fn is_ended(&self) -> bool {
        self.body.is_ended()
    }

    /// How much of the response's body is to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a head may end in these bytes, of which the first `looked` do not hold its end.
fn may_end(bytes: &[u8], looked: usize) -> bool {
    let rest = &bytes[looked.saturating_sub(2).min(bytes.len())..];
    let ends = |it: &[u8]| it.starts_with(b"\n\n") || it.starts_with(b"\n\r\n");
    (0..rest.len()).any(|at| ends(&rest[at..]))
}

/// How the end of a request's body is told: as its head says, or else as is known of the body.
fn framing(head: &RequestHead, body: &impl Body) -> Framing {
    if head.headers.contains(TRANSFER_ENCODING) {
        return Framing::Chunked;
    }
    let said = head.headers.get(CONTENT_LENGTH);
    let said = said.and_then(parse_length);
    match (said, body.size_hint().exact()) {
        (Some(length), _) => Framing::Sized(length),
        _ if body.is_end_stream() => Framing::None,
        (None, Some(length)) => Framing::Sized(length),
        (None, None) => Framing::Chunked,
    }
}

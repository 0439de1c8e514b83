//! A client's HTTP/1 connection: one request after another, and perhaps a tunnel at its end.
//!
//! ```text
//! wait for a head ──▶ read it ──▶ relay, looking out for the client ──▶ write the answer ──▶ wait for a head
//!                        │                                                    ├──▶ tunnel
//!                        └──▶ refuse it ─────────────────────────────────────┴──▶ close
//! ```
//!
//! A connection that waits for a head holds no buffer, and soon no request's state, so that thousands of idle ones cost
//! little.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    measure::Rejection,
    proxy::{
        body::{ClientBody, ClientFault, Reply, ReplyBody},
        connection::Connection,
        failure::HEAD_TIMEOUT,
        head::{
            HeadLimits, RequestHead, ResponseHead,
            names::{CONNECTION, CONTENT_LENGTH, EXPECT},
            takes_trailers,
        },
        hints::Interim,
        holdings::Holding,
        http1::{
            BodyReader, Framing, Part, Persistence, ReadRequest, RequestReader, Scanned, Trailers,
            WriteError, Writer, parse_length, write_response_head,
        },
        pipe::{Drain, Pipe},
        relay::{Visit, refuse, relay, take_in},
        tunnel,
        wheel::{Deadline, Wait},
        wire::{Standing, Wire},
    },
};

/// Bytes that are thrown away after the last answer, so that the client can read it before the connection is reset.
const UNREAD_MAX: usize = 1 << 20;

/// Bytes of a chunked body that are looked at before its request is sent anywhere.
const FORESEEN_MAX: usize = 16 * 1024;

/// What a client is told that waits to be asked for its body (RFC 9110 section 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How serving ended, or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another request may come.
    Request,
    /// None has come for a while.
    Lull,
    /// The connection closes, or becomes a tunnel.
    Close,
    /// It broke, or the client has gone.
    Broken,
    /// What it waited for is overdue.
    Overdue(Wait),
}

/// A client's connection as its requests' bodies and answers see it.
pub(crate) struct Client {
    pub(crate) connection: Rc<Connection>,
    limits: HeadLimits,
    stream: RefCell<Stream>,
}

/// The socket and how far it has been read.
struct Stream {
    wire: Wire,
    /// Read, but not used yet.
    ahead: BytesMut,
    reader: RequestReader,
    /// The body of the request in work.
    body: BodyReader,
    /// What is left to be said before the body is read.
    greeting: &'static [u8],
    /// Whether a part of the early hints was said.
    is_hinting: bool,
    /// Present once the client has shut down its sending side.
    half_closed: Option<Deadline>,
    /// Present once the client is not read from, and therefore looked at from time to time.
    look: Option<Deadline>,
    /// What is read ahead.
    holding: Holding,
}

/// What an answer's head depends on, of its request.
struct Asked {
    method: Method,
    version: Version,
    persistence: Persistence,
    trailers: Trailers,
}

/// Serves the connection to its end; `ahead` was read to tell the protocol.
pub(crate) async fn serve(connection: Rc<Connection>, wire: Wire, ahead: BytesMut) {
    let limits = HeadLimits::from(&connection.worker.limits());
    let holding = connection.worker.buffers.holding();
    let client = Rc::new(Client {
        connection,
        limits,
        stream: RefCell::new(Stream {
            wire,
            ahead,
            reader: RequestReader::new(limits),
            body: BodyReader::Ended,
            greeting: b"",
            is_hinting: false,
            half_closed: None,
            look: None,
            holding,
        }),
    });
    let next = loop {
        client.connection.deadline.wait(Wait::Request);
        let head = match client.read_head().await {
            Ok(head) => head,
            Err(next) => break next,
        };
        // Boxed, so that what is waited for above is small.
        let next = Box::pin(client.converse(head)).await;
        if next != Next::Lull {
            break next;
        }
        client.stream.borrow_mut().rest(limits);
    };
    match next {
        Next::Request | Next::Lull | Next::Broken => (),
        Next::Overdue(Wait::Request) => Box::pin(client.leave()).await,
        Next::Close => Box::pin(client.close()).await,
        Next::Overdue(Wait::Head) => Box::pin(client.say_head_timeout()).await,
        Next::Overdue(wait) => tracing::debug!(?wait, "a client's connection took too long"),
    }
}

impl Client {
    /// Answers one request after another, the first of which has been read, until none comes for a while.
    async fn converse(self: &Rc<Self>, mut head: Result<ReadRequest, Rejection>) -> Next {
        loop {
            let next = self.answer(head).await;
            if next != Next::Request {
                return next;
            }
            let worker = &self.connection.worker;
            let _lull = match worker.lulls.enter() {
                Some(lull) => Some(lull),
                None if self.stream.borrow().ahead.is_empty() => return Next::Lull,
                None => None,
            };
            self.connection.deadline.wait(Wait::Lull);
            match self.read_head().await {
                Ok(read) => head = read,
                Err(next) => return next,
            }
        }
    }

    /// Waits for the next head. An inner error is the reason to refuse it.
    async fn read_head(&self) -> Result<Result<ReadRequest, Rejection>, Next> {
        poll_fn(|cx| {
            let deadline = &self.connection.deadline;
            match self.poll_head(cx) {
                Poll::Ready(head) => Poll::Ready(head),
                Poll::Pending => {
                    let stream = self.stream.borrow();
                    stream.note_held();
                    if !stream.ahead.is_empty() {
                        if self.connection.worker.holds_too_much() {
                            return Poll::Ready(Ok(Err(Rejection::BufferedBytes)));
                        }
                        if deadline.waits_for() != Wait::Head {
                            deadline.wait(Wait::Head);
                        }
                    }
                    deadline.poll_passed(cx).map(|wait| match wait {
                        Wait::Lull => Err(Next::Lull),
                        wait => Err(Next::Overdue(wait)),
                    })
                }
            }
        })
        .await
    }

    fn poll_head(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<ReadRequest, Rejection>, Next>> {
        let stream = &mut *self.stream.borrow_mut();
        loop {
            if !stream.ahead.is_empty() {
                match stream.reader.read(&stream.ahead) {
                    Ok(Scanned::Partial) => (),
                    Ok(Scanned::Complete(length, head)) => {
                        stream.skip(length);
                        return Poll::Ready(Ok(Ok(head)));
                    }
                    Err(reason) => return Poll::Ready(Ok(Err(reason))),
                }
            }
            let Stream {
                wire,
                ahead,
                reader,
                ..
            } = stream;
            let read = self.connection.worker.buffers.poll_read(wire, cx, |read| {
                if read.is_empty() {
                    return Some(Err(Next::Broken));
                }
                if !ahead.is_empty() {
                    ahead.extend_from_slice(read);
                    return None;
                }
                // Nearly always a head comes whole, and need not be kept anywhere.
                match reader.read(read) {
                    Ok(Scanned::Partial) => {
                        ahead.extend_from_slice(read);
                        None
                    }
                    Ok(Scanned::Complete(length, head)) => {
                        ahead.extend_from_slice(&read[length..]);
                        Some(Ok(Ok(head)))
                    }
                    Err(reason) => Some(Ok(Err(reason))),
                }
            });
            match ready!(read) {
                Ok(Some(head)) => return Poll::Ready(head),
                // The next look begins where this one has ended.
                Ok(None) => (),
                Err(error) => {
                    tracing::debug!(%error, "a client's connection broke");
                    return Poll::Ready(Err(Next::Broken));
                }
            }
        }
    }

    /// Answers one request, or refuses it.
    async fn answer(self: &Rc<Self>, head: Result<ReadRequest, Rejection>) -> Next {
        let visit = Visit {
            connection: Rc::clone(&self.connection),
            deadline: Rc::clone(&self.connection.deadline),
            interim: Interim::Connection,
        };
        match head {
            Err(reason) => {
                let asked = Asked {
                    method: Method::GET,
                    version: Version::HTTP_11,
                    persistence: Persistence::Close,
                    trailers: Trailers::Drop,
                };
                let refusal = refuse(&visit, reason);
                self.write(asked, refusal).await
            }
            Ok(head) => {
                let asked = Asked::new(&head);
                let is_in_order = self.foresee(&head).await;
                if !is_in_order {
                    let refusal = refuse(&visit, Rejection::Malformed);
                    return self.write(asked, refusal).await;
                }
                let (head, body) = self.begin(head);
                let taken = match take_in(&visit, head, body) {
                    Ok(taken) => taken,
                    Err(refusal) => return self.write(asked, refusal).await,
                };
                // Pinned here and lent, since a future that takes another one holds it twice.
                let relaying = pin!(relay(visit, taken));
                self.connection.hints.borrow_mut().open(asked.version);
                match self.look_out(relaying).await {
                    Ok(reply) => self.write(asked, reply).await,
                    Err(next) => next,
                }
            }
        }
    }

    /// Whether what has come of the body keeps to its framing. Only a fault that comes later is found with the request under
    /// way already.
    async fn foresee(&self, read: &ReadRequest) -> bool {
        if !read.body.is_chunked() {
            return true;
        }
        poll_fn(|cx| {
            let stream = &mut *self.stream.borrow_mut();
            let Stream { wire, ahead, .. } = stream;
            while ahead.len() < FORESEEN_MAX {
                let buffers = &self.connection.worker.buffers;
                let read = buffers.poll_read(wire, cx, |read| {
                    ahead.extend_from_slice(read);
                    read.len()
                });
                // An end is seen again by whoever reads the body.
                if !matches!(read, Poll::Ready(Ok(1..))) {
                    break;
                }
            }
            Poll::Ready(read.body.foresee(ahead, &self.limits).is_ok())
        })
        .await
    }

    /// The request, whose body is read from here.
    fn begin(self: &Rc<Self>, read: ReadRequest) -> (RequestHead, ClientBody) {
        let ReadRequest { head, body, .. } = read;
        self.connection.leaves_unread.set(false);
        if body.is_ended() {
            return (head, ClientBody::Empty);
        }
        let stream = &mut *self.stream.borrow_mut();
        stream.body = body;
        let expected = head.headers.get(EXPECT);
        let is_100_expected = head.version == Version::HTTP_11
            && expected.is_some_and(|it| it.eq_ignore_ascii_case(b"100-continue"));
        // A client that has begun already need not be told.
        stream.greeting = if is_100_expected && stream.ahead.is_empty() {
            CONTINUE
        } else {
            b""
        };
        (head, ClientBody::Http1(Rc::clone(self)))
    }

    /// Runs `work` for as long as the client is there and its deadline has not passed.
    async fn look_out<F: Future>(&self, mut work: Pin<&mut F>) -> Result<F::Output, Next> {
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.poll_hint(cx).is_err() {
                return Poll::Ready(Err(Next::Broken));
            }
            if let Poll::Ready(next) = self.poll_gone(cx) {
                return Poll::Ready(Err(next));
            }
            // After what was read just now: once there is no room for more, nothing but a look shows that the client has gone.
            self.poll_given_up(cx).map(|()| Err(Next::Broken))
        })
        .await
    }

    /// Says the early hints that there are, as far as the client takes them.
    fn poll_hint(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let hints = &mut *self.connection.hints.borrow_mut();
        if hints.is_empty() {
            return Ok(());
        }
        let stream = &mut *self.stream.borrow_mut();
        if stream.is_greeting() && stream.poll_greet(cx)?.is_pending() {
            return Ok(());
        }
        while !hints.is_empty() {
            let wire = Pin::new(&mut stream.wire);
            let Poll::Ready(count) = wire.poll_write(cx, hints.as_bytes())? else {
                break;
            };
            hints.said(count);
            stream.is_hinting = !hints.is_empty();
        }
        match Pin::new(&mut stream.wire).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Ready once a client that has shut down its sending side has waited for its answer for too long, or is seen to be gone.
    fn poll_given_up(&self, cx: &Context<'_>) -> Poll<()> {
        let stream = &mut *self.stream.borrow_mut();
        if let Some(half_closed) = &stream.half_closed {
            return half_closed.poll_passed(cx).map(|_| ());
        }
        if self.reads_ahead(stream) {
            return Poll::Pending;
        }
        let wheel = &self.connection.worker.wheel;
        let look = stream
            .look
            .get_or_insert_with(|| wheel.place_for(Wait::Look));
        while look.poll_passed(cx).is_ready() {
            look.wait(Wait::Look);
            let ahead = u64::try_from(stream.ahead.len()).unwrap_or(u64::MAX);
            let left = stream.body.size_hint().lower();
            match stream.wire.standing() {
                Standing::There => (),
                Standing::Gone => return Poll::Ready(()),
                Standing::HalfClosed { unread } if unread.saturating_add(ahead) < left => {
                    return Poll::Ready(());
                }
                // All of its request has come, or may have.
                Standing::HalfClosed { .. } if stream.body.is_ended() => {
                    let deadline = stream.half_closed.insert(wheel.place_for(Wait::HalfClosed));
                    return deadline.poll_passed(cx).map(|_| ());
                }
                Standing::HalfClosed { .. } => (),
            }
        }
        Poll::Pending
    }

    /// Whether what the client says now is its next request, for which there is room.
    fn reads_ahead(&self, stream: &Stream) -> bool {
        stream.body.is_ended() && stream.ahead.len() < self.limits.head_bytes
    }

    /// Ready once the client has broken the connection, or took too long. What it says meanwhile is its next request, and is
    /// kept, within the limit on one head.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let stream = &mut *self.stream.borrow_mut();
        while stream.half_closed.is_none() && self.reads_ahead(stream) {
            let Stream { wire, ahead, .. } = stream;
            let buffers = &self.connection.worker.buffers;
            let read = buffers.poll_read(wire, cx, |read| {
                ahead.extend_from_slice(read);
                read.len()
            });
            match read {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => {
                    // It may have shut down its sending side only, and wait for its answer.
                    let wheel = &self.connection.worker.wheel;
                    let deadline = stream.half_closed.insert(wheel.place_for(Wait::HalfClosed));
                    // So that its passing is heard of.
                    if deadline.poll_passed(cx).is_ready() {
                        return Poll::Ready(Next::Broken);
                    }
                }
                Poll::Ready(Ok(_)) => (),
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Broken),
            }
        }
        stream.note_held();
        self.connection.deadline.poll_passed(cx).map(Next::Overdue)
    }

    /// Writes an answer to its end.
    async fn write(self: &Rc<Self>, asked: Asked, reply: Reply) -> Next {
        let Reply { mut head, body } = reply;
        let framing = asked.framing(&mut head, &body);
        let is_last = self.is_last(&asked, &head, framing);
        let persistence = if is_last {
            Persistence::Close
        } else {
            asked.persistence
        };
        let worker = &self.connection.worker;
        let buffers = Rc::clone(&worker.buffers);
        let mut writer = Writer::new(buffers, body, framing, asked.trailers);
        // The client need not be asked for its body any more; what of that was said already is said to its end.
        {
            let stream = &mut *self.stream.borrow_mut();
            if stream.is_greeting() {
                writer.head().extend_from_slice(stream.greeting);
            }
            stream.greeting = b"";
            stream.is_hinting = false;
            stream.look = None;
            let mut hints = self.connection.hints.borrow_mut();
            writer.head().extend_from_slice(hints.as_bytes());
            hints.close();
        }
        write_response_head(
            &head,
            framing,
            persistence,
            worker.date.borrow().as_bytes(),
            writer.head(),
        );
        drop(head);
        let written = poll_fn(|cx| self.poll_write_answer(&mut writer, cx)).await;
        // The end of its body is an outcome; one cut short is one too.
        drop(writer);
        if let Err(next) = written {
            return next;
        }
        let is_unread = {
            let stream = &mut *self.stream.borrow_mut();
            if stream.ahead.is_empty() {
                stream.ahead = BytesMut::new();
            }
            stream.note_held();
            !stream.body.is_ended()
        };
        if is_last || is_unread {
            Next::Close
        } else {
            Next::Request
        }
    }

    /// Whether an answer with this head is the connection's last one.
    fn is_last(&self, asked: &Asked, head: &ResponseHead, framing: Framing) -> bool {
        let says_close = head
            .headers
            .get(CONNECTION)
            .is_some_and(|it| it.eq_ignore_ascii_case(b"close"));
        let becomes_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS;
        asked.persistence == Persistence::Close
            || says_close
            || becomes_tunnel
            || framing == Framing::UntilClose
            // Of a client that is to leave, the answer to a request is the connection's last.
            || self.connection.is_to_leave()
            || self.stream.borrow().is_over()
    }

    fn poll_write_answer(
        &self,
        writer: &mut Writer<ReplyBody>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Next>> {
        match writer.poll(&mut Outlet(self), cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => {
                match error {
                    WriteError::Io(error) => {
                        tracing::debug!(%error, "a client's connection broke");
                    }
                    // Told where it happened.
                    WriteError::Body(_) => (),
                    WriteError::Length => tracing::debug!("a response of another length"),
                }
                return Poll::Ready(Err(Next::Broken));
            }
            Poll::Pending => (),
        }
        // An endpoint may want the rest of the request before the client takes more of the answer.
        writer.body().upload(cx);
        self.poll_gone(cx).map(Err)
    }

    /// What is left to do after the last answer: the tunnel, or a client's last bytes.
    async fn close(&self) {
        let tunnel = self.connection.tunnel.take();
        if let Some(opening) = tunnel {
            let ahead = self.stream.borrow_mut().ahead.split().freeze();
            let Connection {
                worker, deadline, ..
            } = &*self.connection;
            tunnel::run(worker, deadline, opening, Outlet(self), ahead).await;
        } else if self.connection.leaves_unread.get() {
            let farewell = async {
                Outlet(self).shutdown().await?;
                throw_away(&mut Outlet(self)).await;
                Ok::<_, io::Error>(())
            };
            self.see_off(farewell).await;
        } else {
            self.leave().await;
        }
    }

    /// Says over TLS that nothing was cut off (RFC 8446 section 6.1); a plain connection just closes.
    async fn leave(&self) {
        if !Outlet(self).drains() {
            self.see_off(async { Outlet(self).shutdown().await }).await;
        }
    }

    async fn say_head_timeout(&self) {
        self.connection
            .worker
            .recorder
            .reject(Rejection::HeadTimeout);
        let farewell = async {
            Outlet(self).write_all(HEAD_TIMEOUT).await?;
            Outlet(self).shutdown().await?;
            throw_away(&mut Outlet(self)).await;
            Ok::<_, io::Error>(())
        };
        self.see_off(farewell).await;
    }

    async fn see_off(&self, farewell: impl Future<Output = io::Result<()>>) {
        let deadline = &self.connection.deadline;
        if !matches!(deadline.within(Wait::Farewell, farewell).await, Ok(Ok(()))) {
            tracing::debug!("a client did not leave in time");
        }
    }

    /// The next frame of the body of the request in work.
    pub(crate) fn poll_body(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFault>>> {
        let stream = &mut *self.stream.borrow_mut();
        ready!(stream.poll_greet(cx)).map_err(ClientFault::Io)?;
        loop {
            match stream.body.read(&mut stream.ahead, &self.limits)? {
                Part::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Part::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Part::End => return Poll::Ready(None),
                Part::More => (),
            }
            let buffer = self.connection.worker.limits().buffer_bytes;
            let Stream {
                wire, ahead, body, ..
            } = &mut *stream;
            if ready!(body.poll_more(wire, ahead, buffer, cx)).map_err(ClientFault::Io)? == 0 {
                return Poll::Ready(Some(Err(ClientFault::Truncated)));
            }
        }
    }

    /// Moves what there is of the body of the request in work into `pipe`.
    pub(crate) fn poll_fill(
        &self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, ClientFault>>> {
        let stream = &mut *self.stream.borrow_mut();
        if !stream.ahead.is_empty() || !stream.greeting.is_empty() {
            return Poll::Ready(None);
        }
        let Some(socket) = stream.wire.plain() else {
            return Poll::Ready(None);
        };
        Poll::Ready(
            ready!(stream.body.poll_fill(socket, pipe, cx)).map(|moved| match moved {
                Ok(0) => Err(ClientFault::Truncated),
                Ok(count) => Ok(count),
                Err(error) => Err(ClientFault::Io(error)),
            }),
        )
    }

    /// Whether the body of the request in work has been read to its end.
    pub(crate) fn is_body_ended(&self) -> bool {
        self.stream.borrow().body.is_ended()
    }

    /// How much of the body of the request in work is to come.
    pub(crate) fn body_size_hint(&self) -> SizeHint {
        self.stream.borrow().body.size_hint()
    }
}

impl Stream {
    /// What is read ahead waits.
    fn note_held(&self) {
        self.holding.set(self.ahead.len());
    }

    /// Gives up the memory that a conversation used; nothing of a head has come.
    fn rest(&mut self, limits: HeadLimits) {
        debug_assert!(self.ahead.is_empty(), "a lull is between two requests");
        self.ahead = BytesMut::new();
        self.reader = RequestReader::new(limits);
    }

    /// Forgets the first `count` bytes of what was read ahead.
    fn skip(&mut self, count: usize) {
        drop(self.ahead.split_to(count));
    }

    /// Whether a part of the greeting was said, and the rest must follow.
    const fn is_greeting(&self) -> bool {
        !self.greeting.is_empty() && self.greeting.len() < CONTINUE.len()
    }

    /// Whether nothing more is to come from the client.
    fn is_over(&self) -> bool {
        self.half_closed.is_some() && self.ahead.is_empty()
    }

    fn poll_greet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.is_hinting {
            // The rest of it is said by whoever began it, who wakes this task as well.
            return Poll::Pending;
        }
        while !self.greeting.is_empty() {
            let count = ready!(Pin::new(&mut self.wire).poll_write(cx, self.greeting))?;
            self.greeting = &self.greeting[count..];
        }
        Pin::new(&mut self.wire).poll_flush(cx)
    }
}

impl Asked {
    fn new(head: &ReadRequest) -> Self {
        let trailers = if takes_trailers(&head.head.headers) {
            Trailers::Pass
        } else {
            Trailers::Drop
        };
        Self {
            method: head.head.method.clone(),
            version: head.head.version,
            persistence: head.persistence,
            trailers,
        }
    }

    /// How the end of the answer's body is told to this client (RFC 9112 section 6).
    fn framing(&self, head: &mut ResponseHead, body: &ReplyBody) -> Framing {
        if head.status.is_informational() || head.status == StatusCode::NO_CONTENT {
            head.headers.remove(CONTENT_LENGTH);
            return Framing::None;
        }
        if self.method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED {
            return Framing::None;
        }
        match (body.size_hint().exact(), self.version) {
            (Some(length), _) => {
                // A length that the endpoint did not keep to is none.
                if says_other(head, length) {
                    head.headers.remove(CONTENT_LENGTH);
                }
                Framing::Sized(length)
            }
            (None, Version::HTTP_10) => {
                head.headers.remove(CONTENT_LENGTH);
                Framing::UntilClose
            }
            (None, _) => {
                head.headers.remove(CONTENT_LENGTH);
                Framing::Chunked
            }
        }
    }
}

fn says_other(head: &ResponseHead, length: u64) -> bool {
    let said = head.headers.get(CONTENT_LENGTH);
    said.is_some_and(|it| parse_length(it) != Some(length))
}

/// Reads what the client still sends. A socket closed over unread bytes is reset, which can take the answer along that
/// the client has not read yet.
pub(super) async fn throw_away<IO: AsyncRead + Unpin>(client: &mut IO) {
    let mut space = BytesMut::with_capacity(8192);
    let mut total = 0;
    while total < UNREAD_MAX {
        space.clear();
        match client.read_buf(&mut space).await {
            Ok(count) if count > 0 => total += count,
            Ok(_) | Err(_) => return,
        }
    }
}

/// The client's socket, borrowed for one call at a time: a request's body may be read while its answer is written.
struct Outlet<'a>(&'a Client);

impl AsyncRead for Outlet<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stream.borrow_mut().wire).poll_read(cx, buf)
    }
}

impl Drain for Outlet<'_> {
    fn drains(&self) -> bool {
        self.0.stream.borrow().wire.plain().is_some()
    }

    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.0.stream.borrow().wire.poll_drain(pipe, cx)
    }
}

impl AsyncWrite for Outlet<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.stream.borrow_mut().wire).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.stream.borrow_mut().wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stream.borrow_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stream.borrow_mut().wire).poll_shutdown(cx)
    }
}

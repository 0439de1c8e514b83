//! One stream: its request relayed, its answer sent as the client takes it.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{Request, Response};
use http_body::Body;

use super::{Incoming, StreamSeat};
use crate::{
    measure::Rejection,
    proxy::{
        body::{ClientBody, Reply, ReplyBody},
        head::{
            RequestHead,
            names::{CONNECTION, CONTENT_LENGTH, DATE},
        },
        hints::Interim,
        holdings::Holding,
        relay::{Visit, refuse, relay, take_in},
        wheel::Deadline,
    },
};

/// A stream that the client has opened.
pub(super) struct Stream {
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) seat: StreamSeat,
}

/// The client takes no more of the stream, or waited on too long: what there is of it is dropped, which resets it.
struct Gone;

impl Stream {
    /// Serves it to its end, which is its reset when what it waits for is overdue and nobody answers for that.
    pub(super) async fn serve(self) {
        let Self {
            request,
            respond,
            seat,
        } = self;
        let connection = Rc::clone(seat.connection());
        let deadline = Rc::new(connection.worker.wheel.place());
        let respond = Rc::new(RefCell::new(respond));
        let visit = Visit {
            connection,
            deadline: Rc::clone(&deadline),
            interim: Interim::Stream(Rc::clone(&respond)),
        };
        let reset = |cx: &mut Context<'_>| respond.borrow_mut().poll_reset(cx).map(|_| Gone);
        let (head, stream) = request.into_parts();
        let body = Incoming::new(stream, &head.headers);
        let asked = RequestHead::try_from(&head);
        let map = head.headers;
        // Answering holds the state of a whole exchange, which is not to be moved.
        let answering = pin!(answer(visit, asked, body));
        let Ok(mut reply) = unless(answering, reset, &deadline).await else {
            return;
        };
        complete(&mut reply, &seat);
        let Reply { head, mut body } = reply;
        let is_all = body.is_end_stream();
        let head = Response::from_parts(head.into_parts(map), ());
        let sent = respond.borrow_mut().send_response(head, is_all);
        let mut out = match sent {
            Ok(out) => out,
            Err(error) => {
                tracing::debug!(%error, "an answer cannot be sent over HTTP/2");
                respond.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
                return;
            }
        };
        if is_all {
            return;
        }
        let sent = {
            let holding = seat.connection().worker.buffers.holding();
            let sending = pin!(send(&mut body, &mut out, &deadline, &holding));
            unless(sending, |_| Poll::Pending, &deadline).await
        };
        if let Ok(Err(reason)) = sent {
            out.send_reset(reason);
        }
    }
}

/// Does `work` until the client is gone or the deadline has passed.
async fn unless<F: Future>(
    mut work: Pin<&mut F>,
    mut is_gone: impl FnMut(&mut Context<'_>) -> Poll<Gone>,
    deadline: &Deadline,
) -> Result<F::Output, Gone> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if let Poll::Ready(gone) = is_gone(cx) {
            return Poll::Ready(Err(gone));
        }
        deadline.poll_passed(cx).map(|_| Err(Gone))
    })
    .await
}

async fn answer(visit: Visit, head: Result<RequestHead, Rejection>, body: Incoming) -> Reply {
    let head = head.map_err(|reason| refuse(&visit, reason));
    let taken = head.and_then(|it| take_in(&visit, it, ClientBody::Http2(body)));
    match taken {
        Ok(taken) => relay(visit, taken).await,
        Err(refusal) => refusal,
    }
}

/// Completes the head of an answer: its date, and the length of its body if that is known. What a refusal says of its connection
/// has no place here (RFC 9113 section 8.2.2).
fn complete(reply: &mut Reply, seat: &StreamSeat) {
    let headers = &mut reply.head.headers;
    headers.remove(CONNECTION);
    if !headers.contains(DATE) {
        let date = seat.connection().worker.date.borrow();
        headers.append(DATE, date.value());
    }
    let length = reply.body.size_hint().exact();
    if let Some(length) = length
        && !reply.body.is_end_stream()
        && !headers.contains(CONTENT_LENGTH)
    {
        headers.append(CONTENT_LENGTH, length.to_string().as_bytes());
    }
}

/// Sends the body as the client's windows allow it.
///
/// # Errors
/// Why the stream is to be reset.
async fn send(
    body: &mut ReplyBody,
    out: &mut SendStream<Bytes>,
    deadline: &Deadline,
    holding: &Holding,
) -> Result<(), Reason> {
    let mut piece = Bytes::new();
    poll_fn(|cx| {
        let sent = poll_send(body, &mut piece, out, deadline, cx);
        holding.set(piece.len());
        match sent {
            Poll::Ready(sent) => Poll::Ready(sent),
            Poll::Pending => out.poll_reset(cx).map(|_| Err(Reason::CANCEL)),
        }
    })
    .await
}

/// Only what the windows have room for is given away, so that nothing waits where neither its time nor its bytes are counted.
fn poll_send(
    body: &mut ReplyBody,
    piece: &mut Bytes,
    out: &mut SendStream<Bytes>,
    deadline: &Deadline,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Reason>> {
    loop {
        if piece.is_empty() {
            match ready!(poll_next(body, out, cx))? {
                Next::Piece(next) => *piece = next,
                Next::End => return Poll::Ready(Ok(())),
            }
        }
        if poll_room(piece.len(), out, cx)?.is_pending() {
            body.upload(cx);
            return Poll::Pending;
        }
        let room = out.capacity().min(piece.len());
        let data = piece.split_to(room);
        let is_last = piece.is_empty() && body.is_end_stream();
        if !piece.is_empty() {
            deadline.moved(u64::try_from(room).unwrap_or(u64::MAX));
            deadline.touch();
        }
        out.send_data(data, is_last).map_err(reason_of)?;
        if is_last {
            return Poll::Ready(Ok(()));
        }
    }
}

/// What comes next of a body.
enum Next {
    /// A piece that is to be sent once there is room.
    Piece(Bytes),
    /// Nothing: the end is on its way.
    End,
}

fn poll_next(
    body: &mut ReplyBody,
    out: &mut SendStream<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<Next, Reason>> {
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Err(Reason::INTERNAL_ERROR)),
            None => {
                out.send_data(Bytes::new(), true).map_err(reason_of)?;
                return Poll::Ready(Ok(Next::End));
            }
        };
        match frame.into_data() {
            Ok(piece) if piece.is_empty() => {
                if body.is_end_stream() {
                    out.send_data(piece, true).map_err(reason_of)?;
                    return Poll::Ready(Ok(Next::End));
                }
            }
            Ok(piece) => return Poll::Ready(Ok(Next::Piece(piece))),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    out.send_trailers(trailers).map_err(reason_of)?;
                    return Poll::Ready(Ok(Next::End));
                }
            }
        }
    }
}

/// Ready once a byte at least of so many can be sent. Room in the connection's window is asked for only now: what is reserved for a
/// body without a piece ready is missing to the other streams.
fn poll_room(
    bytes: usize,
    out: &mut SendStream<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Reason>> {
    out.reserve_capacity(bytes);
    while out.capacity() == 0 {
        match ready!(out.poll_capacity(cx)) {
            Some(Ok(_)) => (),
            Some(Err(error)) => return Poll::Ready(Err(reason_of(error))),
            None => return Poll::Ready(Err(Reason::CANCEL)),
        }
    }
    Poll::Ready(Ok(()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn reason_of(error: h2::Error) -> Reason {
    tracing::debug!(%error, "a body cannot be sent over HTTP/2");
    error.reason().unwrap_or(Reason::INTERNAL_ERROR)
}

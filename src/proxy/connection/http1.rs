//! A client's HTTP/1 connection: one request after another, and perhaps a tunnel at its end.
//!
//! Response trailers reach a client only if it said `TE: trailers` and the response's `Trailer` field names them, and 1xx
//! answers other than 100 and 101 not at all: that is what hyper's server can send.

use std::{convert::Infallible, future::poll_fn, io, pin::Pin, rc::Rc, task::Poll};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    measure::Rejection,
    proxy::{
        body::ReplyBody,
        buffers::BUFFER_MIN,
        connection::Connection,
        failure::HEAD_TIMEOUT,
        head::{Guard, GuardLimits, GuardState},
        relay::{Visit, refuse, relay},
        tunnel,
        wheel::Wait,
        wire::Wire,
    },
};

/// Bytes that are thrown away after the last answer, so that the client can read it before the connection is reset.
const UNREAD_MAX: usize = 1 << 20;

/// How serving ended.
enum End {
    /// The connection closed, or became a tunnel.
    Closed,
    /// It broke.
    Broken,
    /// What it waited for is overdue.
    Overdue(Wait),
}

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Rc<Connection>, wire: Wire) {
    let limits = &connection.worker.plan.limits;
    let (guard, state) = Guard::new(wire, GuardLimits::from(limits));
    let buffer = limits.head_bytes.max(limits.buffer_bytes).max(BUFFER_MIN);
    let heads = state.clone();
    let service = service_fn(|request| answer(Rc::clone(&connection), state.clone(), request));
    // What is read ahead counts as the first byte of a head; without any, that is what it waits for.
    connection.deadline.wait(Wait::Request);
    let mut serving = Builder::new()
        .half_close(false)
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(buffer)
        .serve_connection(TokioIo::new(guard), service);
    let end = poll_fn(|cx| match Pin::new(&mut serving).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(End::Closed),
        Poll::Ready(Err(error)) => {
            tracing::debug!(%error, "a client's connection broke");
            Poll::Ready(End::Broken)
        }
        Poll::Pending => {
            let deadline = &connection.deadline;
            if deadline.waits_for() == Wait::Request && heads.has_partial_head() {
                // Its beginning came with the request before, so that no first byte will.
                deadline.wait(Wait::Head);
            }
            // A request in work looks at the deadline itself, and just has, if that is its own to answer.
            deadline.poll_passed(cx).map(End::Overdue)
        }
    });
    let end = end.await;
    let parts = serving.into_parts();
    let guard = parts.io.into_inner();
    match end {
        End::Closed => close(&connection, guard, parts.read_buf).await,
        End::Overdue(Wait::Head) => {
            connection.worker.recorder.reject(Rejection::HeadTimeout);
            say_head_timeout(&connection, guard).await;
        }
        End::Overdue(wait) => tracing::debug!(?wait, "a client's connection took too long"),
        End::Broken => (),
    }
}

async fn answer(
    connection: Rc<Connection>,
    state: GuardState,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let deadline = Rc::clone(&connection.deadline);
    let mut visit = Visit {
        connection,
        deadline,
        turn: None,
    };
    Ok(match state.next_request() {
        Ok(turn) => {
            visit.turn = Some(turn);
            relay(visit, request).await
        }
        Err(reason) => refuse(&visit, reason),
    })
}

/// What is left to do when hyper is done: the tunnel, or a client's last bytes. The socket is shut down unless it became a
/// tunnel.
async fn close(connection: &Connection, mut guard: Guard<Wire>, ahead: Bytes) {
    let tunnel = connection.tunnel.take();
    if let Some(opening) = tunnel {
        tunnel::run(
            &connection.worker,
            &connection.deadline,
            opening,
            guard,
            ahead,
        )
        .await;
    } else if connection.leaves_unread.get() {
        let farewell = throw_away(&mut guard);
        if connection
            .deadline
            .within(Wait::Farewell, farewell)
            .await
            .is_err()
        {
            tracing::debug!("a client did not leave in time");
        }
    }
}

/// Reads what the client still sends. A socket closed over unread bytes is reset, which can take the answer along that
/// the client has not read yet.
async fn throw_away(guard: &mut Guard<Wire>) {
    let mut space = BytesMut::with_capacity(BUFFER_MIN);
    let mut total = 0;
    while total < UNREAD_MAX {
        space.clear();
        match guard.read_buf(&mut space).await {
            Ok(count) if count > 0 => total += count,
            Ok(_) | Err(_) => return,
        }
    }
}

async fn say_head_timeout(connection: &Connection, mut guard: Guard<Wire>) {
    let farewell = async {
        guard.write_all(HEAD_TIMEOUT).await?;
        guard.shutdown().await?;
        throw_away(&mut guard).await;
        Ok::<_, io::Error>(())
    };
    if !matches!(
        connection.deadline.within(Wait::Farewell, farewell).await,
        Ok(Ok(()))
    ) {
        tracing::debug!("a client did not take a 408");
    }
}

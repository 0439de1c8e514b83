//! A guard under hyper's HTTP/1 server: reads each raw request head before hyper does.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{measure::Rejection, plan::Limits};

/// Whether header names may hold underscores, which some servers read as hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// They are refused.
    Refuse,
    /// They pass.
    Accept,
}

/// The limits on a request head.
#[derive(Clone, Copy, Debug)]
pub struct GuardLimits {
    /// Bytes of one head.
    pub head_bytes: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
    /// Header fields.
    pub headers: usize,
    /// The rule for underscores.
    pub underscores: Underscores,
}

impl From<&Limits> for GuardLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            head_bytes: limits.head_bytes,
            target_bytes: limits.target_bytes,
            headers: limits.headers,
            underscores: Underscores::Refuse,
        }
    }
}

/// A connection whose request heads are read before hyper sees them.
#[derive(Debug)]
pub struct Guard<IO> {
    io: IO,
}

/// What the connection is doing, for its time-outs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// No request, and not a byte of one.
    Idle {
        /// Since the connection began or the last request ended.
        since: Instant,
    },
    /// Part of a head has come and no request is being answered.
    Head {
        /// Since its first byte, or the end of the request before it.
        since: Instant,
    },
    /// A request is being read or answered, or the connection is a tunnel.
    Busy,
}

/// The connection's side of a [`Guard`], for whoever serves it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GuardState(Rc<()>);

impl GuardState {
    /// To be called once, first of all, for each request that hyper hands to the service.
    ///
    /// # Errors
    /// The reason to refuse the request, which then is not what the client sent but stands in for it: answer it with the reason's status and
    /// `Connection: close`.
    pub fn next_request(&self) -> Result<Turn, Rejection> {
        todo!()
    }

    /// What the connection is doing.
    #[must_use]
    pub fn activity(&self) -> Activity {
        todo!()
    }

    /// Whether a request's body broke the rules of its framing; its reader got an error then.
    #[must_use]
    pub fn has_body_fault(&self) -> bool {
        todo!()
    }
}

/// One request's turn on its connection, from its head to the end of its answer: keep it until the response body has ended. Dropping it says
/// that the request is over, and that an upgrade it asked for was not granted.
#[derive(Debug)]
pub struct Turn(GuardState);

impl Turn {
    /// Makes the connection a tunnel: to be called before the 101 is returned to hyper. From now on every byte passes.
    pub fn tunnel(self) {
        todo!()
    }
}

impl<IO> Guard<IO> {
    /// Guards a connection.
    pub fn new(_io: IO, _limits: GuardLimits) -> (Self, GuardState) {
        todo!()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guard<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        todo!()
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guard<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

//! The guard under hyper's HTTP/1 server: reads each raw request head before hyper does.
//!
//! hyper resolves or hides much of what two parsers could read differently: it drops a `Content-Length` beside a
//! `Transfer-Encoding`, takes bare line feeds, cuts fragments. A proxy must refuse such requests before anything
//! reaches an endpoint, and only the raw bytes show them. The guard follows the stream byte for byte (`framing`), so
//! it finds each pipelined head, and what it lets pass is what the client sent.
//!
//! A refused head never reaches hyper. In its place hyper reads a harmless request that closes the connection, and
//! the service learns from [`GuardState::next_request`] that it is to answer it with the refusal. Requests before it
//! are answered first, as always. A body that breaks its framing ends in a read error.
//!
//! After a request that asks for an upgrade, nothing passes until its [`Turn`] says what became of it: the bytes
//! that follow are a tunnel's, or a head.

mod chunked;
mod field;
mod framing;
mod request_head;
mod request_line;
mod scan;
mod state;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use framing::{Fault, Framing, Progress};
use state::Upgrade;
pub use state::{GuardState, Turn};

use crate::plan::Limits;

/// What hyper reads in place of a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: invalid\r\nconnection: close\r\n\r\n";

/// How much longer we read and discard what a refused client still sends, in time and in bytes. Closing at once would
/// reset the connection, and the client would never see why.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

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
    framing: Framing,
    state: GuardState,
    /// Bytes that were read and have not been handed on. Bounded: by a head or trailer section under its limit, or by
    /// one read's buffer, as nothing more is read before all of it has passed.
    held: BytesMut,
    /// So many of `held` may pass.
    cleared: usize,
    ending: Ending,
}

/// How the stream ends, once it must.
#[derive(Debug)]
enum Ending {
    None,
    /// After what is cleared, for this reason.
    Fault(Fault),
    /// The stand-in was handed on; nothing follows.
    Refused,
    /// Our side is shut; what the client still sends is discarded.
    Lingering(Pin<Box<Sleep>>, usize),
}

impl<IO> Guard<IO> {
    /// Guards a connection.
    pub fn new(io: IO, limits: GuardLimits) -> (Self, GuardState) {
        Self::with_read(io, BytesMut::new(), limits)
    }

    /// Guards a connection of which `read` was already read, as to learn its protocol.
    pub fn with_read(io: IO, read: BytesMut, limits: GuardLimits) -> (Self, GuardState) {
        let state = GuardState::new();
        let guard = Self {
            io,
            framing: Framing::new(limits),
            state: state.clone(),
            held: read,
            cleared: 0,
            ending: Ending::None,
        };
        (guard, state)
    }

    /// Hands on as much of what is cleared as fits.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.cleared -= count;
    }

    /// Judges what is held.
    fn examine(&mut self) {
        let progress = self.framing.advance(&self.held);
        self.cleared = progress.passed;
        self.note(progress, self.held.len());
    }

    /// Tells the service what the framing made of `total` bytes.
    fn note(&mut self, progress: Progress, total: usize) {
        self.state.set_passed(self.framing.heads());
        let is_partial = self.framing.is_in_head() && progress.passed < total;
        self.state.set_partial(is_partial);
        if let Some(fault) = progress.fault {
            self.ending = Ending::Fault(fault);
        }
    }

    /// Ends the stream: with the stand-in, or with an error.
    fn end(&mut self, fault: Fault) -> io::Result<()> {
        self.held.clear();
        match fault {
            Fault::Head(rejection) => {
                self.state.refuse(rejection);
                self.held.extend_from_slice(STAND_IN);
                self.cleared = STAND_IN.len();
                self.ending = Ending::Refused;
                Ok(())
            }
            Fault::Body => {
                self.state.set_body_fault();
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the request body breaks its framing",
                ))
            }
        }
    }

    /// Whether bytes that follow an upgrade request may be judged yet.
    fn poll_upgrade(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.framing.is_undecided() {
            match self.state.poll_upgrade(cx.waker()) {
                Upgrade::Granted => self.framing.tunnel(),
                Upgrade::Declined => self.framing.decline(),
                Upgrade::Undecided => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl<IO: AsyncRead + Unpin> Guard<IO> {
    /// Reads once, straight into the reader's buffer. What passes stays there; what does not is taken back and held.
    /// Returns how many bytes came.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        let count = read.len();
        if self.held.is_empty() {
            let progress = self.framing.advance(read);
            self.held.extend_from_slice(&read[progress.passed..]);
            self.note(progress, count);
            buf.set_filled(before + progress.passed);
        } else {
            self.held.extend_from_slice(read);
            buf.set_filled(before);
        }
        Poll::Ready(Ok(count))
    }

    /// Discards what the client sends until it closes, or a limit is reached.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Ending::Lingering(timer, discarded) = &mut self.ending else {
            return Poll::Ready(());
        };
        let mut scratch = [0; 4096];
        loop {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf));
            *discarded += buf.filled().len();
            if read.is_err() || buf.filled().is_empty() || *discarded > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.cleared > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            match this.ending {
                Ending::None => (),
                Ending::Fault(fault) => {
                    this.end(fault)?;
                    continue;
                }
                // hyper closes as soon as the refusal is written; an end of the stream would make it drop that.
                Ending::Refused | Ending::Lingering(..) => return Poll::Pending,
            }
            let decided = this.poll_upgrade(cx);
            if !this.held.is_empty() {
                ready!(decided);
                this.examine();
                if this.cleared > 0 || !matches!(this.ending, Ending::None) {
                    continue;
                }
            }
            let count = ready!(this.poll_fill(cx, buf))?;
            if count == 0 || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !matches!(this.ending, Ending::Lingering(..)) {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if this.state.has_refused() {
                this.ending = Ending::Lingering(Box::pin(sleep(LINGER_TIME)), 0);
            }
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;

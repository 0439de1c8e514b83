//! A client's socket, plain or TLS, as its protocol sees it.
//!
//! It returns the bytes that were read ahead to tell the protocol, joins small writes into one segment, and tells
//! the connection's deadline what the bytes mean for the wait that is on.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionread,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::proxy::{
    pipe::Pipe,
    wheel::{Deadline, Wait},
};

/// Up to so many bytes, several buffers are copied into one and sent at once, because a copy of two KiB costs less
/// than the kernel's handling of a second buffer.
const JOINED_BYTES_MAX: usize = 2048;

/// The transport under a client's connection.
#[derive(Debug)]
pub(crate) enum Socket {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over TCP. Boxed, since its state is a kilobyte that a plain connection need not carry.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the system knows of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is there.
    There,
    /// It has shut down its sending side, and so many of its bytes wait to be read.
    HalfClosed {
        /// The bytes; on TLS with what encryption adds to them.
        unread: u64,
    },
    /// It has broken the connection.
    Gone,
}

/// A client's connection. A wait for a request turns into one for the rest of its head with the first byte; a wait
/// for the client to take a response begins anew with every byte that it takes; and so does one in a tunnel with every
/// byte of it.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    ahead: Bytes,
    deadline: Rc<Deadline>,
}

impl Wire {
    /// Wraps a socket from which `ahead` was read already.
    pub(crate) const fn new(socket: Socket, ahead: Bytes, deadline: Rc<Deadline>) -> Self {
        Self {
            socket,
            ahead,
            deadline,
        }
    }

    /// The socket, where nothing but it lies between us and the client.
    pub(crate) const fn plain(&self) -> Option<&TcpStream> {
        match &self.socket {
            Socket::Plain(socket) => Some(socket),
            Socket::Tls(_) => None,
        }
    }

    /// Whether the client is still there, asked of the system without reading; where that cannot be told it is.
    pub(crate) fn standing(&self) -> Standing {
        let socket = match &self.socket {
            Socket::Plain(it) => it,
            Socket::Tls(it) => it.get_ref().0,
        };
        let mut watched = [PollFd::new(socket, PollFlags::RDHUP)];
        let now = Timespec::default();
        if poll(&mut watched, Some(&now)).is_err() {
            return Standing::There;
        }
        let seen = watched[0].revents();
        if seen.intersects(PollFlags::HUP | PollFlags::ERR) {
            return Standing::Gone;
        }
        match ioctl_fionread(socket) {
            Ok(unread) if seen.contains(PollFlags::RDHUP) => Standing::HalfClosed { unread },
            Ok(_) | Err(_) => Standing::There,
        }
    }

    /// Moves what the client takes out of `pipe`; only where it is plain.
    pub(crate) fn poll_drain(
        &self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.plain() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        let written = pipe.poll_drain_to(socket, cx);
        self.has_written(written)
    }

    fn has_read(&self) {
        match self.deadline.waits_for() {
            Wait::Lull | Wait::Request => self.deadline.wait(Wait::Head),
            Wait::Tunnel | Wait::Leaving => self.deadline.touch(),
            _ => (),
        }
    }

    fn has_written(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(count @ 1..)) = written else {
            return written;
        };
        match self.deadline.waits_for() {
            Wait::Reader | Wait::Flush => {
                self.deadline
                    .moved(u64::try_from(count).unwrap_or(u64::MAX));
                self.deadline.touch();
            }
            Wait::Tunnel | Wait::Leaving => self.deadline.touch(),
            _ => (),
        }
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            let read = match &mut self.socket {
                Socket::Plain(it) => Pin::new(it).poll_read(cx, buf),
                Socket::Tls(it) => Pin::new(it).poll_read(cx, buf),
            };
            std::task::ready!(read)?;
        } else {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..count]);
            self.ahead.advance(count);
        }
        if buf.filled().len() > before {
            self.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Plain(it) => Pin::new(it).poll_write(cx, buf),
            Socket::Tls(it) => Pin::new(it).poll_write(cx, buf),
        };
        self.has_written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|it| it.len()).sum();
        if bufs.len() > 1 && total <= JOINED_BYTES_MAX {
            let mut joined = [0; JOINED_BYTES_MAX];
            let mut filled = 0;
            for buf in bufs {
                joined[filled..filled + buf.len()].copy_from_slice(buf);
                filled += buf.len();
            }
            return self.poll_write(cx, &joined[..filled]);
        }
        let written = match &mut self.socket {
            Socket::Plain(it) => Pin::new(it).poll_write_vectored(cx, bufs),
            Socket::Tls(it) => Pin::new(it).poll_write_vectored(cx, bufs),
        };
        self.has_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(it) => Pin::new(it).poll_flush(cx),
            Socket::Tls(it) => Pin::new(it).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(it) => Pin::new(it).poll_shutdown(cx),
            Socket::Tls(it) => Pin::new(it).poll_shutdown(cx),
        }
    }
}

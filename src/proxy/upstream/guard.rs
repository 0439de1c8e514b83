//! What stands between an endpoint's socket and HTTP/2: ends a connection whose endpoint floods it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    clock,
    proxy::{
        frames::{Peer, Traffic},
        upstream::socket::Socket,
    },
};

/// An endpoint's HTTP/2 connection as hyper sees it. Once it is flooded, all that is read is an error.
#[derive(Debug)]
pub(super) struct Guard {
    socket: Socket,
    traffic: Traffic,
    began: Instant,
}

impl Guard {
    /// Before the first byte, from an endpoint that may send `most` frames without content within a second.
    pub(super) fn new(socket: Socket, most: u32) -> Self {
        Self {
            socket,
            traffic: Traffic::new(Peer::Endpoint, most),
            began: clock::now(),
        }
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let second = clock::now().duration_since(this.began).as_secs();
        let passed = this.traffic.has_read(&buf.filled()[before..], second);
        Poll::Ready(passed.map_err(|_flood| {
            io::Error::other("the endpoint sends too many frames without content")
        }))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.socket).poll_write(cx, buf))?;
        this.traffic.has_written(&[IoSlice::new(buf)], count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, bufs))?;
        this.traffic.has_written(bufs, count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

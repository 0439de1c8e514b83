//! What stands between an endpoint's socket and HTTP/2: ends a connection whose endpoint floods it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    clock,
    plan::EndpointId,
    proxy::{
        frames::{Peer, Traffic},
        upstream::{outage::Pause, socket::Socket},
    },
};

/// An endpoint's HTTP/2 connection as hyper sees it. Once it is flooded, all that is read is an error.
#[derive(Debug)]
pub(crate) struct Guard {
    socket: Socket,
    traffic: Traffic,
    began: Instant,
    floods: Rc<Floods>,
    is_flooded: bool,
}

/// What the log says of an endpoint that floods its connections.
#[derive(Debug)]
pub(crate) struct Floods {
    id: EndpointId,
    address: String,
    told: Pause,
}

impl Floods {
    /// Of the endpoint `id`, which the plan calls `address`.
    pub(crate) fn of(id: EndpointId, address: String) -> Self {
        Self {
            id,
            address,
            told: Pause::default(),
        }
    }

    fn tell(&self, now: Instant) {
        if self.told.is_over(now) {
            tracing::warn!(
                side = %self.id.side,
                endpoint = self.address,
                "an endpoint sends too many HTTP/2 frames without content, [limits] control_frames: its connection is closed"
            );
        }
    }
}

impl Guard {
    /// Before the first byte, from an endpoint that may send `most` frames without content within a second.
    pub(crate) fn new(socket: Socket, most: u32, floods: Rc<Floods>) -> Self {
        Self {
            socket,
            floods,
            is_flooded: false,
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
        if !this.is_flooded {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
            let now = clock::now();
            let second = now.duration_since(this.began).as_secs();
            let came = &buf.filled()[before..];
            if this.traffic.has_read(came, second).is_ok() {
                return Poll::Ready(Ok(()));
            }
            this.is_flooded = true;
            this.floods.tell(now);
        }
        let flood = "the endpoint sends too many frames without content";
        Poll::Ready(Err(io::Error::other(flood)))
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

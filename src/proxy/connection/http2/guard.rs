//! What stands between a client's socket and `h2`: ends a connection whose client floods it, and tells a head that does not end.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    measure::Rejection,
    proxy::{
        connection::Connection,
        frames::{Peer, Traffic, enhance_your_calm},
        wheel::{Deadline, Wait},
        wire::Wire,
    },
};

/// A client's HTTP/2 connection as `h2` sees it.
pub(super) struct Guard {
    /// Gone once the client has flooded it.
    wire: Option<Wire>,
    connection: Rc<Connection>,
    traffic: Traffic,
    watch: Rc<Watch>,
}

/// What whoever drives the connection sees of it.
pub(super) struct Watch {
    /// How long a block of header fields may take.
    pub(super) head: Deadline,
    /// The socket of a client that has flooded the connection, to be seen off.
    pub(super) flooded: RefCell<Option<Wire>>,
}

impl Guard {
    pub(super) fn new(connection: Rc<Connection>, wire: Wire) -> Self {
        let worker = &connection.worker;
        Self {
            wire: Some(wire),
            traffic: Traffic::new(Peer::Client, worker.limits().control_frames),
            watch: Rc::new(Watch {
                head: worker.wheel.place(),
                flooded: RefCell::new(None),
            }),
            connection,
        }
    }

    pub(super) fn watch(&self) -> Rc<Watch> {
        Rc::clone(&self.watch)
    }

    fn wire(&mut self) -> io::Result<Pin<&mut Wire>> {
        let wire = self.wire.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(wire))
    }

    /// Limits the time that a block of header fields takes.
    fn watch_head(&self) {
        let head = &self.watch.head;
        match (self.traffic.is_within_head(), head.waits_for()) {
            (true, Wait::Head) => (),
            (true, _) => head.wait(Wait::Head),
            (false, Wait::Head) => head.wait(Wait::Nothing),
            (false, _) => (),
        }
    }

    /// Ends the connection, and says so where no frame is on its way.
    fn end(&mut self, cx: &mut Context<'_>) -> io::Error {
        let worker = &self.connection.worker;
        worker.recorder.reject(Rejection::Flood);
        if let Some(mut wire) = self.wire.take() {
            if self.traffic.is_between_frames() {
                let frame = enhance_your_calm(self.traffic.last_stream());
                // If the client does not take it now, it goes without.
                let said = Pin::new(&mut wire).poll_write(cx, &frame);
                let sent = said.is_ready() && Pin::new(&mut wire).poll_flush(cx).is_ready();
                tracing::debug!(sent, "a client floods its connection");
            }
            self.watch.flooded.replace(Some(wire));
        }
        io::Error::other("the client sends too many frames without content")
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
        ready!(this.wire()?.poll_read(cx, buf))?;
        let second = this.connection.worker.wheel.second();
        let came = &buf.filled()[before..];
        if this.traffic.has_read(came, second).is_err() {
            return Poll::Ready(Err(this.end(cx)));
        }
        this.watch_head();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(this.wire()?.poll_write(cx, buf))?;
        this.traffic.has_written(&[IoSlice::new(buf)], count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(this.wire()?.poll_write_vectored(cx, bufs))?;
        this.traffic.has_written(bufs, count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().wire()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().wire()?.poll_shutdown(cx)
    }
}

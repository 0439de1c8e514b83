//! A connection's bytes: TCP, or TLS over it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::proxy::{
    pipe::{Drain, Pipe},
    upstream::slots::Slot,
};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connected socket. It keeps its place among the endpoint's connections until it is closed, also after it
/// became a tunnel.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    _slot: Option<Slot>,
}

#[derive(Debug)]
pub(crate) enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS; boxed, since it is many times larger.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// A socket that occupies `slot`, where its endpoint's connections are counted.
    pub(crate) fn new(transport: Transport, slot: Option<Slot>) -> Self {
        Self {
            transport,
            _slot: slot,
        }
    }
}

impl Socket {
    /// The socket, where nothing but it lies between us and the endpoint.
    pub(crate) const fn plain(&self) -> Option<&TcpStream> {
        match &self.transport {
            Transport::Tcp(socket) => Some(socket),
            Transport::Tls(_) => None,
        }
    }
}

impl Drain for Socket {
    fn drains(&self) -> bool {
        self.plain().is_some()
    }

    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.plain() {
            Some(socket) => pipe.poll_drain_to(socket, cx),
            None => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(it) => Pin::new(it).poll_read(cx, buf),
            Transport::Tls(it) => Pin::new(it).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(it) => Pin::new(it).poll_write(cx, buf),
            Transport::Tls(it) => Pin::new(it).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(it) => Pin::new(it).poll_flush(cx),
            Transport::Tls(it) => Pin::new(it).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(it) => Pin::new(it).poll_shutdown(cx),
            Transport::Tls(it) => Pin::new(it).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(it) => Pin::new(it).poll_write_vectored(cx, bufs),
            Transport::Tls(it) => Pin::new(it).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Tcp(it) => it.is_write_vectored(),
            Transport::Tls(it) => it.is_write_vectored(),
        }
    }
}

//! A response's body on its way from an endpoint, which gives its connection back when it ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::proxy::pipe::{Fill, Flow, Pipe};
use crate::proxy::upstream::{
    connection::Http1Connection,
    endpoint::InFlight,
    error::{ExchangeFault, UpstreamBodyError},
    http1::Transfer,
    lease::Held,
    pool::Connection,
    socket::Socket,
};

/// The body of a response. Dropped before its end, it closes its connection (HTTP/1.1) or resets its stream (HTTP/2).
#[derive(Debug)]
pub(crate) struct UpstreamBody<B> {
    source: Source<B>,
    /// `None` once it has ended.
    held: Option<Held<B>>,
}

/// Where the body comes from.
#[derive(Debug)]
pub(crate) enum Source<B> {
    /// Our own codec, on the connection that is held.
    Native(Transfer<B>),
    /// hyper's, whose task reads the connection.
    Hyper(Incoming),
    /// A 101 in hyper's codec: the socket, soon.
    Upgrade(OnUpgrade),
}

/// An endpoint's end of a tunnel; counts as a request in flight at the endpoint for as long as it is kept.
#[derive(Debug)]
pub(crate) struct UpstreamTunnel<B> {
    socket: Opened,
    in_flight: InFlight<B>,
}

#[derive(Debug)]
enum Opened {
    Now(Socket, Bytes),
    Soon(OnUpgrade),
}

impl<B> UpstreamBody<B> {
    /// The body that `source` gives, on what is `held` for it.
    pub(crate) fn new(source: Source<B>, held: Held<B>) -> Self {
        let mut body = Self {
            source,
            held: Some(held),
        };
        if body.source.is_end_stream() {
            body.end();
        }
        body
    }

    /// Whether the endpoint sends on though nobody reads, as far as it was allowed to.
    pub(crate) const fn is_pushed(&self) -> bool {
        matches!(self.source, Source::Hyper(_))
    }

    /// After a 101, the tunnel that its connection becomes.
    pub(crate) fn into_tunnel(self) -> Option<UpstreamTunnel<B>> {
        let Held {
            connection,
            in_flight,
            ..
        } = self.held?;
        let socket = match (self.source, connection) {
            (Source::Native(_), Connection::Http1(Http1Connection::Native(connection))) => {
                let (socket, ahead) = connection.into_tunnel();
                Opened::Now(socket, ahead)
            }
            (Source::Upgrade(upgrade), Connection::Http1(Http1Connection::Hyper(connection))) => {
                connection.hand_over();
                Opened::Soon(upgrade)
            }
            _ => return None,
        };
        Some(UpstreamTunnel { socket, in_flight })
    }

    /// The body came to its end.
    fn end(&mut self) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        if let (Source::Native(transfer), Connection::Http1(Http1Connection::Native(connection))) =
            (&self.source, &mut held.connection)
        {
            connection.finish(transfer);
        }
        held.give_back();
    }
}

impl<B> UpstreamTunnel<B> {
    /// The socket, what the endpoint has said in it already, and what counts the tunnel at its endpoint.
    ///
    /// # Errors
    /// When the connection broke right after its 101.
    pub(crate) async fn open(self) -> io::Result<(Socket, Bytes, InFlight<B>)> {
        let (socket, said) = match self.socket {
            Opened::Now(socket, said) => (socket, said),
            Opened::Soon(upgrade) => {
                let upgraded = upgrade.await.map_err(io::Error::other)?;
                let parts = upgraded.downcast::<TokioIo<Socket>>();
                let parts =
                    parts.map_err(|_upgraded| io::Error::other("another transport than ours"))?;
                (parts.io.into_inner(), parts.read_buf)
            }
        };
        Ok((socket, said, self.in_flight))
    }
}

impl<B> Source<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            // After a 101 the connection is not to be given back.
            Self::Native(transfer) => transfer.is_ended() && !transfer.is_tunnel(),
            Self::Hyper(incoming) => incoming.is_end_stream(),
            Self::Upgrade(_) => false,
        }
    }
}

impl<B> Fill for UpstreamBody<B>
where
    B: Flow,
{
    type Fault = UpstreamBodyError;

    fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, UpstreamBodyError>>> {
        let (Source::Native(transfer), Some(Held { connection, .. })) =
            (&mut self.source, &mut self.held)
        else {
            return Poll::Ready(None);
        };
        let Connection::Http1(Http1Connection::Native(connection)) = connection else {
            return Poll::Ready(None);
        };
        Poll::Ready(match ready!(transfer.poll_fill(connection, pipe, cx)) {
            Some(Ok(count)) => {
                if self.source.is_end_stream() {
                    self.end();
                }
                Some(Ok(count))
            }
            Some(Err(source)) => {
                self.held = None;
                Some(Err(source.into()))
            }
            None => None,
        })
    }
}

impl<B> UpstreamBody<B>
where
    B: Flow,
{
    /// Sends on what is left of the request, while nobody takes more of the response.
    pub(crate) fn upload(&mut self, cx: &mut Context<'_>) {
        if let (Source::Native(transfer), Some(Held { connection, .. })) =
            (&mut self.source, &mut self.held)
            && let Connection::Http1(Http1Connection::Native(connection)) = connection
        {
            transfer.upload(connection, cx);
        }
    }

    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        match (&mut self.source, &mut self.held) {
            (Source::Native(transfer), Some(Held { connection, .. })) => match connection {
                Connection::Http1(Http1Connection::Native(connection)) => {
                    transfer.poll_frame(connection, cx)
                }
                Connection::Http1(Http1Connection::Hyper(_)) | Connection::Http2(_) => {
                    Poll::Ready(None)
                }
            },
            (Source::Hyper(incoming), _) => Pin::new(incoming)
                .poll_frame(cx)
                .map_err(ExchangeFault::Hyper),
            (Source::Native(_), None) | (Source::Upgrade(_), _) => Poll::Ready(None),
        }
    }
}

impl<B> Body for UpstreamBody<B>
where
    B: Flow,
{
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let this = self.get_mut();
        let frame = ready!(this.poll_source(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Whoever knows the length does not ask again after the last byte, and nobody after trailers.
                if frame.is_trailers() || this.source.is_end_stream() {
                    this.end();
                }
                Some(Ok(frame))
            }
            None => {
                this.end();
                None
            }
            Some(Err(source)) => {
                this.held = None;
                Some(Err(source.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() || self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Native(transfer) => transfer.size_hint(),
            Source::Hyper(incoming) => incoming.size_hint(),
            Source::Upgrade(_) => SizeHint::with_exact(0),
        }
    }
}

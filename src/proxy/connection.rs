//! One client connection: its handshake, the choice of its protocol, and what its requests share.

mod announced;
mod http1;
mod http2;

pub(crate) use http1::Client;
pub(crate) use http2::{Crew, Incoming};

pub use announced::{Parsed as Announced, parse as announced};

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    task::{Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    measure::Rejection,
    proxy::{
        crowd::Member,
        failure::TOO_MANY_CONNECTIONS,
        head::{ClientScheme, Peer},
        hints::Hints,
        tunnel::Opening,
        wheel::{Deadline, Wait},
        wire::{Socket, Wire},
        worker::{Seat, Stage, Worker},
    },
    units::Timestamp,
};

/// What every HTTP/2 connection of a client begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes read at once to tell the protocol: enough for most heads, so that those need no second read.
const AHEAD_MAX: usize = 2048;

/// A connection that was accepted.
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    pub(crate) peer: IpAddr,
    /// The listener's place in the plan.
    pub(crate) listener: usize,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) seat: Seat,
}

/// What the requests of one connection share.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: Peer,
    /// The listener's place in the plan.
    listener: u16,
    opened_at: Timestamp,
    /// What the connection waits for; on HTTP/1 that includes its one request.
    pub(crate) deadline: Rc<Deadline>,
    /// The tunnel that it becomes after its 101.
    pub(crate) tunnel: RefCell<Option<Opening>>,
    /// Interim answers on their way to the client.
    pub(crate) hints: RefCell<Hints>,
    /// Whether the client may be sending what nobody will read.
    pub(crate) leaves_unread: Cell<bool>,
    _seat: Seat,
    _member: Option<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, arrival: Arrival) {
    let Arrival {
        mut socket,
        peer,
        listener,
        tls,
        seat,
    } = arrival;
    let opened_at = worker.now();
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection was lost before it began");
        return;
    }
    let deadline = Rc::new(worker.wheel.place());
    let Some(peer) = client_of(&worker, &mut socket, listener, peer, &deadline).await else {
        worker.recorder.reject(Rejection::ProxyHeader);
        return;
    };
    let Ok(member) = worker.admit(peer) else {
        worker.recorder.reject(Rejection::ClientConnections);
        if tls.is_none() {
            Box::pin(turn_away(socket, &deadline)).await;
        }
        return;
    };
    let opened = match tls {
        None => sniff(socket, &deadline).await,
        Some(acceptor) => {
            // Boxed, since its state is far larger than what the connection waits with later.
            let opened = Box::pin(shake_hands(socket, &acceptor, &deadline)).await;
            if opened.is_none() {
                worker.recorder.reject(Rejection::TlsHandshake);
            }
            opened
        }
    };
    let Some(Opened {
        socket,
        ahead,
        protocol,
        scheme,
    }) = opened
    else {
        return;
    };
    let connection = Rc::new(Connection {
        worker,
        peer: Peer {
            address: peer,
            scheme,
        },
        listener: u16::try_from(listener).unwrap_or(u16::MAX),
        opened_at,
        deadline: Rc::clone(&deadline),
        tunnel: RefCell::new(None),
        hints: RefCell::default(),
        leaves_unread: Cell::new(false),
        _seat: seat,
        _member: member,
    });
    match protocol {
        Protocol::Http1 => {
            let wire = Wire::new(socket, Bytes::new(), deadline);
            http1::serve(connection, wire, ahead).await;
        }
        // Boxed, since its state is far larger than that of the other.
        Protocol::Http2 => {
            let wire = Wire::new(socket, ahead.freeze(), deadline);
            Box::pin(http2::serve(connection, wire)).await;
        }
    }
}

/// Whose connection it is: the peer's, or that of the client whom a load balancer names, which it must where the plan says so.
async fn client_of(
    worker: &Worker,
    socket: &mut TcpStream,
    listener: usize,
    peer: IpAddr,
    deadline: &Deadline,
) -> Option<IpAddr> {
    if !worker.is_announcer(listener, peer) {
        return Some(peer);
    }
    // Boxed, since it holds a buffer, which every connection would have room for.
    let read = Box::pin(deadline.within(Wait::Handshake, announced::read(socket)));
    let Ok(Ok(source)) = read.await else {
        tracing::debug!(%peer, "a connection without a PROXY header");
        return None;
    };
    Some(source.unwrap_or(peer))
}

/// Tells a client that it has too many connections, and lets it go.
async fn turn_away(mut socket: TcpStream, deadline: &Deadline) {
    let farewell = async {
        socket.write_all(TOO_MANY_CONNECTIONS).await?;
        socket.shutdown().await?;
        http1::throw_away(&mut socket).await;
        Ok::<_, io::Error>(())
    };
    if !matches!(deadline.within(Wait::Farewell, farewell).await, Ok(Ok(()))) {
        tracing::debug!("a client did not leave in time");
    }
}

impl Connection {
    /// Whether the client is to leave: this process drains, or the client should look the name up again.
    pub(crate) fn is_to_leave(&self) -> bool {
        self.worker.stage.get() != Stage::Serving
            || self.worker.leave_before.is_after(self.opened_at)
    }

    /// Notes that a request of this client came in.
    pub(crate) fn note_arrival(&self, client: IpAddr) {
        self.worker.recorder.arrived(self.listener, client);
    }
}

/// A connection whose protocol is known.
struct Opened {
    socket: Socket,
    ahead: BytesMut,
    protocol: Protocol,
    scheme: ClientScheme,
}

/// Tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes, within the time of a handshake.
async fn sniff(mut socket: TcpStream, deadline: &Deadline) -> Option<Opened> {
    let read = deadline
        .within(Wait::Handshake, read_ahead(&mut socket))
        .await;
    let (ahead, protocol) = read.ok()?.ok()?;
    Some(Opened {
        socket: Socket::Plain(socket),
        ahead,
        protocol,
        scheme: ClientScheme::Http,
    })
}

async fn read_ahead(socket: &mut TcpStream) -> io::Result<(BytesMut, Protocol)> {
    let mut ahead = BytesMut::new();
    loop {
        let count = poll_fn(|cx| {
            // On the stack of this poll, so that a connection that only waits holds no buffer.
            let mut space = [0; AHEAD_MAX];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut buf))?;
            ahead.extend_from_slice(buf.filled());
            Poll::Ready(Ok::<_, io::Error>(buf.filled().len()))
        });
        if count.await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let common = PREFACE
            .iter()
            .zip(&ahead)
            .take_while(|(a, b)| a == b)
            .count();
        if common == PREFACE.len() {
            return Ok((ahead, Protocol::Http2));
        }
        if common < ahead.len() {
            return Ok((ahead, Protocol::Http1));
        }
    }
}

/// Makes the TLS handshake, whose ALPN says which protocol the client speaks.
async fn shake_hands(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    deadline: &Deadline,
) -> Option<Opened> {
    let made = deadline
        .within(Wait::Handshake, acceptor.accept(socket))
        .await;
    let stream = match made {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            return None;
        }
    };
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    Some(Opened {
        socket: Socket::Tls(Box::new(stream)),
        ahead: BytesMut::new(),
        protocol,
        scheme: ClientScheme::Https,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How large the future is that such a function makes.
    const fn size<A, B, F>(_: &fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let bytes = size(&(serve as fn(_, _) -> _));
        assert!(bytes <= 1_024, "{bytes} bytes for each connection");
    }
}

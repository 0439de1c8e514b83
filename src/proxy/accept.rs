//! Accepting connections on one socket, within the limit on connections and on what the system can give.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
};

use rustls::ServerConfig;
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::TlsAcceptor;

use crate::proxy::{
    connection::{self, Arrival},
    wheel::TURN,
    worker::{Stop, Worker},
};

/// Accepts until told to stop, and then what the system has taken on for us already: closing the socket over it would
/// reset clients whose request is on its way. Each connection becomes a task of the worker's own, which costs less than
/// polling it here, and outlives the end of accepting.
pub(crate) async fn run(
    worker: Rc<Worker>,
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    mut stop: watch::Receiver<Stop>,
) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(it) => it,
        Err(error) => {
            tracing::error!(%error, "a listening socket cannot be used");
            return;
        }
    };
    let acceptor = tls.map(TlsAcceptor::from);
    tokio::select! {
        never = accept(&worker, &listener, acceptor.as_ref()) => never,
        told = stop.wait_for(|it| *it == Stop::Drain) => match told {
            Ok(_) => tracing::debug!("accepting ends"),
            Err(_) => return, // The owner is gone: what runs is cut anyway.
        },
    }
    if let Err(error) = empty(&worker, listener, acceptor.as_ref()) {
        tracing::debug!(%error, "what waited to be accepted is lost");
    }
}

/// Accepts for ever.
async fn accept(
    worker: &Rc<Worker>,
    listener: &tokio::net::TcpListener,
    acceptor: Option<&TlsAcceptor>,
) -> ! {
    loop {
        while !worker.has_room() {
            worker.room.notified().await;
        }
        match listener.accept().await {
            Ok((socket, peer)) => serve(worker, acceptor, socket, peer),
            Err(error) if is_about_one_connection(&error) => {
                tracing::debug!(%error, "a connection was lost before it was accepted");
            }
            Err(error) => {
                // Out of descriptors or memory. The connection stays in the queue, so trying again at once would spin.
                tracing::warn!(%error, "accepting pauses");
                tokio::time::sleep(TURN).await;
            }
        }
    }
}

/// Accepts what waits in the socket's queue. The socket itself is asked, since the runtime may not have heard of the
/// last ones yet.
fn empty(
    worker: &Rc<Worker>,
    listener: tokio::net::TcpListener,
    acceptor: Option<&TlsAcceptor>,
) -> io::Result<()> {
    let listener = listener.into_std()?;
    while worker.has_room() {
        match listener.accept() {
            Ok((socket, peer)) => {
                socket.set_nonblocking(true)?;
                serve(worker, acceptor, TcpStream::from_std(socket)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_about_one_connection(&error) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn serve(worker: &Rc<Worker>, acceptor: Option<&TlsAcceptor>, socket: TcpStream, peer: SocketAddr) {
    let arrival = Arrival {
        socket,
        peer,
        tls: acceptor.cloned(),
        seat: worker.seat(),
    };
    tokio::task::spawn_local(connection::serve(Rc::clone(worker), arrival));
}

/// Whether the next connection may still be accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

//! Accepting connections on one socket, within the limit on connections and on what the system can give.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
};

use tokio::{net::TcpStream, sync::watch};

use crate::{
    measure::Pause,
    proxy::{
        connection::{self, Arrival},
        wheel::TURN,
        worker::{Stop, Worker},
    },
};

/// Accepts until told to stop, and then what the system has taken on for us already: closing the socket over it would
/// reset clients whose request is on its way. Each connection becomes a task of the worker's own, which costs less than
/// polling it here, and outlives the end of accepting.
pub(crate) async fn run(
    worker: Rc<Worker>,
    listener: usize,
    socket: TcpListener,
    mut stop: watch::Receiver<Stop>,
) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(it) => it,
        Err(error) => {
            tracing::error!(%error, "a listening socket cannot be used");
            return;
        }
    };
    // Until then another process accepts from the same socket. Whoever waits in it loses nothing by it.
    if stop.wait_for(|it| *it != Stop::NotYet).await.is_err() {
        return;
    }
    let door = Door { worker, listener };
    tokio::select! {
        never = door.accept(&socket) => never,
        told = stop.wait_for(|it| *it == Stop::Drain) => match told {
            Ok(_) => tracing::debug!("accepting ends"),
            Err(_) => return, // The owner is gone: what runs is cut anyway.
        },
    }
    if let Err(error) = door.empty(socket) {
        tracing::debug!(%error, "what waited to be accepted is lost");
    }
}

/// Where clients of one listener come in.
struct Door {
    worker: Rc<Worker>,
    /// The listener's place in the plan.
    listener: usize,
}

impl Door {
    /// Accepts for ever.
    async fn accept(&self, socket: &tokio::net::TcpListener) -> ! {
        let worker = &self.worker;
        let mut pause = None;
        loop {
            if !worker.has_room() {
                tracing::debug!("accepting pauses: there are as many connections as may be");
                let _pause = worker.recorder.pause(Pause::Connections);
                while !worker.has_room() {
                    worker.room.notified().await;
                }
            }
            match socket.accept().await {
                Ok((socket, peer)) => {
                    pause = None;
                    self.serve(socket, peer);
                }
                Err(error) if is_about_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted");
                }
                Err(error) => {
                    // Out of descriptors or memory. The connection stays in the queue, so trying again at once would spin.
                    if pause.is_none() {
                        tracing::warn!(%error, "accepting pauses");
                        pause = Some(worker.recorder.pause(Pause::Descriptors));
                    }
                    tokio::time::sleep(TURN).await;
                }
            }
        }
    }

    /// Accepts what waits in the socket's queue. The socket itself is asked, since the runtime may not have heard of the
    /// last ones yet.
    fn empty(&self, socket: tokio::net::TcpListener) -> io::Result<()> {
        let queue = socket.into_std()?;
        while self.worker.has_room() {
            match queue.accept() {
                Ok((socket, peer)) => {
                    socket.set_nonblocking(true)?;
                    self.serve(TcpStream::from_std(socket)?, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_about_one_connection(&error) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn serve(&self, socket: TcpStream, peer: SocketAddr) {
        let arrival = Arrival {
            socket,
            peer: peer.ip().to_canonical(),
            listener: self.listener,
            // As the newest certificates have it.
            tls: self.worker.acceptor(self.listener),
            seat: self.worker.seat(),
        };
        tokio::task::spawn_local(connection::serve(Rc::clone(&self.worker), arrival));
    }
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

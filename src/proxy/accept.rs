//! Accepting connections on one socket, within the limit on connections and on what the system can give.

use std::{io, net::TcpListener, rc::Rc, sync::Arc};

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::proxy::{
    connection::{self, Arrival},
    wheel::TURN,
    worker::{Stage, Worker},
};

/// Accepts while the worker serves. Each connection becomes a task of the worker's own, which costs less than
/// polling it here, and outlives the end of accepting.
pub(crate) async fn run(worker: Rc<Worker>, socket: TcpListener, tls: Option<Arc<ServerConfig>>) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(it) => it,
        Err(error) => {
            tracing::error!(%error, "a listening socket cannot be used");
            return;
        }
    };
    let acceptor = tls.map(TlsAcceptor::from);
    while worker.stage.get() == Stage::Serving {
        while !worker.has_room() {
            worker.room.notified().await;
        }
        match listener.accept().await {
            Ok((socket, peer)) => {
                let arrival = Arrival {
                    socket,
                    peer,
                    tls: acceptor.clone(),
                    seat: worker.seat(),
                };
                tokio::task::spawn_local(connection::serve(Rc::clone(&worker), arrival));
            }
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

//! The thread of the admin API and the health checks, apart from traffic and from the control loop.

use std::{
    io,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rustls::ServerConfig;
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    admin,
    measure::Board,
    plan::Plan,
    proxy::{self, ClientTls},
    units::PerSide,
};

/// What the thread is given.
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    /// The API's own TLS, apart from that of the environments.
    pub(super) admin_tls: Option<Arc<ServerConfig>>,
    pub(super) context: admin::Context,
    pub(super) plan: Arc<Plan>,
    pub(super) tls: PerSide<ClientTls>,
    pub(super) board: Arc<Board>,
}

/// The thread at work.
#[derive(Debug)]
pub(super) struct AdminThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Starts it.
pub(super) fn start(parts: Parts) -> io::Result<AdminThread> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("admin-disk")
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || run(&runtime, parts, stopped))?;
    Ok(AdminThread { stop, thread })
}

impl AdminThread {
    /// Lets what runs finish, and waits for the end. Blocks.
    pub(super) fn stop(self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("the thread had ended already");
        }
        if self.thread.join().is_err() {
            tracing::error!("the admin thread panicked");
        }
    }
}

fn run(runtime: &Runtime, parts: Parts, stopped: oneshot::Receiver<()>) {
    let Parts {
        listener,
        admin_tls,
        context,
        plan,
        tls,
        board,
    } = parts;
    // Whoever drops the other end wants the same as whoever sends.
    let shutdown = async { drop(stopped.await) };
    runtime.block_on(async {
        tokio::select! {
            served = admin::serve(listener, admin_tls, context, shutdown) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the admin API has ended");
                }
            }
            never = proxy::probe(plan, tls, board) => match never {},
        }
    });
}

//! One worker: a thread with its own runtime, sockets, idle pool and recorder.

use std::{io, net::TcpListener, sync::Arc, thread};

use rustls::ServerConfig;
use tokio::sync::watch;

use crate::proxy::Shared;

/// What the owner of the workers wants of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Go on.
    No,
    /// Stop accepting, finish what runs, end.
    Drain,
}

/// A socket to accept from, with its TLS settings if it has any.
pub(crate) type Port = (TcpListener, Option<Arc<ServerConfig>>);

/// Starts the thread of worker `index`.
pub(crate) fn spawn(
    index: u16,
    shared: Shared,
    ports: Vec<Port>,
    stop: watch::Receiver<Stop>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || runtime.block_on(run(shared, ports, stop)))
}

async fn run(shared: Shared, ports: Vec<Port>, mut stop: watch::Receiver<Stop>) {
    drop((shared, ports));
    drop(stop.wait_for(|it| *it != Stop::No).await);
}

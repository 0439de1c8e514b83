//! The data plane: accepts clients, assigns each request to a side, forwards it, and measures how it ended.
//!
//! A client goes `listener → accept → tls → connection`; each of its requests, driven by `relay`, goes
//! `request → split → forward (upstream) → reply → measure`, with `exchange` recording what becomes of it.
//! Each worker is one thread with its own sockets, runtime, idle pool and recorder; a request never leaves its
//! core and takes no lock. What a worker learns from outside is the split table (one atomic load); what it
//! tells is an interval of measurements ten times a second.

mod accept;
mod body;
mod buffers;
mod connection;
mod crowd;
mod descriptors;
mod exchange;
mod failure;
mod forward;
pub mod head;
mod health;
mod hints;
mod http1;
mod listener;
mod pipe;
mod relay;
mod reply;
mod request;
#[doc(hidden)]
pub mod stages;
mod tls;
mod tunnel;
mod upstream;
mod wheel;
mod wire;
mod worker;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, thread};

use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub use self::{
    health::probe,
    tls::admin_tls,
    upstream::{ClientTls, TlsError},
};

use crate::{
    clock::Clock,
    measure::{Board, Connects, Interval},
    plan::Plan,
    split::Publication,
};

/// Called when connects to a side fail in a row often enough; wakes the control loop between two turns.
pub type Alarm = Arc<dyn Fn() + Send + Sync>;

/// What the data plane shares with the rest of the process.
#[derive(Clone)]
pub struct Shared {
    /// The intent.
    pub plan: Arc<Plan>,
    /// Where the split table in force stands.
    pub publication: Publication,
    /// Which endpoints are in choice.
    pub board: Arc<Board>,
    /// Failures to connect in a row.
    pub connects: Arc<Connects>,
    /// Wakes the control loop.
    pub alarm: Alarm,
    /// Turns instants into timestamps.
    pub clock: Clock,
    /// Where each worker hands over what it measured, every 100 ms.
    pub intervals: mpsc::Sender<Interval>,
}

/// Why the data plane could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener's address could not be bound.
    #[error("bind {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key could not be used.
    #[error("use the certificate file {path}: {reason}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No keys could be drawn for session tickets.
    #[error("draw keys for session tickets")]
    Tickets(#[source] rustls::Error),
    /// The TLS settings of a side cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A worker's thread or runtime could not be made.
    #[error("start a worker")]
    Worker(#[source] io::Error),
}

/// The data plane at work. Dropping it instead of draining it cuts every connection.
#[derive(Debug)]
pub struct RunningProxy {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<worker::Stop>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// Binds every listener on every worker and starts the workers.
///
/// # Errors
/// When a certificate cannot be used, an address cannot be bound, or a thread cannot be made; nothing runs then.
pub fn start(shared: &Shared) -> Result<RunningProxy, StartError> {
    let common = worker::Common {
        upstream_tls: Arc::new(ClientTls::load(&shared.plan)?),
        crowd: Arc::default(),
        connections: descriptors::client_connections(&shared.plan),
    };
    let tls = tls::load(&shared.plan.listeners)?;
    let workers = shared.plan.workers;
    let bound = listener::bind(&shared.plan.listeners, workers)?;
    let (stop, stopped) = watch::channel(worker::Stop::No);
    let mut threads = Vec::with_capacity(workers);
    for (index, sockets) in (0_u16..).zip(bound.by_worker) {
        let ports = sockets.into_iter().zip(tls.iter().cloned()).collect();
        let thread = worker::spawn(
            index,
            shared.clone(),
            common.clone(),
            ports,
            stopped.clone(),
        );
        threads.push(thread.map_err(StartError::Worker)?);
    }
    Ok(RunningProxy {
        addresses: bound.addresses,
        stop,
        workers: threads,
    })
}

impl RunningProxy {
    /// The addresses in force, in the order of the plan's listeners; a port 0 is resolved.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, finishes what runs, and returns when it has ended or the drain time is over.
    pub async fn drain(self) {
        self.stop.send_replace(worker::Stop::Drain);
        for thread in self.workers {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a worker panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests;

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
mod footing;
mod forward;
mod frames;
pub mod head;
mod health;
mod hints;
mod holdings;
mod http1;
mod listener;
mod names;
mod open_writes;
mod pipe;
mod relay;
mod reply;
mod request;
mod setup;
mod shadow;
#[doc(hidden)]
pub mod stages;
mod tls;
mod tunnel;
mod upstream;
mod wheel;
mod wire;
mod worker;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub use self::{
    health::probe,
    listener::{Bound, Sockets, bind},
    names::{resolve, resolve_first},
    setup::{Setup, Setups},
    shadow::{CopyDesk, CopyQueue},
    upstream::{ClientTls, TlsError},
};

use crate::{
    clock::Clock,
    measure::{Connects, Interval},
    split::Publication,
};

/// Called when connects to a side fail in a row often enough; wakes the control loop between two turns.
pub type Alarm = Arc<dyn Fn() + Send + Sync>;

/// What the data plane shares with the rest of the process.
#[derive(Clone)]
pub struct Shared {
    /// What carrying out the plan takes.
    pub setups: Setups,
    /// Where the split table in force stands.
    pub publication: Publication,
    /// Failures to connect in a row.
    pub connects: Arc<Connects>,
    /// Wakes the control loop.
    pub alarm: Alarm,
    /// Turns instants into timestamps.
    pub clock: Clock,
    /// Where requests go that are copied, and what copies have shown.
    pub desk: CopyDesk,
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
    /// The edition that each worker has taken up.
    editions: Vec<Arc<AtomicU32>>,
    /// Every listening socket once more.
    sockets: Sockets,
    /// Sends copies until the workers have ended.
    copier: shadow::Copier,
}

/// Starts the workers. Nobody is accepted before [`RunningProxy::open`].
///
/// # Errors
/// When a thread cannot be made; nothing runs then.
pub fn start(shared: &Shared, bound: Bound, copies: CopyQueue) -> Result<RunningProxy, StartError> {
    let setup = shared.setups.load();
    let (crowd, holdings) = (Arc::default(), Arc::default());
    let workers = setup.plan().workers;
    let (stop, stopped) = watch::channel(worker::Stop::NotYet);
    let mut threads = Vec::with_capacity(workers);
    let mut editions = Vec::with_capacity(workers);
    for (index, ports) in (0_u16..).zip(bound.by_worker) {
        let edition = Arc::new(AtomicU32::new(setup.edition.number()));
        editions.push(Arc::clone(&edition));
        let beside = worker::Beside {
            crowd: Arc::clone(&crowd),
            holdings: Arc::clone(&holdings),
            edition,
        };
        let thread = worker::spawn(index, shared.clone(), beside, ports, stopped.clone());
        threads.push(thread.map_err(StartError::Worker)?);
    }
    let copier = shadow::spawn(shared, copies).map_err(StartError::Worker)?;
    Ok(RunningProxy {
        copier,
        addresses: bound.addresses,
        stop,
        workers: threads,
        editions,
        sockets: bound.spare,
    })
}

impl RunningProxy {
    /// The addresses in force, in the order of the plan's listeners; a port 0 is resolved.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether every worker takes requests in by the edition of this number.
    #[must_use]
    pub fn has_taken_up(&self, number: u32) -> bool {
        let mut editions = self.editions.iter();
        editions.all(|it| it.load(Ordering::Acquire) == number)
    }

    /// Accepts from now on.
    pub fn open(&self) {
        self.stop.send_replace(worker::Stop::No);
    }

    /// Every listening socket, for another process.
    #[must_use]
    pub const fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Stops accepting, finishes what runs, and returns when it has ended or the drain time is over. Whoever waits in a
    /// socket's queue is accepted first; a socket that another process has as well stays open by that.
    pub async fn drain(self) {
        // The workers' own are the last ones of this process then: a queue that nobody empties must not stay open.
        drop(self.sockets);
        self.stop.send_replace(worker::Stop::Drain);
        for thread in self.workers {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a worker panicked");
            }
        }
        drop(self.copier);
    }
}

#[cfg(test)]
mod tests;

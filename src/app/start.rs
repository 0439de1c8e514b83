//! Starting everything in order, and ending it in the reverse one.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use tokio::sync::{Notify, mpsc};

use crate::{
    admin,
    app::{
        ServeError,
        admin_thread::{self, AdminThread},
        recover::{Recovery, recover},
    },
    clock::Clock,
    control::{self, ControlHandle, RunningControl},
    cutover::State,
    measure::{Board, Connects, Interval},
    plan::Plan,
    proxy::{self, Alarm, ClientTls, RunningProxy},
    split::{Publication, RouteTable, SplitTable},
    store::JournalReader,
    units::PerSide,
};

/// Intervals that wait for the control loop, for each worker; beyond them a worker keeps its measurements.
const INTERVALS_PER_WORKER: usize = 8;

/// The program at work.
#[derive(Debug)]
pub struct Running {
    /// Where clients connect, in the order of the plan.
    pub listeners: Vec<SocketAddr>,
    /// Where the admin API is.
    pub admin: SocketAddr,
    /// The control loop.
    pub control: ControlHandle,
    /// Entries that the journal held at the start; 0 if it was begun.
    pub entries: usize,
    proxy: RunningProxy,
    control_thread: RunningControl,
    admin_thread: AdminThread,
}

/// What every part shares.
struct Shared {
    plan: Arc<Plan>,
    clock: Clock,
    publication: Publication,
    board: Arc<Board>,
    connects: Arc<Connects>,
    alarm: Arc<Notify>,
}

/// Recovers the journal and starts every thread. Blocks on the disk, and on nothing else.
///
/// # Errors
/// See [`ServeError`]; nothing runs then.
pub fn start(plan: Plan) -> Result<Running, ServeError> {
    let plan = Arc::new(plan);
    let tls = ClientTls::load(&plan).map_err(ServeError::UpstreamTls)?;
    let admin_tls = plan.admin.tls.as_ref().map(proxy::admin_tls).transpose();
    let admin_tls = admin_tls.map_err(ServeError::AdminTls)?;
    // The journal comes first: whoever starts the same program twice learns which process has it.
    let recovery = recover(&plan)?;
    let (listener, address) = bind_admin(plan.admin.address)?;
    let entries = recovery.entries;
    let shared = share(plan, &recovery.restored.state, recovery.clock);
    let journal = JournalReader::open(&shared.plan.store)?;
    let (intervals, handed_over) = mpsc::channel(INTERVALS_PER_WORKER * shared.plan.workers);
    let (control, control_thread) = start_control(&shared, recovery, handed_over)?;
    let started = proxy::start(&proxy::Shared {
        plan: Arc::clone(&shared.plan),
        publication: shared.publication.clone(),
        board: Arc::clone(&shared.board),
        connects: Arc::clone(&shared.connects),
        alarm: alarm(&shared.alarm),
        clock: shared.clock,
        intervals,
    });
    let proxy = match started {
        Ok(proxy) => proxy,
        Err(source) => {
            control_thread.stop();
            return Err(ServeError::Proxy { source });
        }
    };
    let context = admin::Context {
        plan: Arc::clone(&shared.plan),
        control: control.clone(),
        journal: Arc::new(journal),
    };
    let admin_thread = admin_thread::start(admin_thread::Parts {
        listener,
        admin_tls,
        context,
        plan: shared.plan,
        tls,
        board: shared.board,
    });
    let admin_thread = match admin_thread {
        Ok(thread) => thread,
        Err(source) => {
            // Dropping the data plane ends it.
            drop(proxy);
            control_thread.stop();
            let what = "admin thread";
            return Err(ServeError::Thread { what, source });
        }
    };
    Ok(Running {
        listeners: proxy.addresses().to_vec(),
        admin: address,
        control,
        entries,
        proxy,
        control_thread,
        admin_thread,
    })
}

impl Running {
    /// Stops accepting, finishes what runs (at most for the plan's drain time, and only until `hurry` completes),
    /// and ends every thread.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        tokio::select! {
            () = self.proxy.drain() => (),
            () = hurry => tracing::warn!("stopping at once: requests that still run are cut"),
        }
        let (admin, control) = (self.admin_thread, self.control_thread);
        let ended = tokio::task::spawn_blocking(move || {
            admin.stop();
            control.stop();
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the end was not orderly");
        }
    }

    /// Whether the control loop still runs; only a fault of the program ends it.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.control_thread.has_ended()
    }
}

fn share(plan: Arc<Plan>, state: &State, clock: Clock) -> Shared {
    let position = &state.position;
    let table = SplitTable {
        generation: position.generation,
        weight: position.weight,
        salt: position.salt,
        split: Arc::new(plan.split.clone()),
        routes: Arc::new(RouteTable::new(&plan.routes)),
        withdrawal: None,
    };
    let endpoints = PerSide::from_fn(|side| plan.upstreams[side].endpoints.len());
    Shared {
        clock,
        publication: Publication::new(table),
        board: Arc::new(Board::new(endpoints)),
        connects: Arc::default(),
        alarm: Arc::default(),
        plan,
    }
}

fn start_control(
    shared: &Shared,
    recovery: Recovery,
    intervals: mpsc::Receiver<Interval>,
) -> Result<(ControlHandle, RunningControl), ServeError> {
    let failed = |what| move |source| ServeError::Thread { what, source };
    let (store, reports) = recovery.store.start().map_err(failed("store's thread"))?;
    let parts = control::Parts {
        plan: Arc::clone(&shared.plan),
        clock: shared.clock,
        restored: recovery.restored,
        ledger: recovery.ledger,
        rollbacks: recovery.rollbacks,
        publication: shared.publication.clone(),
        board: Arc::clone(&shared.board),
        connects: Arc::clone(&shared.connects),
        intervals,
        alarm: Arc::clone(&shared.alarm),
        store,
        reports,
    };
    control::start(parts).map_err(failed("control loop"))
}

fn alarm(notify: &Arc<Notify>) -> Alarm {
    let notify = Arc::clone(notify);
    Arc::new(move || notify.notify_one())
}

fn bind_admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bind = || -> io::Result<_> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(|source| ServeError::Admin { address, source })
}

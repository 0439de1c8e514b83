//! Starting everything in order, and ending it in the reverse one.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};

use crate::{
    admin::{self, Order},
    app::{
        ServeError,
        admin_thread::{self, AdminThread},
        recover::{Recovery, recover},
    },
    clock::Clock,
    control::{self, ControlHandle, RunningControl},
    cutover::State,
    measure::{Board, Connects, Interval},
    plan::{Edition, Plan},
    proxy::{self, Alarm, RunningProxy, Setup, Setups},
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
    /// What the admin API asks of this process.
    pub orders: mpsc::Receiver<Order>,
    pub(super) setups: Setups,
    pub(super) clock: Clock,
    /// The edition of the plan that the admin API knows.
    pub(super) edition: Arc<ArcSwap<Edition>>,
    pub(super) proxy: RunningProxy,
    control_thread: RunningControl,
    pub(super) admin_thread: AdminThread,
}

/// What every part shares.
struct Shared {
    setup: Arc<Setup>,
    clock: Clock,
    publication: Publication,
    connects: Arc<Connects>,
    alarm: Arc<Notify>,
}

/// Recovers the journal and starts every thread. Blocks on the disk, and where endpoints have names on the resolver.
///
/// # Errors
/// See [`ServeError`]; nothing runs then.
pub fn start(plan: Plan) -> Result<Running, ServeError> {
    let plan = Arc::new(plan);
    let setup = first_setup(&plan)?;
    // The journal comes first: whoever starts the same program twice learns which process has it.
    let recovery = recover(&plan)?;
    let (listener, address) = bind_admin(plan.admin.address)?;
    let entries = recovery.entries;
    let shared = share(setup, &recovery.restored.state, recovery.clock);
    resolve_names(&shared)?;
    let journal = JournalReader::open(&plan.store)?;
    let (intervals, handed_over) = mpsc::channel(INTERVALS_PER_WORKER * plan.workers);
    let (control, control_thread) = start_control(&shared, recovery, handed_over)?;
    let setups = Setups::new(Arc::clone(&shared.setup));
    let started = proxy::start(&proxy::Shared {
        setups: setups.clone(),
        publication: shared.publication.clone(),
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
    let edition = Arc::new(ArcSwap::from_pointee(shared.setup.edition.clone()));
    let (orders, ordered) = admin::orders();
    let context = admin::Context {
        edition: Arc::clone(&edition),
        control: control.clone(),
        journal: Arc::new(journal),
        orders,
    };
    let admin_thread = admin_thread::start(admin_thread::Parts {
        listener,
        context,
        setup: shared.setup,
        clock: shared.clock,
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
        orders: ordered,
        setups,
        clock: shared.clock,
        edition,
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

/// Waits for the addresses of named endpoints, on a thread of its own: whoever starts may be on a runtime already.
fn resolve_names(shared: &Shared) -> Result<(), ServeError> {
    let (setup, clock) = (Arc::clone(&shared.setup), shared.clock);
    let resolving = thread::Builder::new().name("resolver".to_owned());
    let resolving = resolving.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(proxy::resolve_first(&setup, clock));
        Ok(())
    });
    let resolved = resolving.map(thread::JoinHandle::join);
    let what = "resolver's thread";
    match resolved {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(source))) | Err(source) => Err(ServeError::Thread { what, source }),
        Ok(Err(_panic)) => {
            tracing::error!("the resolver's thread panicked");
            Ok(())
        }
    }
}

/// What the first edition takes; without a certificate that can be used, nothing starts.
fn first_setup(plan: &Arc<Plan>) -> Result<Arc<Setup>, ServeError> {
    let places = PerSide::from_fn(|side| plan.upstreams[side].endpoints.len());
    let edition = Edition::first(Arc::clone(plan));
    let setup = Setup::load(edition, Arc::new(Board::new(places)));
    setup
        .map(Arc::new)
        .map_err(|source| ServeError::Proxy { source })
}

fn share(setup: Arc<Setup>, state: &State, clock: Clock) -> Shared {
    let position = &state.position;
    let table = SplitTable {
        generation: position.generation,
        weight: position.weight,
        salt: position.salt,
        edition: setup.edition.number(),
        split: Arc::new(setup.plan().split.clone()),
        routes: Arc::new(RouteTable::of(&setup.edition)),
        withdrawal: None,
    };
    Shared {
        clock,
        publication: Publication::new(table),
        connects: Arc::default(),
        alarm: Arc::default(),
        setup,
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
        edition: shared.setup.edition.clone(),
        clock: shared.clock,
        restored: recovery.restored,
        ledger: recovery.ledger,
        rollbacks: recovery.rollbacks,
        publication: shared.publication.clone(),
        board: Arc::clone(&shared.setup.board),
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

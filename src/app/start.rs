//! Starting everything in order, and ending it in the reverse one.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use crate::{
    admin::{self, Order},
    app::{
        Predecessor, ServeError,
        admin_thread::{self, AdminThread},
        handover::Inheritance,
        recover::{Recovery, recover},
    },
    clock::Clock,
    config::Loaded,
    control::{self, ControlHandle, PredecessorStatus, RunningControl},
    cutover::State,
    measure::{Board, Connects, Interval, LagBoard, ZoneBoard},
    plan::{Edition, Plan},
    proxy::{self, Alarm, Bound, CopyDesk, RunningProxy, Setup, Setups},
    split::{Publication, RouteTable, SplitTable},
    store::{JournalReader, Observations},
    units::PerSide,
};

/// Intervals that wait for the control loop, for each worker; beyond them a worker keeps its measurements.
pub(super) const INTERVALS_PER_WORKER: usize = 8;

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
    pub(super) publication: Publication,
    /// What the servers of the zone say.
    pub(super) zone: Arc<ZoneBoard>,
    /// Where workers hand over what they measured, this process's or an earlier one's.
    pub(super) intervals: mpsc::Sender<Interval>,
    /// The admin API's socket once more.
    pub(super) admin_socket: TcpListener,
    pub(super) proxy: RunningProxy,
    /// Follows the end of the process before.
    pub(super) seeing_off: Option<JoinHandle<()>>,
    /// Processes that drained when this one began to lead.
    pub(super) predecessors: u8,
    pub(super) control_thread: RunningControl,
    pub(super) admin_thread: AdminThread,
}

/// What every part shares.
struct Shared {
    setup: Arc<Setup>,
    clock: Clock,
    publication: Publication,
    connects: Arc<Connects>,
    alarm: Arc<Notify>,
    lags: Arc<LagBoard>,
    /// Where looks at the zone's servers stand.
    zone: Arc<ZoneBoard>,
    /// Where requests go that are copied.
    desk: CopyDesk,
}

impl Shared {
    /// What of it the data plane is given.
    fn with_workers(&self, setups: Setups, intervals: mpsc::Sender<Interval>) -> proxy::Shared {
        proxy::Shared {
            setups,
            publication: self.publication.clone(),
            connects: Arc::clone(&self.connects),
            alarm: alarm(&self.alarm),
            clock: self.clock,
            desk: self.desk.clone(),
            intervals,
        }
    }
}

/// The sockets of everything that listens.
struct Sockets {
    listeners: Bound,
    admin: TcpListener,
    admin_address: SocketAddr,
    /// The admin API's once more.
    admin_spare: TcpListener,
}

/// Recovers the journal and starts every thread, with the sockets and after the last word of a process before, if there
/// is one. Blocks on the disk and on that process, and where endpoints have names on the resolver.
///
/// # Errors
/// See [`ServeError`]; nothing runs then.
pub fn start(loaded: Loaded, predecessor: Option<&mut Predecessor>) -> Result<Running, ServeError> {
    start_on(Inheritance::default(), loaded, predecessor)
}

/// As [`start`]; without a process to take over from, on the sockets that there are `already`.
pub(super) fn start_on(
    already: Inheritance,
    Loaded { plan, text, .. }: Loaded,
    mut predecessor: Option<&mut Predecessor>,
) -> Result<Running, ServeError> {
    let plan = Arc::new(plan);
    let setup = first_setup(&plan, &text)?;
    let (sockets, recovery) = prepare(&plan, &setup, already, predecessor.as_deref_mut())?;
    let entries = recovery.entries;
    let (desk, copies) = CopyDesk::new();
    let shared = share(setup, &recovery.restored.state, recovery.clock, desk);
    let journal = JournalReader::open(&plan.store)?;
    let (intervals, handed_over) = mpsc::channel(INTERVALS_PER_WORKER * plan.workers);
    let setups = Setups::new(Arc::clone(&shared.setup));
    let shared_with_workers = shared.with_workers(setups.clone(), intervals.clone());
    let started = proxy::start(&shared_with_workers, sockets.listeners, copies);
    let proxy = started.map_err(|source| ServeError::Proxy { source })?;
    if let Some(predecessor) = &mut predecessor {
        // Up to here nothing was written, and nobody was accepted.
        predecessor.wait_for_lead().map_err(ServeError::TakeOver)?;
    }
    let before = predecessor.map(|it| it.status());
    let (control, control_thread) = start_control(&shared, recovery, handed_over, before)?;
    let edition = Arc::new(ArcSwap::from_pointee(shared.setup.edition.clone()));
    let (orders, ordered) = admin::orders();
    let context = admin::Context {
        edition: Arc::clone(&edition),
        control: control.clone(),
        journal: Arc::new(journal),
        orders,
        copies: Arc::clone(&shared.desk.board),
    };
    let admin_thread = admin_thread::start(admin_thread::Parts {
        listener: sockets.admin,
        context,
        setup: shared.setup,
        clock: shared.clock,
        lags: shared.lags,
        zone: Arc::clone(&shared.zone),
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
    proxy.open();
    Ok(Running {
        listeners: proxy.addresses().to_vec(),
        admin: sockets.admin_address,
        control,
        entries,
        orders: ordered,
        setups,
        clock: shared.clock,
        edition,
        publication: shared.publication,
        zone: shared.zone,
        intervals,
        admin_socket: sockets.admin_spare,
        proxy,
        seeing_off: None,
        predecessors: 0,
        control_thread,
        admin_thread,
    })
}

/// Binds what is to listen, and recovers the journal.
fn prepare(
    plan: &Plan,
    setup: &Arc<Setup>,
    already: Inheritance,
    predecessor: Option<&mut Predecessor>,
) -> Result<(Sockets, Recovery), ServeError> {
    // Without anybody before, the journal comes first: whoever starts the same program twice learns which process has it.
    let Some(predecessor) = predecessor else {
        let recovery = recover(plan, None)?;
        let sockets = Sockets::bind(plan, already)?;
        resolve_names(setup, recovery.clock)?;
        return Ok((sockets, recovery));
    };
    // Else what takes time, or may fail, comes before anybody waits for it.
    let sockets = Sockets::bind(plan, predecessor.inheritance())?;
    resolve_names(setup, predecessor.clock())?;
    let free = predecessor.wait_for_journal(&plan.store);
    free.map_err(ServeError::TakeOver)?;
    let recovery = recover(plan, Some(predecessor.clock()))?;
    Ok((sockets, recovery))
}

impl Sockets {
    /// Binds what is not there already.
    fn bind(plan: &Plan, inheritance: Inheritance) -> Result<Self, ServeError> {
        let address = plan.admin.address;
        let inherited = inheritance.admin.filter(|(planned, _)| *planned == address);
        let admin = || -> io::Result<_> {
            let admin = match inherited {
                Some((_, socket)) => socket,
                None => TcpListener::bind(address)?,
            };
            admin.set_nonblocking(true)?;
            Ok((admin.local_addr()?, admin.try_clone()?, admin))
        };
        let failed = |source| ServeError::Admin { address, source };
        let (admin_address, admin_spare, admin) = admin().map_err(failed)?;
        let listeners = proxy::bind(&plan.listeners, plan.workers, inheritance.listeners);
        Ok(Self {
            listeners: listeners.map_err(|source| ServeError::Proxy { source })?,
            admin,
            admin_address,
            admin_spare,
        })
    }
}

impl Running {
    /// Stops accepting, finishes what runs (at most for the plan's drain time, and only until `hurry` completes),
    /// and ends every thread.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        tokio::select! {
            () = self.proxy.drain() => (),
            () = hurry => tracing::warn!("stopping at once: requests that still run are cut"),
        }
        drop(self.admin_socket);
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
fn resolve_names(setup: &Arc<Setup>, clock: Clock) -> Result<(), ServeError> {
    let setup = Arc::clone(setup);
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
fn first_setup(plan: &Arc<Plan>, text: &str) -> Result<Arc<Setup>, ServeError> {
    let places = PerSide::from_fn(|side| plan.upstreams[side].endpoints.len());
    let edition = Edition::first(Arc::clone(plan)).written(text);
    let setup = Setup::load(edition, Arc::new(Board::new(places)));
    setup
        .map(Arc::new)
        .map_err(|source| ServeError::Proxy { source })
}

fn share(setup: Arc<Setup>, state: &State, clock: Clock, desk: CopyDesk) -> Shared {
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
    let publication = Publication::new(table);
    // Nobody has kept count for this process.
    publication.writers().forget(clock.timestamp());
    Shared {
        clock,
        publication,
        connects: Arc::default(),
        alarm: Arc::default(),
        lags: Arc::default(),
        zone: Arc::default(),
        desk,
        setup,
    }
}

fn start_control(
    shared: &Shared,
    recovery: Recovery,
    intervals: mpsc::Receiver<Interval>,
    predecessor: Option<PredecessorStatus>,
) -> Result<(ControlHandle, RunningControl), ServeError> {
    let failed = |what| move |source| ServeError::Thread { what, source };
    let plan = shared.setup.plan();
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
        lags: Arc::clone(&shared.lags),
        zone: Arc::clone(&shared.zone),
        copies: Arc::clone(&shared.desk.board),
        store,
        observations: Observations::start(&plan.store, plan.observations),
        reports,
        predecessor,
    };
    control::start(parts).map_err(failed("control loop"))
}

fn alarm(notify: &Arc<Notify>) -> Alarm {
    let notify = Arc::clone(notify);
    Arc::new(move || notify.notify_one())
}

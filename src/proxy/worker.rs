//! One worker: a thread with its own runtime, sockets, idle pool and recorder, and its life from start to drain.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, TcpListener},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::error::TrySendError, watch},
    task::{JoinSet, LocalSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    clock,
    measure::{Interval, Recorder, WorkerId},
    plan::{Limits, Plan},
    proxy::{
        Setups, Shared, accept,
        body::Upload,
        buffers::Buffers,
        connection::Crew,
        crowd::{Crowd, Member},
        descriptors,
        footing::Footing,
        holdings::{Account, Holdings},
        http1::DateLine,
        open_writes::OpenWrites,
        shadow::CopyDesk,
        tunnel::Tunnels,
        upstream::Endpoint,
        wheel::{TURN, Wheel},
    },
    split::{Copying, Injected, LeaveBefore, Reader, Writers},
    units::{Side, Timestamp},
};

/// Tasks that run between two looks at the sockets. The runtime's own default of 61 costs 2.5 % more per request.
const EVENT_INTERVAL: u32 = 256;

/// How long the last measurements may wait to be taken.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the owner of the workers wants of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Accept nobody yet.
    NotYet,
    /// Go on.
    No,
    /// Stop accepting, finish what runs, end.
    Drain,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Accepting and serving.
    Serving,
    /// Serving what was accepted, and telling each client to leave.
    Draining,
    /// Cutting what still runs.
    Ending,
}

/// A socket to accept from, and the place of its listener in the plan.
pub(crate) type Port = (usize, TcpListener);

/// What a worker is given beside what all of the process shares.
pub(crate) struct Beside {
    /// Who has how many connections, on all workers together.
    pub(crate) crowd: Arc<Crowd>,
    /// What all workers hold for clients.
    pub(crate) holdings: Arc<Holdings>,
    /// Where the worker says which edition it has taken up.
    pub(crate) edition: Arc<AtomicU32>,
}

/// A client has as many connections as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// What everything on one worker shares.
pub(crate) struct Worker {
    id: WorkerId,
    setups: Setups,
    footing: RefCell<Rc<Footing>>,
    /// The number of the footing's edition, for other threads to see.
    edition: Arc<AtomicU32>,
    /// Endpoints that the plan no longer has, or has otherwise, while requests are at them.
    left: RefCell<Vec<Weak<Endpoint<Upload>>>>,
    pub(crate) clock_source: clock::Clock,
    pub(crate) table: RefCell<Reader>,
    pub(crate) writers: Arc<Writers>,
    pub(crate) leave_before: Arc<LeaveBefore>,
    pub(crate) injected: Arc<Injected>,
    pub(crate) copying: Arc<Copying>,
    /// Where requests go that are copied.
    pub(crate) desk: CopyDesk,
    pub(crate) recorder: Recorder,
    pub(crate) wheel: Wheel,
    pub(crate) tunnels: Tunnels,
    pub(crate) open_writes: OpenWrites,
    pub(crate) buffers: Rc<Buffers>,
    pub(crate) date: RefCell<DateLine>,
    pub(crate) lulls: Lulls,
    /// Who serves streams of HTTP/2.
    pub(crate) crew: Rc<Crew>,
    pub(crate) stage: Cell<Stage>,
    /// Rings when a connection has closed, so that another can be accepted.
    pub(crate) room: Notify,
    connections: Cell<usize>,
    connections_max: Cell<usize>,
    requests_max: Cell<usize>,
    buffered_max: Cell<usize>,
    crowd: Arc<Crowd>,
    /// How many measurements the last interval held: what the next one has room for from the start.
    measured: Cell<usize>,
}

/// Connections that keep what a request needs while the next one is likely to come soon. Were it all of them, thousands of
/// clients that come at once would each be given memory that they need for a moment only.
#[derive(Debug, Default)]
pub(crate) struct Lulls(Rc<Cell<usize>>);

/// One such connection.
#[derive(Debug)]
pub(crate) struct Lull(Rc<Cell<usize>>);

/// Connections of one worker in a lull.
const LULLS_MAX: usize = 256;

impl Lulls {
    /// A place, if there is one.
    pub(crate) fn enter(&self) -> Option<Lull> {
        let count = self.0.get();
        (count < LULLS_MAX).then(|| {
            self.0.set(count + 1);
            Lull(Rc::clone(&self.0))
        })
    }
}

impl Drop for Lull {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A client connection that is open; dropping it makes room for another one.
pub(crate) struct Seat(Rc<Worker>);

/// Starts the thread of worker `index`.
pub(crate) fn spawn(
    index: u16,
    shared: Shared,
    beside: Beside,
    ports: Vec<Port>,
    stop: watch::Receiver<Stop>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()?;
    thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || runtime.block_on(run(WorkerId(index), shared, beside, ports, stop)))
}

async fn run(
    id: WorkerId,
    shared: Shared,
    beside: Beside,
    ports: Vec<Port>,
    stop: watch::Receiver<Stop>,
) {
    let worker = Rc::new(Worker::new(id, &shared, beside));
    let tasks = LocalSet::new();
    tasks
        .run_until(live(Rc::clone(&worker), &shared, ports, stop))
        .await;
    worker.stage.set(Stage::Ending);
    // Everything still open is cut here, and its outcome recorded.
    drop(tasks);
    let now = worker.now();
    let last = worker.recorder.take(now, Interval::empty(id, now));
    if tokio::time::timeout(LAST_WORDS, shared.intervals.send(last))
        .await
        .is_err()
    {
        tracing::warn!("the last measurements of a worker were not taken");
    }
}

/// Accepts and serves until told to stop, then serves what is open until it has ended or the drain time is over.
async fn live(
    worker: Rc<Worker>,
    shared: &Shared,
    ports: Vec<Port>,
    mut stop: watch::Receiver<Stop>,
) {
    let mut acceptors = JoinSet::new();
    for (listener, socket) in ports {
        acceptors.spawn_local(accept::run(
            Rc::clone(&worker),
            listener,
            socket,
            stop.clone(),
        ));
    }
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let told = loop {
        tokio::select! {
            _ = turns.tick() => worker.turn(shared),
            told = stop.wait_for(|it| *it == Stop::Drain) => break told.is_ok(),
        }
    };
    while acceptors.join_next().await.is_some() {}
    if !told {
        return; // The owner is gone without a word: nobody waits for a drain.
    }
    worker.stage.set(Stage::Draining);
    worker.wheel.wake_all();
    let deadline = Instant::now() + worker.footing.borrow().plan().timeouts.drain;
    while worker.connections.get() > 0 && Instant::now() < deadline {
        tokio::select! {
            _ = turns.tick() => worker.turn(shared),
            () = worker.room.notified() => (),
            () = tokio::time::sleep_until(deadline) => (),
        }
    }
}

impl Worker {
    fn new(id: WorkerId, shared: &Shared, beside: Beside) -> Self {
        let setup = shared.setups.load();
        let plan = Arc::clone(setup.plan());
        let endpoints = setup.edition.endpoint_places();
        let buffers = Rc::new(Buffers::new(Account::new(beside.holdings)));
        Self {
            id,
            clock_source: shared.clock,
            table: RefCell::new(shared.publication.reader()),
            writers: Arc::clone(shared.publication.writers()),
            leave_before: Arc::clone(shared.publication.leave_before()),
            injected: Arc::clone(shared.publication.injected()),
            copying: Arc::clone(shared.publication.copying()),
            desk: shared.desk.clone(),
            recorder: Recorder::new(id, endpoints),
            setups: shared.setups.clone(),
            footing: RefCell::new(Footing::first(shared, setup, Rc::clone(&buffers))),
            edition: beside.edition,
            left: RefCell::default(),
            wheel: Wheel::new(plan.timeouts, plan.limits.body_rate, clock::now()),
            tunnels: Tunnels::default(),
            open_writes: OpenWrites::default(),
            buffers,
            lulls: Lulls::default(),
            crew: Rc::default(),
            date: RefCell::new(DateLine::new(since_1970())),
            stage: Cell::new(Stage::Serving),
            room: Notify::new(),
            connections: Cell::new(0),
            measured: Cell::new(0),
            connections_max: Cell::new(connections_max(&plan)),
            requests_max: Cell::new(requests_max(&plan)),
            buffered_max: Cell::new(plan.limits.buffered_bytes),
            crowd: beside.crowd,
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock_source.timestamp()
    }

    /// Whether another connection may be accepted.
    pub(crate) fn has_room(&self) -> bool {
        self.connections.get() < self.connections_max.get()
    }

    /// The limits that new connections are held to.
    pub(crate) fn limits(&self) -> Limits {
        self.footing.borrow().plan().limits
    }

    /// How connections to this listener are secured; `None` where they are not.
    pub(crate) fn acceptor(&self, listener: usize) -> Option<TlsAcceptor> {
        let footing = self.footing.borrow();
        let tls = footing.setup.server_tls.get(listener)?;
        tls.clone().map(TlsAcceptor::from)
    }

    /// What a request stands on that is assigned by a table of this edition.
    pub(crate) fn footing_of(&self, edition: u32) -> Rc<Footing> {
        let footing = self.footing.borrow();
        if footing.number() == edition {
            return Rc::clone(&footing);
        }
        drop(footing);
        self.take_up()
    }

    /// Takes up the newest setup. What was taken in before goes on as it began.
    #[cold]
    fn take_up(&self) -> Rc<Footing> {
        let setup = self.setups.load();
        let before = Rc::clone(&self.footing.borrow());
        if Arc::ptr_eq(&setup, &before.setup) {
            return before;
        }
        let plan = setup.plan();
        self.recorder.make_room(setup.edition.endpoint_places());
        self.wheel.observe(plan.timeouts, plan.limits.body_rate);
        self.connections_max.set(connections_max(plan));
        self.requests_max.set(requests_max(plan));
        self.buffered_max.set(plan.limits.buffered_bytes);
        let next = before.next(setup);
        let mut left = self.left.borrow_mut();
        left.extend(before.upstreams.left_by(&next.upstreams));
        self.footing.replace(Rc::clone(&next));
        // Whoever waited for a place may have one.
        self.room.notify_waiters();
        self.edition.store(next.number(), Ordering::Release);
        tracing::debug!(
            edition = next.number(),
            "took up another edition of the plan"
        );
        next
    }

    /// Whether another request may be sent to `side`.
    pub(crate) fn has_room_on(&self, side: Side) -> bool {
        let in_flight = usize::try_from(self.recorder.in_flight(side)).unwrap_or(usize::MAX);
        in_flight < self.requests_max.get()
    }

    /// Whether more waits than may, on all workers together.
    pub(crate) fn holds_too_much(&self) -> bool {
        self.buffers.account().is_over(self.buffered_max.get())
    }

    /// Whether `peer` has to say at this listener whose connection it brings.
    pub(crate) fn is_announcer(&self, listener: usize, peer: IpAddr) -> bool {
        let footing = self.footing.borrow();
        let listener = footing.plan().listeners.get(listener);
        listener.is_some_and(|it| it.proxy_protocol.iter().any(|it| it.contains(&peer)))
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// When it has as many as it may have.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Option<Member>, TooMany> {
        let footing = self.footing.borrow();
        let plan = footing.plan();
        let Some(most) = plan.limits.connections_per_client else {
            return Ok(None);
        };
        if plan
            .forwarding
            .trusted
            .iter()
            .any(|it| it.contains(&address))
        {
            return Ok(None); // Many clients share it.
        }
        self.crowd.enter(address, most).map(Some).ok_or(TooMany)
    }

    /// Counts a connection until the seat is dropped.
    pub(crate) fn seat(self: &Rc<Self>) -> Seat {
        self.connections.set(self.connections.get() + 1);
        self.recorder.connection_opened();
        Seat(Rc::clone(self))
    }

    /// What is due ten times a second.
    fn turn(&self, shared: &Shared) {
        let now = self.now();
        self.wheel.turn(clock::now());
        self.date.borrow_mut().renew(since_1970());
        let (withdrawal, edition) = {
            let mut reader = self.table.borrow_mut();
            let table = reader.table();
            (table.withdrawal, table.edition)
        };
        let footing = self.footing_of(edition);
        if let Some(withdrawal) = withdrawal {
            self.tunnels.withdraw(withdrawal, now);
        }
        self.buffers.sweep(clock::now());
        footing.upstreams.sweep(clock::now());
        self.sweep_left();
        self.hand_over(shared, now);
    }

    /// Closes what nobody will use again, and forgets endpoints that nobody is at.
    fn sweep_left(&self) {
        let now = clock::now();
        self.left.borrow_mut().retain(|it| {
            let endpoint = it.upgrade();
            endpoint.inspect(|it| it.pool.sweep(now)).is_some()
        });
    }

    fn hand_over(&self, shared: &Shared, now: Timestamp) {
        let spare = Interval {
            measurements: Vec::with_capacity(self.measured.get()),
            // While it leads, this process needs to tell nobody.
            writers: match self.stage.get() {
                Stage::Serving | Stage::Ending => Vec::new(),
                Stage::Draining => self.open_writes.cells(),
            },
            ..Interval::empty(self.id, now)
        };
        let interval = Interval {
            buffered: self.buffers.account().held(),
            ..self.recorder.take(now, spare)
        };
        self.measured.set(interval.measurements.len());
        match shared.intervals.try_send(interval) {
            Ok(()) => (),
            Err(TrySendError::Full(interval)) => self.recorder.put_back(interval),
            // The control loop has ended, as it does last of all.
            Err(TrySendError::Closed(_)) => tracing::debug!("nobody takes measurements"),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let worker = &self.0;
        worker.connections.set(worker.connections.get() - 1);
        worker.recorder.connection_closed();
        worker.room.notify_waiters();
    }
}

/// Rounded up, so that a limit below the number of workers still lets each accept.
fn connections_max(plan: &Plan) -> usize {
    descriptors::client_connections(plan).div_ceil(plan.workers.max(1))
}

fn requests_max(plan: &Plan) -> usize {
    plan.limits.requests_per_side.div_ceil(plan.workers.max(1))
}

/// The wall's time, for what is read by people and other programs.
fn since_1970() -> Duration {
    clock::wall().since(Timestamp::from_micros(0))
}

//! One life of the program: everything that a kill takes with it.
//!
//! It is put together from what is shipped: `split` assigns, `measure` records and sums, `cutover` decides. What
//! stands in for the proxy, the control loop and the store's thread is here and in `world`, and chooses nothing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use changeover::{
    cutover::{
        ConnectRun, Coverage, Entry, HealthCount, LagReadings, Observation, Progress, State,
        StoreState, window_lengths,
    },
    evidence::{Evidence, Ledger, Settings},
    measure::{
        Arrivals, Board, Connects, Interval, Measurement, Recorder, Standing, Windows, WorkerId,
        ZoneLook,
    },
    plan::{Edition, EndpointId, Plan, SplitPlan},
    split::{Assignment, Cause, Publication, RouteTable, SplitTable},
    units::{Generation, PerSide, Salt, Side, Timestamp, Weight},
};

use crate::{environment::ENDPOINTS, traffic::InFlight};

/// The simulated plans move no names.
static NO_COPIES: changeover::shadow::View = Err(String::new());
static NO_ZONE: Result<Arc<ZoneLook>, String> = Err(String::new());

/// A worker that has not reported for longer is silent.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// How many workers there are.
pub(crate) const WORKERS: u16 = 2;

pub(crate) struct Process {
    pub(crate) plan: Plan,
    /// True time at its start.
    started: Timestamp,
    /// Its own time at its start.
    started_at: Timestamp,
    pub(crate) state: State,
    pub(crate) windows: Windows,
    pub(crate) evidence: Evidence,
    pub(crate) connects: Connects,
    pub(crate) board: Board,
    pub(crate) publication: Publication,
    pub(crate) workers: Vec<Worker>,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) store: StoreThread,
    pub(crate) store_state: StoreState,
    pub(crate) lags: Vec<LagReadings>,
    arrivals: Arrivals,
    pub(crate) drilled: u64,
    /// The evidence from before a fault was injected.
    pub(crate) aside: Option<Evidence>,
    requests_on_new: u64,
    split: Arc<SplitPlan>,
    routes: Arc<RouteTable>,
}

pub(crate) struct Worker {
    pub(crate) recorder: Recorder,
    pub(crate) silent_until: Timestamp,
    reported_at: Timestamp,
}

/// What the store's thread was given and has to say.
#[derive(Default)]
pub(crate) struct StoreThread {
    pub(crate) orders: VecDeque<Order>,
    /// Entries in force that are not in the journal yet.
    pub(crate) pending: VecDeque<Entry>,
    pub(crate) is_failing: bool,
    pub(crate) reports: VecDeque<Report>,
    pub(crate) snapshot: Option<(Progress, Ledger)>,
}

pub(crate) enum Order {
    First(Entry),
    After(Entry),
    Snapshot(Progress, Box<Ledger>),
}

pub(crate) enum Report {
    Recorded(u64),
    Failed(u64, String),
    Writable,
    Failing(String),
}

impl Process {
    pub(crate) fn start(
        plan: Plan,
        state: State,
        ledger: Option<Ledger>,
        true_time: Timestamp,
        now: Timestamp,
    ) -> Self {
        let endpoints = PerSide::from_fn(|_| usize::from(ENDPOINTS));
        let mut windows = Windows::new(&window_lengths(&plan));
        windows.restart(state.position.evidence_since);
        let evidence = Evidence::restored(
            Settings::of(&plan),
            ledger,
            (state.position.generation, state.position.weight),
            state.position.evidence_since,
        );
        let split = Arc::new(plan.split.clone());
        let routes = Arc::new(RouteTable::new(&plan.routes));
        let workers = (0..WORKERS).map(|index| Worker {
            recorder: Recorder::new(WorkerId(index), endpoints),
            silent_until: now,
            reported_at: now,
        });
        let table = SplitTable {
            generation: state.position.generation,
            weight: state.position.weight,
            salt: state.position.salt,
            edition: 0,
            split: Arc::clone(&split),
            routes: Arc::clone(&routes),
            withdrawal: None,
        };
        Self {
            started: true_time,
            started_at: now,
            windows,
            evidence,
            connects: Connects::default(),
            board: Board::new(endpoints),
            publication: Publication::new(table),
            workers: workers.collect(),
            in_flight: Vec::new(),
            store: StoreThread::default(),
            store_state: StoreState::Writable,
            lags: Vec::new(),
            arrivals: Arrivals::default(),
            drilled: 0,
            aside: None,
            requests_on_new: 0,
            split,
            routes,
            plan,
            state,
        }
    }

    /// Takes another plan in, for the position that the core says.
    pub(crate) fn reload(&mut self, plan: &Plan, now: Timestamp) {
        let position = &self.state.position;
        self.windows.keep(&window_lengths(plan));
        self.evidence = Evidence::restored(
            Settings::of(plan),
            Some(self.evidence.ledger().clone()),
            (position.generation, position.weight),
            position.evidence_since,
        );
        self.split = Arc::new(plan.split.clone());
        self.routes = Arc::new(RouteTable::new(&plan.routes));
        let edition = Edition::first(Arc::new(plan.clone()));
        self.publication.reissue(&edition, now);
        self.plan = plan.clone();
    }

    /// The process's own time, which never runs backwards.
    pub(crate) fn time(&self, true_time: Timestamp) -> Timestamp {
        self.started_at.after(true_time.since(self.started))
    }

    pub(crate) fn publish(&mut self, generation: Generation, weight: Weight, salt: Salt) {
        self.requests_on_new = 0;
        self.evidence.published(generation, weight);
        self.publication.publish(SplitTable {
            generation,
            weight,
            salt,
            edition: 0,
            split: Arc::clone(&self.split),
            routes: Arc::clone(&self.routes),
            withdrawal: None,
        });
    }

    /// Takes what the workers measured, but for those that are silent; returns whose requests finished.
    pub(crate) fn collect(&mut self, now: Timestamp) -> Vec<Assignment> {
        let mut intervals: Vec<Interval> = Vec::new();
        for worker in self.workers.iter_mut().filter(|it| it.silent_until <= now) {
            worker.reported_at = now;
            let spare = Interval::empty(WorkerId(0), now);
            intervals.push(worker.recorder.take(now, spare));
        }
        let measured = intervals.iter().flat_map(|it| &it.measurements);
        let finished = measured.filter(|it| matches!(it, Measurement::Finished(_)));
        let finished: Vec<Assignment> = finished.map(|it| *it.assignment()).collect();
        let generation = self.state.position.generation;
        let on_new = finished.iter().filter(|it| {
            let is_counted = it.side == Side::New && it.cause != Cause::Forced;
            is_counted && it.generation >= generation
        });
        self.requests_on_new += u64::try_from(on_new.count()).expect("a count of requests");
        self.windows.turn(&intervals, now);
        self.evidence.turn(&intervals, now);
        finished
    }

    pub(crate) fn coverage(&self, now: Timestamp) -> Coverage {
        let mut workers = self.workers.iter();
        match workers.all(|it| now.since(it.reported_at) <= SILENCE_MAX) {
            true => Coverage::Full,
            false => Coverage::Partial,
        }
    }

    pub(crate) fn observe(&self, now: Timestamp) -> Observation<'_> {
        let health = |side| {
            let standing = |index| self.board.standing(EndpointId { side, index }, now);
            let usable = (0..ENDPOINTS).filter(|index| standing(*index) == Standing::Usable);
            HealthCount {
                endpoints: ENDPOINTS,
                usable: u16::try_from(usable.count()).expect("a count of endpoints"),
            }
        };
        Observation {
            windows: &self.windows,
            evidence: &self.evidence,
            coverage: self.coverage(now),
            connects: PerSide::from_fn(|side| {
                let (failures, since) = self.connects.run(side);
                ConnectRun { failures, since }
            }),
            health: PerSide::from_fn(health),
            store: self.store_state.clone(),
            lags: &self.lags,
            zone: &NO_ZONE,
            copies: &NO_COPIES,
            arrivals: &self.arrivals,
            drilled: self.drilled,
            tunnels: 0,
            requests_on_new: self.requests_on_new,
        }
    }
}

//! The loop's eyes: takes in what the workers measured and builds the observation.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    cutover::{
        ConnectRun, Coverage, HealthCount, LagReadings, Observation, Position, State, StoreState,
        window_lengths,
    },
    evidence::{Evidence, Ledger, Settings},
    measure::{
        Arrivals, Board, Class, Connects, Interval, LagBoard, Measurement, Standing, Totals,
        Windows, ZoneBoard, ZoneLook,
    },
    plan::{Edition, Plan},
    shadow,
    split::Cause,
    units::{Direction, Generation, PerSide, Side, Timestamp, Weight},
};

/// A worker that was not heard of for this long is silent; it reports ten times a second.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(500);

/// The stretch that rates and latencies of the status are of.
pub(super) const STATUS_WINDOW: Duration = Duration::from_secs(10);

/// Everything that is known about the workers, the endpoints and the store.
#[derive(Debug)]
pub(super) struct Observer {
    /// What triggers read; begins anew with the evidence.
    windows: Windows,
    /// What sequential tests have gathered.
    pub(super) evidence: Evidence,
    /// What the status shows, whatever is evidence.
    pub(super) recent: Windows,
    pub(super) totals: Arc<Totals>,
    pub(super) board: Arc<Board>,
    pub(super) store: StoreState,
    connects: Arc<Connects>,
    pub(super) lag_board: Arc<LagBoard>,
    pub(super) zone_board: Arc<ZoneBoard>,
    copies_board: Arc<shadow::Board>,
    /// What copies have to be compared by.
    plan: Arc<Plan>,
    /// What copies have shown, at the last turn.
    pub(super) copies: shadow::View,
    /// What the servers of the zone said, at the last turn.
    pub(super) zone: Result<Arc<ZoneLook>, String>,
    pub(super) arrivals: Arrivals,
    /// The replications of the plan.
    replications: Vec<String>,
    /// What is known of each, at the last turn.
    lags: Vec<LagReadings>,
    /// Handed over since the last turn.
    arrived: Vec<Interval>,
    /// When each worker was last heard of.
    heard: Vec<Heard>,
    coverage: Coverage,
    /// The generation in force, and the requests on new that finished at it.
    generation: Generation,
    requests_on_new: u64,
    /// Requests that drills have touched.
    drilled: u64,
    /// The evidence from before a fault was injected.
    aside: Option<Box<Evidence>>,
}

/// Where others put what they know.
#[derive(Debug)]
pub(super) struct Boards {
    pub(super) connects: Arc<Connects>,
    pub(super) lags: Arc<LagBoard>,
    pub(super) zone: Arc<ZoneBoard>,
    pub(super) copies: Arc<shadow::Board>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    /// Whether it was heard of at all, or `at` is the loop's start.
    ever: bool,
}

impl Observer {
    pub(super) fn new(
        plan: &Arc<Plan>,
        board: Arc<Board>,
        Boards {
            connects,
            lags,
            zone,
            copies,
        }: Boards,
        position: &Position,
        ledger: Option<Ledger>,
        now: Instant,
    ) -> Self {
        let mut windows = Windows::new(&window_lengths(plan));
        windows.restart(position.evidence_since);
        let heard = Heard {
            at: now,
            ever: false,
        };
        let in_force = (position.generation, position.weight);
        let since = position.evidence_since;
        Self {
            windows,
            evidence: Evidence::restored(Settings::of(plan), ledger, in_force, since),
            recent: Windows::of_one(STATUS_WINDOW),
            totals: Arc::default(),
            board,
            store: StoreState::Writable,
            connects,
            lag_board: lags,
            zone: Err("nobody has looked yet".to_owned()),
            zone_board: zone,
            copies_board: copies,
            plan: Arc::clone(plan),
            copies: Err("no copy was compared yet".to_owned()),
            arrivals: Arrivals::default(),
            replications: names(plan),
            lags: Vec::new(),
            arrived: Vec::new(),
            heard: vec![heard; plan.workers],
            coverage: Coverage::Partial,
            generation: position.generation,
            requests_on_new: 0,
            drilled: 0,
            aside: None,
        }
    }

    /// Takes in an interval; it counts from the next turn.
    pub(super) fn take(&mut self, interval: Interval, now: Instant) {
        if let Some(heard) = self.heard.get_mut(usize::from(interval.worker.0)) {
            *heard = Heard {
                at: now,
                ever: true,
            };
        }
        self.arrived.push(interval);
    }

    /// Rolls everything to `now`.
    pub(super) fn turn(&mut self, now: Timestamp, instant: Instant) {
        // Taken away first: what a fault of the program is about is not met again at the next turn.
        let arrived = std::mem::take(&mut self.arrived);
        self.windows.turn(&arrived, now);
        self.evidence.turn(&arrived, now);
        self.recent.turn(&arrived, now);
        let read = |name: &String| LagReadings {
            forward: self.lag_board.view(name, Direction::Forward, now).reading,
            reverse: self.lag_board.view(name, Direction::Reverse, now).reading,
        };
        self.lags = self.replications.iter().map(read).collect();
        self.zone = self.zone_board.view(now);
        self.copies = self.copies_board.view(&self.plan, now);
        let totals = Arc::make_mut(&mut self.totals);
        let mut lost = 0;
        for interval in &arrived {
            totals.add(interval);
            lost += interval.lost;
            self.drilled += interval.drilled;
            let finished = interval.measurements.iter();
            let counted = finished.filter(|it| counts_on_new(it, self.generation));
            self.requests_on_new += counted.map(|_| 1_u64).sum::<u64>();
        }
        let is_whole = lost == 0 && self.heard.iter().all(|it| it.reports(instant));
        self.coverage = if is_whole {
            Coverage::Full
        } else {
            Coverage::Partial
        };
        let requests = arrived.iter().map(|it| &it.arrived);
        self.arrivals.turn(requests, is_whole, now);
    }

    /// What was written on old up to this moment is on new, by every replication of the plan; `None` where that is not known.
    pub(super) fn arrived_until(&self) -> Option<Timestamp> {
        let arrived = |name: &String| self.lag_board.passed(name, Direction::Forward);
        let all: Option<Vec<Timestamp>> = self.replications.iter().map(arrived).collect();
        all?.into_iter().min()
    }

    /// Another plan is in force, for the same position. What was measured stays what it is; what is asked of it changes.
    pub(super) fn reload(&mut self, plan: &Arc<Plan>, board: Arc<Board>, state: &State) {
        let position = &state.position;
        self.windows.keep(&window_lengths(plan));
        self.evidence.reload(
            Settings::of(plan),
            (position.generation, position.weight),
            position.evidence_since,
        );
        self.board = board;
        self.replications = names(plan);
        self.copies = Err("nobody has looked at the report yet".to_owned());
        self.plan = Arc::clone(plan);
        // Until the next turn nothing is known of them.
        self.lags.clear();
    }

    /// Says what routes are called.
    pub(super) fn name_routes(&mut self, edition: &Edition) {
        let names = edition.routes();
        let names = names.map(|(id, route)| (id, Arc::from(route.name.as_str())));
        self.evidence.name_routes(names.collect());
    }

    /// What was sent before `generation`, or asked for a connection before `now`, is no evidence any more.
    pub(super) fn restart(&mut self, generation: Generation, now: Timestamp) {
        self.windows.restart(generation);
        self.connects.restart(Side::New, now);
    }

    /// What is measured from now on is of a fault that is injected.
    pub(super) fn set_evidence_aside(&mut self) {
        self.aside = Some(Box::new(self.evidence.clone()));
    }

    /// The evidence is what it was before the fault, and goes on from `generation`.
    pub(super) fn take_evidence_up(
        &mut self,
        generation: Generation,
        weight: Weight,
        now: Timestamp,
    ) {
        if let Some(before) = self.aside.take() {
            self.evidence = *before;
            self.evidence.published(generation, weight);
        }
        self.restart(generation, now);
    }

    /// Nothing is sent to new any more. What still waits for a connection to it and fails later is no news, and nothing
    /// would come that could end such a run: it would keep the ramp from being resumed for good.
    pub(super) fn withdrawn(&self, now: Timestamp) {
        self.connects.restart(Side::New, now);
    }

    /// A table was published: requests on new are counted anew.
    pub(super) fn published(&mut self, generation: Generation, weight: Weight) {
        self.evidence.published(generation, weight);
        self.generation = generation;
        self.requests_on_new = 0;
    }

    /// What the core sees.
    pub(super) fn observation(&self, now: Timestamp) -> Observation<'_> {
        Observation {
            windows: &self.windows,
            evidence: &self.evidence,
            coverage: self.coverage,
            connects: PerSide::from_fn(|side| {
                let (failures, since) = self.connects.run(side);
                ConnectRun { failures, since }
            }),
            health: PerSide::from_fn(|side| self.health(side, now)),
            lags: &self.lags,
            zone: &self.zone,
            copies: &self.copies,
            arrivals: &self.arrivals,
            store: self.store.clone(),
            requests_on_new: self.requests_on_new,
            tunnels: self.totals.tunnels(Side::Old) + self.totals.tunnels(Side::New),
            drilled: self.drilled,
        }
    }

    /// Endpoints of `side`, and those of them that are in choice.
    pub(super) fn health(&self, side: Side, now: Timestamp) -> HealthCount {
        let ids = self.board.ids(side);
        let usable = ids.filter(|id| self.board.standing(*id, now) == Standing::Usable);
        HealthCount {
            endpoints: u16::try_from(self.board.count(side)).unwrap_or(u16::MAX),
            usable: u16::try_from(usable.count()).unwrap_or(u16::MAX),
        }
    }

    /// Workers that are silent, with for how long.
    pub(super) fn silent(&self, now: Instant) -> impl Iterator<Item = (usize, Duration)> {
        let silence = self.heard.iter().map(move |it| now - it.at).enumerate();
        silence.filter(|(_, silence)| *silence > SILENT_AFTER)
    }
}

/// The names of a plan's replications, in its order.
fn names(plan: &Plan) -> Vec<String> {
    plan.replications.iter().map(|it| it.name.clone()).collect()
}

impl Heard {
    fn reports(&self, now: Instant) -> bool {
        self.ever && now - self.at <= SILENT_AFTER
    }
}

/// Whether it is a request on new that finished, sent at the generation in force, and says something about new.
fn counts_on_new(measurement: &Measurement, generation: Generation) -> bool {
    let Measurement::Finished(finished) = measurement else {
        return false;
    };
    let assignment = finished.assignment;
    assignment.side == Side::New
        && assignment.cause != Cause::Forced
        && assignment.generation == generation
        && !matches!(finished.class, Class::ClientAbort | Class::Proxy)
}

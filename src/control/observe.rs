//! The loop's eyes: takes in what the workers measured, and reads what others know.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    cutover::{
        ConnectRun, Coverage, Effect, Gathered, Glance, HealthCount, LagReadings, Position, State,
        StoreState,
    },
    evidence::Ledger,
    measure::{
        Board, Connects, Interval, LagBoard, Standing, Totals, Windows, ZoneBoard, ZoneLook,
    },
    plan::{Edition, Plan},
    shadow,
    units::{Direction, PerSide, Side, Timestamp, Weight},
};

/// A worker that was not heard of for this long is silent; it reports ten times a second.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(500);

/// The stretch that rates and latencies of the status are of.
pub(super) const STATUS_WINDOW: Duration = Duration::from_secs(10);

/// Everything that is known about the workers, the endpoints and the store.
#[derive(Debug)]
pub(super) struct Observer {
    /// What adds up from what the workers handed over.
    pub(super) gathered: Gathered,
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
    /// The replications of the plan.
    replications: Vec<String>,
    /// What is known of each, at the last turn.
    lags: Vec<LagReadings>,
    /// Handed over since the last turn.
    arrived: Vec<Interval>,
    /// When each worker was last heard of.
    heard: Vec<Heard>,
    pub(super) coverage: Coverage,
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
        edition: &Edition,
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
        let plan = edition.plan();
        let mut gathered = Gathered::new(plan, position, ledger);
        gathered.name_routes(edition);
        let heard = Heard {
            at: now,
            ever: false,
        };
        Self {
            gathered,
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
            replications: names(plan),
            lags: Vec::new(),
            arrived: Vec::new(),
            heard: vec![heard; plan.workers],
            coverage: Coverage::Partial,
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

    /// Rolls everything to `now`; gives what was taken in.
    pub(super) fn turn(&mut self, now: Timestamp, instant: Instant) -> Vec<Interval> {
        // Taken away first: what a fault of the program is about is not met again at the next turn.
        let arrived = std::mem::take(&mut self.arrived);
        let has_lost = arrived.iter().any(|it| it.lost > 0);
        let is_whole = !has_lost && self.heard.iter().all(|it| it.reports(instant));
        self.coverage = if is_whole {
            Coverage::Full
        } else {
            Coverage::Partial
        };
        self.gathered.turn(&arrived, self.coverage, now);
        self.recent.turn(&arrived, now);
        let read = |name: &String| LagReadings {
            forward: self.lag_board.view(name, Direction::Forward, now).reading,
            reverse: self.lag_board.view(name, Direction::Reverse, now).reading,
        };
        self.lags = self.replications.iter().map(read).collect();
        self.zone = self.zone_board.view(now);
        self.copies = self.copies_board.view(&self.plan, now);
        let totals = Arc::make_mut(&mut self.totals);
        arrived.iter().for_each(|it| totals.add(it));
        arrived
    }

    /// What was written on old up to this moment is on new, by every replication of the plan; `None` where that is not known.
    pub(super) fn arrived_until(&self) -> Option<Timestamp> {
        let arrived = |name: &String| self.lag_board.passed(name, Direction::Forward);
        let all: Option<Vec<Timestamp>> = self.replications.iter().map(arrived).collect();
        all?.into_iter().min()
    }

    /// Another plan is in force, for the same position.
    pub(super) fn reload(&mut self, edition: &Edition, board: Arc<Board>, state: &State) {
        let plan = edition.plan();
        self.gathered.reload(edition, &state.position);
        self.board = board;
        self.replications = names(plan);
        self.copies = Err("nobody has looked at the report yet".to_owned());
        self.plan = Arc::clone(plan);
        // Until the next turn nothing is known of them.
        self.lags.clear();
    }

    /// Follows an effect that changes what counts, at this moment.
    pub(super) fn follow(&mut self, effect: &Effect, now: Timestamp) {
        self.gathered.follow(effect);
        // Requests that asked for a connection before and fail later are no news. After weight 0 nothing would come that
        // could end such a run: it would keep the ramp from being resumed for good.
        let is_anew = matches!(
            effect,
            Effect::Publish {
                weight: Weight::NONE,
                ..
            } | Effect::RestartEvidence(_)
                | Effect::TakeUpEvidence(_)
        );
        if is_anew {
            self.connects.restart(Side::New, now);
        }
    }

    /// What is read at this moment.
    pub(super) fn glance(&self, now: Timestamp) -> Glance {
        Glance {
            coverage: self.coverage,
            connects: PerSide::from_fn(|side| {
                let (failures, since) = self.connects.run(side);
                ConnectRun { failures, since }
            }),
            health: PerSide::from_fn(|side| self.health(side, now)),
            lags: self.lags.clone(),
            zone: self.zone.clone(),
            copies: self.copies.clone(),
            tunnels: self.totals.tunnels(Side::Old) + self.totals.tunnels(Side::New),
            store: self.store.clone(),
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

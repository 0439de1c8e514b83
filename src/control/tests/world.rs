//! A control loop with everything around it made by hand: workers that report when told, a store of one's own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    clock::Clock,
    control::{CommandError, ControlHandle, Done, Parts, Status, start::assemble},
    cutover::{Actor, Command, Decision, Entry, Position, Refusal, restore},
    evidence::Ledger,
    measure::{Board, Class, Connects, Finished, Interval, Measurement, WorkerId},
    plan::{
        AdminPlan, AdvanceOn, BothBad, Edition, EjectionPlan, EndpointPlan, EvidencePlan,
        ForwardingPlan, HostHeader, Limit, Limits, Plan, RampPlan, Reading, ResolverPlan,
        RollbackPlan, RouteId, Scheme, SplitPlan, StartMode, Step, Timeouts, Trigger, TripAction,
        UpstreamPlan, UpstreamTlsPlan, Verification,
    },
    split::{Assignment, Cause, Publication, RouteTable, SplitTable},
    store::{JournalReader, Observations, Report, SilentStore, Snapshot, Store, StoreHandle},
    units::{PerSide, Salt, Share, Side, Slot, Weight},
};

/// How long anything may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) publication: Publication,
    pub(super) board: Arc<Board>,
    pub(super) connects: Arc<Connects>,
    pub(super) control: ControlHandle,
    pub(super) reports: mpsc::Sender<Report>,
    alarm: Arc<Notify>,
    clock: Clock,
    intervals: mpsc::Sender<Interval>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _silent: Option<SilentStore>,
    dir: TempDir,
}

impl World {
    /// With a journal on a real disk.
    pub(super) fn real(plan: Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::real_in(dir, plan)
    }

    /// As a restart on what an earlier world left.
    pub(super) fn real_in(dir: TempDir, plan: Plan) -> Self {
        let path = dir.path().join("journal.db");
        let clock = Clock::start();
        let (mut store, found) = Store::open(&path).unwrap();
        let mut entries = found.entries;
        if entries.is_empty() {
            let began = Entry::began(&plan, Salt::new([1; 16]), clock.timestamp());
            store.append(&began).unwrap();
            entries.push(began);
        }
        let position = Position::replay(&entries).unwrap();
        let Snapshot { progress, ledger } = found.snapshot.unwrap_or_default();
        let restored = restore(&plan, position, progress, clock.timestamp());
        let (store, reported) = store.start().unwrap();
        let unused = mpsc::channel(1).0;
        Self::with(
            dir,
            plan,
            clock,
            (restored, ledger),
            (store, None),
            (unused, reported),
        )
    }

    /// With a store that says only what the test has it say.
    pub(super) fn silent(plan: Plan) -> Self {
        let clock = Clock::start();
        let began = Entry::began(&plan, Salt::new([1; 16]), clock.timestamp());
        let position = Position::replay([&began]).unwrap();
        let restored = restore(&plan, position, Default::default(), clock.timestamp());
        let (store, silent) = SilentStore::start();
        let dir = tempfile::tempdir().unwrap();
        let reports = mpsc::channel(64);
        let restored = (restored, None);
        Self::with(dir, plan, clock, restored, (store, Some(silent)), reports)
    }

    fn with(
        dir: TempDir,
        plan: Plan,
        clock: Clock,
        (restored, ledger): (Decision, Option<Ledger>),
        store: (StoreHandle, Option<SilentStore>),
        reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    ) -> Self {
        let (journal, observations) = (dir.path().join("journal.db"), plan.observations);
        let plan = Arc::new(plan);
        let position = &restored.state.position;
        let publication = Publication::new(SplitTable {
            generation: position.generation,
            weight: position.weight,
            salt: position.salt,
            edition: 0,
            split: Arc::new(plan.split.clone()),
            routes: Arc::new(RouteTable::new(&plan.routes)),
            withdrawal: None,
        });
        let board = Arc::new(Board::new(PerSide { old: 2, new: 1 }));
        let connects: Arc<Connects> = Arc::default();
        let alarm: Arc<Notify> = Arc::default();
        let (intervals, handed_over) = mpsc::channel(64);
        let (stop, stopped) = oneshot::channel();
        let parts = Parts {
            edition: Edition::first(plan),
            clock,
            restored,
            ledger,
            rollbacks: 0,
            publication: publication.clone(),
            board: Arc::clone(&board),
            connects: Arc::clone(&connects),
            intervals: handed_over,
            alarm: Arc::clone(&alarm),
            lags: Arc::default(),
            zone: Arc::default(),
            copies: Arc::default(),
            observations: Observations::start(&journal, observations),
            store: store.0,
            reports: reports.1,
            predecessor: None,
        };
        let (control_loop, control) = assemble(parts, stopped);
        Self {
            publication,
            board,
            connects,
            control,
            reports: reports.0,
            alarm,
            clock,
            intervals,
            stop,
            running: tokio::spawn(control_loop.run()),
            _silent: store.1,
            dir,
        }
    }

    pub(super) async fn command(&self, command: Command) -> Result<Done, CommandError> {
        let actor = Actor::Operator("ada".to_owned());
        self.control.command(command, actor).await
    }

    /// Commands once the loop knows that what is in force is recorded, which it learns later than a reader of the
    /// journal may.
    pub(super) async fn command_once_recorded(&self, command: Command) -> Done {
        let done = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.command(command.clone()).await {
                    Err(CommandError::Refused(Refusal::Held(why))) if why.contains("recorded") => {
                        tokio::task::yield_now().await;
                    }
                    other => return other.unwrap(),
                }
            }
        });
        done.await.unwrap_or_else(|_| panic!("never recorded"))
    }

    /// Starts the ramp; the worker reports meanwhile, as it would.
    pub(super) async fn start(&self) -> Done {
        let done = tokio::time::timeout(PATIENCE, async {
            loop {
                self.report();
                match self.command(Command::Start).await {
                    Err(CommandError::Refused(Refusal::Held(why))) if why.contains("report") => {
                        tokio::task::yield_now().await;
                    }
                    other => return other.unwrap(),
                }
            }
        });
        done.await.unwrap_or_else(|_| panic!("never started"))
    }

    /// Lets the worker report that nothing happened.
    pub(super) fn report(&self) {
        self.hand_over(Vec::new());
    }

    /// Lets the worker report requests on new, at the generation in force.
    pub(super) fn finish(&self, class: Class, count: usize) {
        let now = self.clock.timestamp();
        let finished = Measurement::Finished(Finished {
            at: now,
            assignment: Assignment {
                side: Side::New,
                cause: Cause::Weighted,
                slot: Slot::from_hash(0),
                generation: self.publication.load().generation,
            },
            route: RouteId::REST,
            endpoint: Some(0),
            class,
            status: None,
            is_failover: false,
            attempts: 1,
            duration: Duration::from_millis(5),
            bytes_up: 0,
            bytes_down: 0,
        });
        self.hand_over(vec![finished; count]);
    }

    /// Fails connects to new until they call for a turn.
    pub(super) fn refuse_connects(&self, count: u32) {
        for _ in 0..count {
            let now = self.clock.timestamp();
            self.connects.failed(Side::New, now, now);
        }
        self.alarm.notify_one();
    }

    fn hand_over(&self, measurements: Vec<Measurement>) {
        let mut interval = Interval::empty(WorkerId(0), self.clock.timestamp());
        interval.measurements = measurements;
        // A full queue is a report left out, as a worker's.
        drop(self.intervals.try_send(interval));
    }

    /// Waits for a status, while the worker reports.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Arc<Status> {
        let seen = tokio::time::timeout(PATIENCE, async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                self.report();
                let status = self.control.status();
                if holds(&status) {
                    return status;
                }
            }
        });
        let Ok(status) = seen.await else {
            panic!("never {what}: {:#?}", self.control.status())
        };
        status
    }

    pub(super) fn weight(&self) -> Weight {
        self.publication.load().weight
    }

    /// The kinds of the journal's entries.
    pub(super) fn journal(&self) -> Vec<&'static str> {
        let reader = JournalReader::open(&self.path()).unwrap();
        let entries = reader.page_after(0, 100).unwrap();
        entries.iter().map(|it| it.change.kind()).collect()
    }

    /// Another program's lock on the journal.
    pub(super) fn lock_journal(&self) -> Connection {
        let stranger = Connection::open(self.path()).unwrap();
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        stranger
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    /// Ends it in order, and leaves what it wrote.
    pub(super) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
        self.dir
    }
}

/// Three short steps, a trigger on refused connects, one worker.
pub(super) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let step = |points| Step {
        weight: Weight::from_basis_points(points).unwrap(),
        bake: Duration::from_millis(300),
        requests: 10,
    };
    Plan {
        name: "shop".to_owned(),
        store: PathBuf::from("changeover.db"),
        observations: 0,
        admin: AdminPlan::local("127.0.0.1:0".parse().unwrap()),
        listeners: Vec::new(),
        upstreams: PerSide::from_fn(upstream),
        split: SplitPlan::DRAWN,
        routes: Vec::new(),
        ramp: RampPlan {
            start: StartMode::Manual,
            advance: AdvanceOn::Bake,
            steps: vec![step(100), step(2500), step(10_000)],
            window: None,
        },
        evidence: EvidencePlan::SILENT,
        triggers: vec![Trigger {
            name: "unreachable".to_owned(),
            reading: Reading::ConnectFailures,
            limit: Limit::InARow(5),
            window: 10 * second,
            requests: 1,
            action: TripAction::Rollback,
        }],
        gates: Vec::new(),
        rollback: RollbackPlan {
            both_bad: BothBad::Hold,
            tunnels: 30 * second,
            window: 3600 * second,
        },
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: timeouts(second),
        limits: Limits::OF_TESTS,
        workers: 1,
    }
}

fn timeouts(each: Duration) -> Timeouts {
    Timeouts {
        tls_handshake: each,
        request_head: each,
        body_idle: each,
        client_idle: each,
        connect: each,
        response_head: each,
        half_closed: each,
        upstream_idle: each,
        tunnel_idle: each,
        drain: each,
        upgrade: each,
    }
}

fn upstream(side: Side) -> UpstreamPlan {
    let endpoint = |port| EndpointPlan {
        scheme: Scheme::Http,
        host: format!("{side}.example"),
        port,
    };
    UpstreamPlan {
        endpoints: match side {
            Side::Old => vec![endpoint(1), endpoint(2)],
            Side::New => vec![endpoint(1)],
        },
        health: None,
        ejection: EjectionPlan {
            connect_failures: 5,
            time: Duration::from_secs(10),
            time_max: Duration::from_secs(300),
            share_max: Share::WHOLE,
        },
        tls: UpstreamTlsPlan {
            server_name: None,
            ca: None,
            client_certificate: None,
            verification: Verification::Full,
        },
        host: HostHeader::Keep,
        http1: crate::plan::Http1Codec::Native,
    }
}

//! A plan, a state and an observation to decide on, with a journal that acknowledges when it is told to.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    cutover::{
        Actor, Answer, Command, ConnectRun, Context, Coverage, Decision, Effect, Entry, Event,
        HealthCount, LagReadings, Observation, Position, Progress, Refusal, State, StoreState,
        Verdict, decide, restore, window_lengths,
    },
    evidence::{Evidence, Settings},
    measure::{
        Arrivals, Class, Finished, Head, Interval, Measurement, WaitMark, Waiting, Windows,
        WorkerId, ZoneLook,
    },
    plan::{
        AdminPlan, AdvanceOn, BothBad, ChannelPlan, DatabaseEncryption, DatabasePlan, EjectionPlan,
        EndpointPlan, EvidencePlan, ForwardingPlan, HostHeader, Limit, Limits, Plan, RampPlan,
        Reading, ReplicationKind, ReplicationPlan, ResolverPlan, RollbackPlan, RouteId, Scheme,
        SplitPlan, StartMode, Step, Timeouts, Trigger, TripAction, UpstreamPlan, UpstreamTlsPlan,
        Verification,
    },
    shadow,
    split::{Assignment, Cause},
    units::{Generation, PerSide, Salt, Share, Side, Slot, Timestamp, Weight},
};

/// A Sunday at noon.
pub(super) const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

pub(super) struct Bench {
    pub(super) plan: Plan,
    pub(super) state: State,
    pub(super) windows: Windows,
    pub(super) evidence: Evidence,
    pub(super) coverage: Coverage,
    pub(super) connects: PerSide<ConnectRun>,
    pub(super) health: PerSide<HealthCount>,
    pub(super) store: StoreState,
    pub(super) lags: Vec<LagReadings>,
    pub(super) zone: Result<Arc<ZoneLook>, String>,
    pub(super) copies: shadow::View,
    pub(super) arrivals: Arrivals,
    pub(super) drilled: u64,
    pub(super) tunnels: u64,
    aside: Option<Evidence>,
    pub(super) requests_on_new: u64,
    pub(super) now: Timestamp,
    pub(super) wall_ahead: Duration,
    /// Everything that was published, recorded and called for.
    pub(super) effects: Vec<Effect>,
    salts: u8,
}

/// Requests of one kind, finished and answered within the last turn.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub(super) side: Side,
    pub(super) cause: Cause,
    pub(super) class: Class,
    pub(super) latency: Duration,
    pub(super) count: u32,
    /// Whether it went to the side that its slot is not on.
    pub(super) is_astray: bool,
}

impl Batch {
    /// Successes within 10 ms, drawn by weight.
    pub(super) const fn fine(side: Side, count: u32) -> Self {
        Self {
            side,
            cause: Cause::Weighted,
            class: Class::Success,
            latency: Duration::from_millis(10),
            count,
            is_astray: false,
        }
    }

    pub(super) const fn errors(side: Side, count: u32) -> Self {
        Self {
            class: Class::ServerError,
            ..Self::fine(side, count)
        }
    }

    pub(super) const fn slow(side: Side, count: u32, latency: Duration) -> Self {
        Self {
            latency,
            ..Self::fine(side, count)
        }
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(plan())
    }

    pub(super) fn with(plan: Plan) -> Self {
        let began = Entry::began(&plan, Salt::new([0; 16]), START);
        let position = Position::began(&began).expect("it begins a journal");
        Self::restored(plan, position, Progress::default())
    }

    pub(super) fn restored(plan: Plan, position: Position, progress: Progress) -> Self {
        let in_force = (position.generation, position.weight);
        let since = position.evidence_since;
        let restored = restore(&plan, position, progress, START);
        Self {
            evidence: Evidence::restored(Settings::of(&plan), None, in_force, since),
            windows: Windows::new(&window_lengths(&plan)),
            plan,
            state: restored.state,
            coverage: Coverage::Full,
            connects: PerSide::default(),
            health: PerSide::from_fn(|_| HealthCount {
                endpoints: 2,
                usable: 2,
            }),
            store: StoreState::Writable,
            lags: Vec::new(),
            zone: Err("nobody has looked".to_owned()),
            copies: Err("nothing was compared".to_owned()),
            arrivals: Arrivals::default(),
            drilled: 0,
            tunnels: 0,
            aside: None,
            requests_on_new: 0,
            now: START,
            wall_ahead: Duration::ZERO,
            effects: restored.effects,
            salts: 0,
        }
    }

    /// At step `number`, counted from 1, with a journal that is up to date.
    pub(super) fn at_step(plan: Plan, number: usize) -> Self {
        let mut bench = Self::with(plan);
        bench.turn();
        bench.accepted(&Command::Start);
        for _ in 1..number {
            bench.accepted(&Command::Advance);
        }
        bench
    }

    /// Decides on an event.
    pub(super) fn decide(&mut self, event: &Event) -> Option<Answer> {
        self.salts = self.salts.wrapping_add(1);
        let context = Context {
            now: self.now,
            wall: self.now.after(self.wall_ahead),
            salt: Salt::new([self.salts; 16]),
        };
        let observation = self.observation();
        let (plan, state) = (&self.plan, &self.state);
        let decision: Decision = decide(plan, state, event, &observation, context);
        assert_eq!(
            decide(plan, state, event, &observation, context),
            decision,
            "the same arguments give the same decision"
        );
        self.state = decision.state;
        for effect in &decision.effects {
            match effect {
                Effect::Publish {
                    generation, weight, ..
                } => {
                    self.requests_on_new = 0;
                    self.evidence.published(*generation, *weight);
                }
                Effect::RestartEvidence(generation) => self.windows.restart(*generation),
                Effect::Inject(Some(_)) => self.aside = Some(self.evidence.clone()),
                Effect::TakeUpEvidence(generation) => {
                    if let Some(before) = self.aside.take() {
                        self.evidence = before;
                        let weight = self.state.position.weight;
                        self.evidence.published(*generation, weight);
                    }
                    self.windows.restart(*generation);
                }
                _other => (),
            }
        }
        self.effects = decision.effects;
        decision.answer
    }

    /// What `look` makes of the present observation.
    pub(super) fn observed<T>(&self, look: impl FnOnce(&Observation<'_>) -> T) -> T {
        look(&self.observation())
    }

    fn observation(&self) -> Observation<'_> {
        Observation {
            zone: &self.zone,
            copies: &self.copies,
            arrivals: &self.arrivals,
            drilled: self.drilled,
            tunnels: self.tunnels,
            windows: &self.windows,
            evidence: &self.evidence,
            coverage: self.coverage,
            connects: self.connects,
            health: self.health,
            store: self.store.clone(),
            lags: &self.lags,
            requests_on_new: self.requests_on_new,
        }
    }

    /// Lets 100 ms pass and decides.
    pub(super) fn turn(&mut self) {
        self.turn_with(&[]);
    }

    /// The same, with requests that finished meanwhile.
    pub(super) fn turn_with(&mut self, batches: &[Batch]) {
        self.pass(Duration::from_millis(100), batches, &[]);
        self.decide(&Event::Turn);
    }

    /// Lets time pass without a decision.
    pub(super) fn pass(&mut self, span: Duration, batches: &[Batch], waiting: &[Waiting]) {
        self.now = self.now.after(span);
        let mut interval = Interval::empty(WorkerId(0), self.now);
        interval.waiting.new = waiting.to_vec();
        for batch in batches {
            self.measure(&mut interval, *batch);
        }
        let intervals = [interval];
        self.windows.turn(&intervals, self.now);
        self.evidence.turn(&intervals, self.now);
    }

    /// Turns for so many seconds, with enough fine requests on both sides for every trigger.
    pub(super) fn run_fine(&mut self, seconds: u32) {
        for _ in 0..seconds * 10 {
            self.turn_with(&[Batch::fine(Side::Old, 10), Batch::fine(Side::New, 10)]);
        }
    }

    pub(super) fn command(&mut self, command: Command) -> Answer {
        let actor = Actor::Operator("ada".to_owned());
        let answer = self.decide(&Event::Command { command, actor });
        answer.expect("a command is answered")
    }

    /// A command that must be accepted; its entry is recorded.
    pub(super) fn accepted(&mut self, command: &Command) {
        match self.command(command.clone()) {
            Answer::Refused(refusal) => panic!("{command:?}: {refusal}"),
            Answer::InForce(_) | Answer::OnRecorded(_) => self.record(),
        }
    }

    /// A command that must be refused; what its refusal says.
    pub(super) fn refused(&mut self, command: &Command) -> String {
        let before = self.state.position.clone();
        match self.command(command.clone()) {
            Answer::Refused(refusal) => {
                assert_eq!(self.effects, [], "a refusal does nothing");
                assert_eq!(self.state.position, before, "a refusal changes nothing");
                refusal.to_string()
            }
            Answer::InForce(_) | Answer::OnRecorded(_) => panic!("{command:?} is not refused"),
        }
    }

    /// The store acknowledges the entry of the last decision.
    pub(super) fn record(&mut self) {
        let seq = self.entry().expect("the last decision had an entry").seq;
        self.decide(&Event::Recorded { seq });
    }

    /// The last decision's entry.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.effects.iter().find_map(|it| match it {
            Effect::RecordFirst(entry) | Effect::RecordAfter(entry) => Some(entry),
            _other => None,
        })
    }

    /// The last decision's answer to the command whose entry it dealt with.
    pub(super) fn answered(&self) -> Option<&Result<(), Refusal>> {
        self.effects.iter().find_map(|it| match it {
            Effect::Answered { result, .. } => Some(result),
            _other => None,
        })
    }

    pub(super) fn pages(&self) -> Vec<&str> {
        let pages = self.effects.iter().filter_map(|it| match it {
            Effect::Page { message } => Some(message.as_str()),
            _other => None,
        });
        pages.collect()
    }

    pub(super) fn ramp(&self) -> &'static str {
        self.state.position.ramp.name()
    }

    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let mut readings = self.state.readings();
        let found = readings.find(|it| it.name == name);
        found.expect("there is such a trigger").verdict
    }

    fn measure(&mut self, interval: &mut Interval, batch: Batch) {
        let assignment = Assignment {
            side: batch.side,
            cause: match (batch.side, batch.cause) {
                // What old still gets when all that is drawn goes to new.
                (Side::Old, Cause::Weighted) if self.state.position.weight == Weight::FULL => {
                    Cause::Writes
                }
                (_, cause) => cause,
            },
            // On the side that its slot is on, whatever the weight.
            slot: match (batch.side, batch.is_astray) {
                (Side::Old, false) | (Side::New, true) => Slot::from_hash(9_999),
                (Side::New, false) | (Side::Old, true) => Slot::from_hash(0),
            },
            generation: self.state.position.generation,
        };
        let at = Timestamp::from_micros(self.now.micros() - 50_000);
        for _ in 0..batch.count {
            interval.measurements.push(Measurement::Head(Head {
                at,
                assignment,
                route: RouteId::REST,
                endpoint: Some(0),
                latency: batch.latency,
                told: WaitMark::NONE,
            }));
            interval.measurements.push(Measurement::Finished(Finished {
                at,
                assignment,
                route: RouteId::REST,
                endpoint: Some(0),
                class: batch.class,
                status: Some(200),
                is_failover: false,
                attempts: 1,
                duration: batch.latency,
                bytes_up: 0,
                bytes_down: 0,
            }));
        }
        if batch.side == Side::New {
            self.requests_on_new += u64::from(batch.count);
        }
    }
}

/// So many requests that have waited on new for so long.
pub(super) const fn waiting(requests: u32, age: Duration, generation: Generation) -> Waiting {
    Waiting {
        age,
        requests,
        drawn: requests,
        generation,
    }
}

pub(super) fn because(reason: &str) -> String {
    reason.to_owned()
}

pub(super) fn percent(percent: u16) -> Weight {
    Weight::from_basis_points(percent * 100).expect("at most 100 %")
}

pub(super) fn share(percent: u32) -> Share {
    Share::from_parts_per_million(percent * 10_000).expect("at most the whole")
}

pub(super) fn trigger(name: &str, reading: Reading, limit: Limit) -> Trigger {
    Trigger {
        name: name.to_owned(),
        reading,
        limit,
        window: Duration::from_secs(2),
        requests: 20,
        action: TripAction::Rollback,
    }
}

/// Steps at 5, 25 and 100 % with a bake of 2 s and 20 requests, and a trigger on 2 % of errors.
pub(super) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let step = |points| Step {
        weight: percent(points),
        bake: 2 * second,
        requests: 20,
    };
    Plan {
        name: "shop".to_owned(),
        store: PathBuf::from("changeover.db"),
        observations: 0,
        admin: AdminPlan::local(([127, 0, 0, 1], 0).into()),
        listeners: Vec::new(),
        upstreams: PerSide::from_fn(upstream),
        split: SplitPlan::DRAWN,
        routes: Vec::new(),
        ramp: RampPlan {
            start: StartMode::Manual,
            advance: AdvanceOn::Bake,
            steps: vec![step(5), step(25), step(100)],
            window: None,
        },
        evidence: EvidencePlan::SILENT,
        triggers: vec![trigger(
            "errors",
            Reading::ErrorRate,
            Limit::Share(share(2)),
        )],
        gates: Vec::new(),
        rollback: RollbackPlan {
            both_bad: BothBad::Hold,
            tunnels: 30 * second,
            window: 5 * second,
        },
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: Timeouts {
            tls_handshake: second,
            request_head: second,
            body_idle: second,
            client_idle: second,
            connect: second,
            response_head: second,
            half_closed: second,
            upstream_idle: second,
            tunnel_idle: second,
            drain: second,
            upgrade: second,
        },
        limits: Limits::OF_TESTS,
        workers: 1,
    }
}

/// A database called "shop", which `old` has now.
pub(super) fn replication(old: &str) -> ReplicationPlan {
    let database = |host: &str| DatabasePlan {
        host: host.to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        user: "changeover".to_owned(),
        password: None,
        encryption: DatabaseEncryption::Verified,
        ca: None,
        connect_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_secs(1),
    };
    let channel = |name: &str| ChannelPlan {
        publication: name.to_owned(),
        subscription: name.to_owned(),
    };
    ReplicationPlan {
        name: "shop".to_owned(),
        kind: ReplicationKind::Postgres,
        databases: PerSide {
            old: database(old),
            new: database("new.example"),
        },
        forward: channel("changeover"),
        reverse: channel("changeover_back"),
    }
}

fn upstream(side: Side) -> UpstreamPlan {
    UpstreamPlan {
        endpoints: vec![EndpointPlan {
            scheme: Scheme::Http,
            host: format!("{side}.example"),
            port: 80,
        }],
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

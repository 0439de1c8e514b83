//! The simulated world: virtual time, two environments, clients, a disk, and one life of the program after
//! another. One step is 100 ms.
//!
//! ```text
//! requests arrive, are sent, end ▶ the store's thread works ▶ its reports are decided on ▶ a turn is decided on
//! ```
//!
//! Between any two things that the program does the fuse may blow: that is `kill -9`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use changeover::{
    cutover::{
        Actor, Answer, Change, Command, Context, Decision, Effect, Entry, Event, HoldCause,
        Observation, Ramp, Refusal, Reload, RollbackCause, State, StoreState, Upgrade, decide,
        restore,
    },
    plan::{EndpointId, Plan},
    units::{PerSide, Salt, Side, Timestamp, Weight},
};
use fastrand::Rng;

use crate::{
    checker::{Case, Checker, Violation},
    disk::Disk,
    environment::{ENDPOINTS, Environment, Mode},
    lag::{self, Trail},
    process::{Order, Process, Report, StoreThread},
    traffic::{self, Traffic},
    transcript::Transcript,
};

/// One step.
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// Steps from one active health check, or one try of a failing store, to the next.
const PROBE_STEPS: u64 = 10;

/// Orders that the store's queue holds; a snapshot that finds it full is left out.
const QUEUE_MAX: usize = 64;

/// What is simulated: [`decide`], or for testing the checker a spoilt one.
pub(crate) type Decide = fn(&Plan, &State, &Event, &Observation<'_>, Context) -> Decision;

pub(crate) struct World {
    pub(crate) rng: Rng,
    /// The plan that the next start reads.
    pub(crate) plan: Plan,
    /// The time that really passes.
    pub(crate) time: Timestamp,
    /// How far the wall clock is off.
    pub(crate) wall_offset_micros: i64,
    pub(crate) sides: PerSide<Environment>,
    pub(crate) traffic: Traffic,
    /// How every replication is.
    pub(crate) trail: Trail,
    pub(crate) disk: Disk,
    pub(crate) process: Option<Process>,
    /// When the program is started again, if it is to be.
    pub(crate) start_at: Option<Timestamp>,
    /// Things that the program may still do before it is killed.
    pub(crate) fuse: Option<u32>,
    /// Things that it did.
    pub(crate) burned: u32,
    /// How often it was killed.
    pub(crate) kills: u32,
    pub(crate) transcript: Transcript,
    checker: Checker,
    changes: BTreeMap<&'static str, u32>,
    decide: Decide,
    steps: u64,
}

/// Why a step ended early.
enum Stop {
    Killed,
    Broken(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        Self::with(seed, plan, decide)
    }

    pub(crate) fn with(seed: u64, plan: Plan, decide: Decide) -> Self {
        // A Sunday at noon.
        let time = Timestamp::from_micros(1_795_348_800_000_000);
        Self {
            rng: Rng::with_seed(seed),
            plan,
            time,
            wall_offset_micros: 0,
            sides: PerSide::from_fn(|_| Environment::fine(Duration::from_millis(10))),
            traffic: Traffic {
                per_step: 10.0,
                clients: 500,
            },
            trail: Trail::By(Duration::from_millis(20)),
            disk: Disk::default(),
            process: None,
            start_at: Some(time),
            fuse: None,
            burned: 0,
            kills: 0,
            transcript: Transcript::default(),
            checker: Checker::default(),
            changes: BTreeMap::new(),
            decide,
            steps: 0,
        }
    }

    /// What the wall clock shows.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.time.micros() + self.wall_offset_micros)
    }

    /// Lets 100 ms pass.
    pub(crate) fn step(&mut self) -> Result<(), Violation> {
        self.time = self.time.after(STEP);
        self.steps += 1;
        if self.process.is_none() && self.start_at.is_some_and(|at| at <= self.time) {
            self.start()?;
        }
        self.with_process(Self::live)
    }

    /// An operator asks, between two turns.
    pub(crate) fn command(&mut self, command: Command, name: &str) -> Result<(), Violation> {
        let actor = Actor::Operator(name.to_owned());
        let event = Event::Command { command, actor };
        self.with_process(|world, process| world.happens(process, &event))
    }

    /// An operator has the plan read again that the next start reads.
    pub(crate) fn reload(&mut self, name: &str) -> Result<(), Violation> {
        let event = Event::Reload(Reload {
            plan: Arc::new(self.plan.clone()),
            difference: "as the file has it".to_owned(),
            actor: Actor::Operator(name.to_owned()),
        });
        self.with_process(|world, process| world.happens(process, &event))
    }

    /// The process notes that it took over from another one.
    pub(crate) fn upgrade(&mut self, name: &str) -> Result<(), Violation> {
        let event = Event::Upgrade(Upgrade {
            from: "1".to_owned(),
            to: "2".to_owned(),
            processes: "process 2 took over from process 1".to_owned(),
            actor: Actor::Operator(name.to_owned()),
        });
        self.with_process(|world, process| world.happens(process, &event))
    }

    /// `kill -9`, and a start after `pause`.
    pub(crate) fn kill(&mut self, pause: Duration) {
        self.fuse = None;
        self.start_at = Some(self.time.after(pause));
        if self.process.take().is_some() {
            self.kills += 1;
            self.checker.ended();
            self.transcript.note("killed");
        }
    }

    fn with_process(
        &mut self,
        act: impl FnOnce(&mut Self, &mut Process) -> Result<(), Stop>,
    ) -> Result<(), Violation> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        match act(self, &mut process) {
            Ok(()) => {
                self.process = Some(process);
                Ok(())
            }
            Err(Stop::Killed) => {
                self.process = Some(process);
                let pause = Duration::from_millis(self.rng.u64(..3_000));
                self.kill(pause);
                Ok(())
            }
            Err(Stop::Broken(violation)) => Err(violation),
        }
    }

    /// Starts the program from what the disk holds. A new journal needs a disk that takes its first entry.
    fn start(&mut self) -> Result<(), Violation> {
        if self.disk.recover().is_none() {
            let salt = self.salt();
            let began = Entry::began(&self.plan, salt, self.wall());
            if self.disk.append(&began).is_err() {
                self.start_at = Some(self.time.after(Duration::from_secs(1)));
                return Ok(());
            }
        }
        let found = self.disk.recover().expect("the journal has begun");
        // Its clock never starts before what the journal says.
        let now = self.wall().max(found.position.at);
        let decision = restore(&self.plan, found.position, found.progress, now);
        let state = decision.state.clone();
        let mut process = Process::start(self.plan.clone(), state, found.ledger, self.time, now);
        if found.unrecorded.is_some() {
            *self.changes.entry("recovered from the marker").or_default() += 1;
        }
        process.store.pending.extend(found.unrecorded);
        let table = process.publication.load();
        self.checker.began(&decision, &self.disk, &table)?;
        self.transcript.began(self.time, &decision);
        for effect in decision.effects {
            match effect {
                Effect::RecordAfter(entry) => process.store.orders.push_back(Order::After(entry)),
                _other => return Err(Violation::new("a start only holds")),
            }
        }
        self.process = Some(process);
        Ok(())
    }

    fn live(&mut self, process: &mut Process) -> Result<(), Stop> {
        let now = process.time(self.time);
        if self.steps.is_multiple_of(PROBE_STEPS) {
            self.probe(process);
        }
        let shown = traffic::step(process, &self.sides, self.traffic, now, &mut self.rng)?;
        self.checker
            .counted(&shown.counted, &process.state.position);
        if shown.calls_for_a_turn {
            self.happens(process, &Event::Turn)?;
        }
        self.store_works(process)?;
        while let Some(report) = process.store.reports.pop_front() {
            self.is_reported(process, report)?;
        }
        process.lags = vec![self.trail.readings(); process.plan.replications.len()];
        let finished = process.collect(now);
        self.checker.handed_over(&finished);
        self.happens(process, &Event::Turn)
    }

    /// The active health checks.
    fn probe(&self, process: &Process) {
        for side in Side::ALL {
            for index in 0..ENDPOINTS {
                let is_healthy = self.sides[side].is_healthy(index);
                process
                    .board
                    .set_healthy(EndpointId { side, index }, is_healthy);
            }
        }
    }

    fn is_reported(&mut self, process: &mut Process, report: Report) -> Result<(), Stop> {
        match report {
            Report::Writable => process.store_state = StoreState::Writable,
            Report::Failing(error) => process.store_state = StoreState::Failing { error },
            Report::Recorded(seq) => {
                let event = Event::Recorded { seq };
                self.checker.reported(&event);
                self.happens(process, &event)?;
            }
            Report::Failed(seq, error) => {
                let event = Event::RecordFailed { seq, error };
                self.checker.reported(&event);
                self.happens(process, &event)?;
            }
        }
        Ok(())
    }

    /// One event is decided on, and the decision carried out.
    fn happens(&mut self, process: &mut Process, event: &Event) -> Result<(), Stop> {
        let context = Context {
            now: process.time(self.time),
            wall: self.wall(),
            salt: self.salt(),
        };
        let observation = process.observe(context.now);
        let before = &process.state;
        let decision = (self.decide)(&process.plan, before, event, &observation, context);
        let is_in_force = match decision.answer {
            Some(Answer::InForce(seq)) => Some(seq),
            Some(Answer::Refused(_) | Answer::OnRecorded(_)) | None => None,
        };
        let reloaded = match event {
            Event::Reload(reload) => is_in_force.map(|_| &*reload.plan),
            _other => None,
        };
        let plan = reloaded.unwrap_or(&process.plan);
        self.checker.decided(&Case {
            plan,
            before,
            event,
            observation: &observation,
            context,
            decision: &decision,
            disk: &self.disk,
            sides: &self.sides,
            true_time: self.time,
        })?;
        self.transcript.decided(self.time, event, &decision);
        let is_baked = match &decision.state.position.ramp {
            Ramp::Baking { step, .. } => {
                decision.state.progress.baked >= process.plan.ramp.steps[*step].bake
            }
            _other => false,
        };
        if is_baked && lag::is_too_long(&process.plan, &observation) {
            *self
                .changes
                .entry("kept from going on by a lag")
                .or_default() += 1;
        }
        process.state = decision.state;
        if let Some(plan) = reloaded {
            *self.changes.entry("reloaded in all").or_default() += 1;
            process.reload(plan, process.time(self.time));
        }
        for effect in decision.effects {
            self.burn()?;
            self.perform(process, effect)?;
        }
        debug_assert!(is_in_force.is_none_or(|seq| seq == process.state.position.seq));
        let table = process.publication.load();
        Ok(self.checker.settled(&process.state, &table)?)
    }

    fn perform(&mut self, process: &mut Process, effect: Effect) -> Result<(), Stop> {
        let store = &mut process.store;
        match effect {
            Effect::Publish {
                generation,
                weight,
                salt,
                tunnels: _,
            } => {
                let before = process.publication.load();
                if generation <= before.generation {
                    return Err(Violation::new("generations rise").into());
                }
                process.publish(generation, weight, salt);
                if weight == Weight::NONE {
                    let now = process.time(self.time);
                    process.connects.restart(Side::New, now);
                }
                let after = process.publication.load();
                self.checker.published(&before, &after)?;
            }
            Effect::RecordFirst(entry) => store.orders.push_back(Order::First(entry)),
            Effect::RecordAfter(entry) => store.orders.push_back(Order::After(entry)),
            Effect::Snapshot(progress) => {
                if store.orders.len() < QUEUE_MAX {
                    let ledger = process.evidence.snapshot();
                    let order = Order::Snapshot(progress, Box::new(ledger));
                    store.orders.push_back(order);
                }
            }
            Effect::RestartEvidence(generation) => {
                process.windows.restart(generation);
                let now = process.time(self.time);
                process.connects.restart(Side::New, now);
            }
            Effect::Inject(injection) => {
                process.publication.injected().set(injection);
                if injection.is_some() {
                    process.aside = Some(process.evidence.clone());
                }
            }
            Effect::TakeUpEvidence(generation) => {
                if let Some(before) = process.aside.take() {
                    process.evidence = before;
                    let weight = process.state.position.weight;
                    process.evidence.published(generation, weight);
                }
                process.windows.restart(generation);
                let now = process.time(self.time);
                process.connects.restart(Side::New, now);
            }
            Effect::Answered { result, .. } => {
                if result == Err(Refusal::Overtaken) {
                    *self.changes.entry("overtaken").or_default() += 1;
                }
            }
            Effect::Page { .. } => (),
        }
        Ok(())
    }

    /// The store's thread: marks what is in force before anything else, then works in order.
    fn store_works(&mut self, process: &mut Process) -> Result<(), Stop> {
        if self.disk.is_stuck {
            return Ok(());
        }
        let store = &mut process.store;
        let orders = std::mem::take(&mut store.orders);
        let in_force = orders.iter().filter_map(|it| match it {
            Order::After(entry) => Some(entry),
            Order::First(_) | Order::Snapshot(..) => None,
        });
        if let Some(entry) = Entry::to_keep(&store.pending, in_force) {
            self.burn()?;
            self.disk.mark(entry);
            if is_rollback(entry) {
                self.checker.rollback_kept(entry.seq);
            }
        }
        for order in orders {
            self.burn()?;
            match order {
                Order::First(entry) => self.record_first(store, &entry)?,
                Order::After(entry) => {
                    store.pending.push_back(entry);
                    self.flush(store)?;
                }
                Order::Snapshot(progress, ledger) => {
                    store.snapshot = Some((progress, *ledger));
                    self.try_out(store)?;
                }
            }
        }
        if self.steps.is_multiple_of(PROBE_STEPS) && (store.is_failing || !store.pending.is_empty())
        {
            self.try_out(store)?;
        }
        Ok(())
    }

    fn record_first(&mut self, store: &mut StoreThread, entry: &Entry) -> Result<(), Stop> {
        self.flush(store)?;
        let appended = match store.pending.is_empty() {
            true => self.append(entry)?,
            false => Err("earlier entries are not recorded yet".to_owned()),
        };
        match appended {
            Ok(()) => {
                Self::succeeded(store);
                store.reports.push_back(Report::Recorded(entry.seq));
            }
            Err(error) => {
                Self::failed(store, &error);
                store.reports.push_back(Report::Failed(entry.seq, error));
            }
        }
        Ok(())
    }

    /// Tries to record what is in force.
    fn flush(&mut self, store: &mut StoreThread) -> Result<(), Stop> {
        while let Some(entry) = store.pending.pop_front() {
            match self.append(&entry)? {
                Ok(()) => {
                    Self::succeeded(store);
                    store.reports.push_back(Report::Recorded(entry.seq));
                }
                Err(error) => {
                    Self::failed(store, &error);
                    store.pending.push_front(entry);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn try_out(&mut self, store: &mut StoreThread) -> Result<(), Stop> {
        self.flush(store)?;
        if let Some((progress, ledger)) =
            store.snapshot.as_ref().filter(|_| store.pending.is_empty())
        {
            match self.disk.save(progress, ledger) {
                Ok(()) => {
                    self.checker.saved(progress, &self.disk)?;
                    Self::succeeded(store);
                }
                Err(error) => Self::failed(store, &error),
            }
        }
        Ok(())
    }

    /// Appends, with a chance to be killed on either side of the commit.
    fn append(&mut self, entry: &Entry) -> Result<Result<(), String>, Stop> {
        self.burn()?;
        let appended = self.disk.append(entry);
        if appended.is_ok() {
            self.checker.appended(entry)?;
            if is_rollback(entry) {
                self.checker.rollback_kept(entry.seq);
            }
        }
        self.burn()?;
        Ok(appended)
    }

    fn succeeded(store: &mut StoreThread) {
        if std::mem::take(&mut store.is_failing) {
            store.reports.push_back(Report::Writable);
        }
    }

    fn failed(store: &mut StoreThread, error: &str) {
        if !std::mem::replace(&mut store.is_failing, true) {
            store.reports.push_back(Report::Failing(error.to_owned()));
        }
    }

    /// One more thing is done, unless this was the moment of the kill.
    fn burn(&mut self) -> Result<(), Stop> {
        self.burned += 1;
        match &mut self.fuse {
            None => Ok(()),
            Some(0) => Err(Stop::Killed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// What happened here, by kind.
    pub(crate) fn changes(&self) -> BTreeMap<&'static str, u32> {
        let mut changes = self.changes.clone();
        changes.insert("killed", self.kills);
        for entry in self.disk.entries() {
            *changes.entry(kind_of(&entry.change)).or_default() += 1;
        }
        changes
    }

    fn salt(&mut self) -> Salt {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        Salt::new(bytes)
    }

    /// Puts an environment into a mode.
    pub(crate) fn set(&mut self, side: Side, mode: Mode) {
        self.sides[side].set(mode, self.time);
    }

    /// The weight in force, in basis points, while the program runs.
    pub(crate) fn state(&self) -> Option<&State> {
        self.process.as_ref().map(|it| &it.state)
    }
}

fn kind_of(change: &Change) -> &'static str {
    match change {
        Change::Held { cause, .. } => match cause {
            HoldCause::Operator => "held by an operator",
            HoldCause::PlanChanged | HoldCause::WeightSet => "held by a changed plan",
            HoldCause::BothBad(_) => "held by both sides",
            HoldCause::Evidence(_) => "held by evidence",
            HoldCause::Split => "held for the split",
        },
        Change::RolledBack { cause, .. } => match cause {
            RollbackCause::Trigger(name) if name.starts_with("lag") => "rolled back by a lag",
            RollbackCause::Trigger(_) => "rolled back by a trigger",
            RollbackCause::Evidence(_) => "rolled back by evidence",
            RollbackCause::Operator(_) => "rolled back by an operator",
        },
        Change::Began { .. }
        | Change::Started { .. }
        | Change::Advanced { .. }
        | Change::Resumed { .. }
        | Change::WeightSet { .. }
        | Change::Completed
        | Change::WayBackClosed
        | Change::Reloaded
        | Change::Upgraded { .. }
        | Change::DatabaseStep { .. }
        | Change::GateSatisfied { .. }
        | Change::GateBroken { .. }
        | Change::DnsOrdered { .. }
        | Change::DrillStarted { .. }
        | Change::DrillEnded { .. }
        | Change::DnsServed { .. }
        | Change::DnsQuiet
        | Change::DnsStopped { .. } => change.kind(),
    }
}

fn is_rollback(entry: &Entry) -> bool {
    matches!(entry.change, Change::RolledBack { .. })
}

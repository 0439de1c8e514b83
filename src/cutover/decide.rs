//! The decision: one event in, the next state and the effects out.

use std::time::Duration;

use crate::{
    cutover::{
        Actor, Answer, Change, Command, Coverage, DatabaseStep, DnsStep, Effect, Observation, Ramp,
        Refusal, Reload, State, StoreState, Upgrade, WayBack,
        clock_check::ClockLook,
        database, dns, drill, gate, ramp, reload,
        rollback::{self, Tripped},
        steer,
        transition::Transition,
        upgrade,
        wait::Span,
        watch::{RECORD_RETRY, STORE_PATIENCE, StoreFailing},
    },
    plan::Plan,
    units::{Salt, Timestamp, Weight},
};

/// Two turns further apart than this left something unobserved between them.
const TURN_GAP_MAX: Duration = Duration::from_secs(1);

/// From one snapshot to the next.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);

/// What the shell reads from clocks and random sources for one decision.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Now; never runs backwards within a process.
    pub now: Timestamp,
    /// The wall clock, only for comparing it with `now` and for weekly windows.
    pub wall: Timestamp,
    /// Fresh random bits, should a new salt be needed.
    pub salt: Salt,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Ten times a second, and at once when connects fail in a row: look.
    Turn,
    /// An operator asks.
    Command {
        /// What.
        command: Command,
        /// Who.
        actor: Actor,
    },
    /// The configuration was read again.
    Reload(Reload),
    /// This process took over from another one.
    Upgrade(Upgrade),
    /// A statement is run on a database, or has failed.
    DatabaseStep(DatabaseStep),
    /// A change of names is ordered, or given up.
    Dns(DnsStep),
    /// The store recorded an entry durably, be it of [`Effect::RecordFirst`] or of [`Effect::RecordAfter`].
    Recorded {
        /// Its number.
        seq: u64,
    },
    /// The store could not record an entry, which will never appear.
    RecordFailed {
        /// Its number.
        seq: u64,
        /// What the store said.
        error: String,
    },
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The next state.
    pub state: State,
    /// What to do, in order.
    pub effects: Vec<Effect>,
    /// The answer to a command; `None` for other events.
    pub answer: Option<Answer>,
}

/// Decides. Pure: the same arguments give the same decision. After a [`Reload`] that was not refused, `plan` has to be its.
#[must_use]
pub fn decide<'a>(
    plan: &'a Plan,
    state: &'a State,
    event: &'a Event,
    observation: &'a Observation<'_>,
    context: Context,
) -> Decision {
    let mut transition = Transition::new(plan, state, observation, context);
    match event {
        Event::Turn => turn(&mut transition),
        Event::Command { command, actor } => {
            transition.evaluate();
            steer::steer(&mut transition, command, actor);
        }
        Event::Reload(it) => reload::reload(&mut transition, it),
        Event::Upgrade(it) => upgrade::upgrade(&mut transition, it),
        Event::DatabaseStep(it) => database::step(&mut transition, it),
        Event::Dns(it) => dns::step(&mut transition, it),
        Event::Recorded { seq } => recorded(&mut transition, *seq),
        Event::RecordFailed { seq, error } => record_failed(&mut transition, *seq, error),
    }
    transition.finish()
}

/// Looks around: the way back first, then the way forth.
fn turn(transition: &mut Transition<'_>) {
    let now = transition.context.now;
    let turned_at = transition.state.watch.turned_at.replace(now);
    look_at_clock(transition, turned_at);
    look_at_store(transition);
    observe(transition, turned_at);
    gate::look(
        transition.plan,
        &mut transition.state,
        transition.observation,
        now,
    );
    transition.evaluate();
    let tripped = rollback::trip(transition);
    let is_drilling = tripped == Tripped::Nothing && drill::go_on(transition);
    // What these have written down is in force at once: it comes after a rollback, or the end of a drill, is recorded.
    dns::look(transition);
    gate::tell(transition);
    if tripped == Tripped::Nothing && !is_drilling {
        ramp::go_on(transition);
    }
    snapshot_if_due(transition);
}

/// An entry is on disk. One that was waited for comes into force, unless a trigger trips at this moment.
fn recorded(transition: &mut Transition<'_>, seq: u64) {
    if !transition.state.watch.unrecorded.remove(&seq) {
        let pending = transition.state.watch.pending.as_ref();
        if pending.is_none_or(|it| it.seq != seq) {
            // It was overtaken, and the entry that did so is in force.
            return;
        }
        transition.evaluate();
        if rollback::trip(transition) == Tripped::Nothing {
            transition.acknowledged();
        }
    }
    snapshot_if_due(transition);
}

fn record_failed(transition: &mut Transition<'_>, seq: u64, error: &str) {
    let watch = &mut transition.state.watch;
    if watch.unrecorded.remove(&seq) {
        transition.page(format!(
            "entry {seq} is in force but will never be in the journal: {error}"
        ));
    } else if watch.pending.as_ref().is_some_and(|it| it.seq == seq) {
        watch.retry_at = Some(transition.context.now.after(RECORD_RETRY));
        transition.failed(Refusal::Store(error.to_owned()));
    }
}

fn look_at_clock(transition: &mut Transition<'_>, turned_at: Option<Timestamp>) {
    let Context { now, wall, .. } = transition.context;
    let passed = turned_at.map_or(Duration::ZERO, |it| now.since(it));
    match transition.state.watch.clock.look(now, wall, passed) {
        ClockLook::Agrees => (),
        ClockLook::Jumped(micros) => {
            let span = Span(Duration::from_micros(micros.unsigned_abs()));
            let way = if micros < 0 { "back" } else { "forth" };
            transition.page(format!(
                "the wall clock jumped {way} by {span}: the ramp waits until it has agreed for 60 s"
            ));
        }
    }
}

fn look_at_store(transition: &mut Transition<'_>) {
    let now = transition.context.now;
    let StoreState::Failing { error } = &transition.observation.store else {
        transition.state.watch.store_failing = None;
        return;
    };
    let failing = transition
        .state
        .watch
        .store_failing
        .get_or_insert(StoreFailing {
            since: now,
            is_paged: false,
        });
    let span = now.since(failing.since);
    if span >= STORE_PATIENCE && !failing.is_paged {
        failing.is_paged = true;
        transition.page(format!(
            "the journal cannot be written ({error}): traffic and rollbacks go on, the ramp waits"
        ));
    }
}

/// Adds what was observed since the last turn to the progress. Time counts only where every worker reported.
fn observe(transition: &mut Transition<'_>, turned_at: Option<Timestamp>) {
    let observation = transition.observation;
    let state = &mut transition.state;
    let skipped = state.watch.requests_skipped;
    state.progress.requests = state
        .watch
        .requests_before
        .saturating_add(observation.requests_on_new.saturating_sub(skipped));
    let Some(turned_at) = turned_at else {
        return;
    };
    let counts = match &state.position.ramp {
        // A new side that gets its first traffic is given time: its bake starts with its first answer.
        Ramp::Baking { .. } => {
            let is_first = state.position.evidence_since == state.position.generation;
            !is_first || state.progress.requests > 0
        }
        Ramp::Complete { way_back, .. } => *way_back == WayBack::Open,
        Ramp::Idle | Ramp::Holding { .. } | Ramp::RolledBack { .. } => false,
    };
    let from = state
        .watch
        .counting_since
        .map_or(turned_at, |it| it.max(turned_at));
    let passed = transition.context.now.since(from);
    if counts && observation.coverage == Coverage::Full && passed <= TURN_GAP_MAX {
        state.progress.baked = state.progress.baked.saturating_add(passed);
    }
}

/// Saves what was observed, once a second and after each change; never about an entry that is not on disk.
fn snapshot_if_due(transition: &mut Transition<'_>) {
    let watch = &transition.state.watch;
    let now = transition.context.now;
    let is_due = watch
        .snapshot_at
        .is_none_or(|at| now.since(at) >= SNAPSHOT_INTERVAL);
    if is_due && watch.unrecorded.is_empty() {
        transition.snapshot();
    }
}

impl Decision {
    /// What must hold after every decision. A breach is a fault of this module and worth a crash: the shell
    /// starts again from the journal, at a weight that was in force.
    pub(super) fn check_invariants(&self, plan: &Plan, before: &State) {
        let (position, watch) = (&self.state.position, &self.state.watch);
        assert!(
            position.ramp.allows(position.weight),
            "the weight fits the ramp's state"
        );
        if let Ramp::Baking { step, .. } = position.ramp {
            assert_eq!(
                plan.ramp.steps[step].weight, position.weight,
                "a step bakes at its weight"
            );
        }
        assert!(
            position.evidence_since <= position.generation,
            "evidence has begun"
        );
        assert_eq!(
            self.state.progress.seq, position.seq,
            "progress is of the position"
        );
        assert_eq!(
            self.state.progress.at, position.at,
            "progress is of the position"
        );
        assert!(position.seq <= watch.seq, "every number was given out");
        assert!(
            position.generation <= watch.generation,
            "every generation was given out"
        );
        if let Some(pending) = &watch.pending {
            assert!(
                pending.seq > position.seq,
                "what is pending is not in force"
            );
            assert!(
                watch.unrecorded.is_empty(),
                "what is in force is recorded before what follows"
            );
        }

        let was = &before.position;
        assert!(position.seq >= was.seq, "numbers only rise");
        assert!(
            position.generation >= was.generation,
            "generations only rise"
        );
        let has_moved = position.weight != was.weight || position.salt != was.salt;
        let rose = position.generation > was.generation;
        assert!(rose || !has_moved, "another table is another generation");
        let published = self.effects.iter().filter_map(|it| match it {
            Effect::Publish {
                generation, weight, ..
            } => Some((*generation, *weight)),
            _other => None,
        });
        let expected = rose.then_some((position.generation, position.weight));
        assert!(
            published.eq(expected),
            "what is in force is what is published"
        );
        for (index, effect) in self.effects.iter().enumerate() {
            if let Effect::RecordAfter(entry) = effect
                && matches!(entry.change, Change::RolledBack { .. })
            {
                assert_eq!(entry.weight, Weight::NONE, "a rollback is to weight 0");
                assert_eq!(index, 1, "a rollback is published before anything else");
            }
        }
    }
}

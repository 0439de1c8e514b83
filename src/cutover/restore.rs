//! Beginning again from what the store holds: a restart goes on at the same step, and notices another plan.

use std::collections::BTreeMap;

use crate::{
    cutover::{
        Actor, Change, ConnectRun, Decision, Effect, Entry, Explanation, Position, Progress, Ramp,
        State, Stretch,
        clock_check::ClockCheck,
        plan_digest,
        reload::{held_cause, step_at},
        watch::Watch,
    },
    plan::Plan,
    units::Timestamp,
};

/// The state that a process begins with, and what it has to do first.
///
/// The observed bake goes on only from a snapshot about exactly this position; else it starts anew. A ramp that
/// ran, or was held, under another plan holds at the weight in force, with an entry that says so. The shell
/// publishes the position's table itself, and forgets what was measured before its `evidence_since`.
#[must_use]
pub fn restore(plan: &Plan, position: Position, progress: Progress, now: Timestamp) -> Decision {
    let digest = plan_digest(plan);
    let is_same = position.plan == digest && fits(plan, &position);
    let is_about = progress.seq == position.seq && progress.at == position.at;
    let progress = if is_about && is_same {
        progress
    } else {
        Progress::of(&position, progress.stretches)
    };
    let mut state = State {
        watch: Watch::new(&position, &progress, digest),
        position,
        progress,
    };
    let mut effects = Vec::new();
    if let Some(entry) = plan_changed(plan, &state, now).filter(|_| !is_same) {
        state.position = state.position.apply(&entry);
        let stretches = std::mem::take(&mut state.progress.stretches);
        state.progress = Progress::of(&state.position, stretches);
        state.watch.seq = entry.seq;
        state.watch.unrecorded.insert(entry.seq);
        effects.push(Effect::RecordAfter(entry));
    }
    let decision = Decision {
        state,
        effects,
        answer: None,
    };
    decision.check_invariants(plan, &decision.state.clone());
    decision
}

/// Whether the position's step is one of this plan.
fn fits(plan: &Plan, position: &Position) -> bool {
    let weight_of = |step: usize| plan.ramp.steps.get(step).map(|it| it.weight);
    match position.ramp {
        Ramp::Baking { step, .. } => weight_of(step) == Some(position.weight),
        Ramp::Holding { step, .. } => step.is_none_or(|it| weight_of(it).is_some()),
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => true,
    }
}

/// The entry that holds a ramp whose plan changed; `None` where no step is under way.
fn plan_changed(plan: &Plan, state: &State, now: Timestamp) -> Option<Entry> {
    let position = &state.position;
    let cause = held_cause(&position.ramp)?;
    let step = step_at(plan, position.weight);
    let (before, after) = (&position.plan, &state.watch.plan);
    let difference = format!(
        "steps, triggers, gates, rollback, endpoints, split or routes changed: digest {before}, now {after}"
    );
    let explanation = Explanation::of_plan(position.weight, &difference);
    Some(Entry {
        seq: position.seq + 1,
        at: now,
        generation: position.generation,
        weight: position.weight,
        evidence_since: position.evidence_since,
        plan: after.clone(),
        change: Change::Held { cause, step },
        actor: Actor::Plan,
        reason: difference,
        readings: Vec::new(),
        reaction_ms: None,
        overtakes: None,
        explanation: Some(Box::new(explanation)),
    })
}

impl Progress {
    /// Nothing observed yet at this position. What gates ask for is about no position, and stays.
    const fn of(position: &Position, stretches: BTreeMap<String, Stretch>) -> Self {
        Self {
            seq: position.seq,
            at: position.at,
            baked: std::time::Duration::ZERO,
            requests: 0,
            stretches,
        }
    }
}

impl Watch {
    fn new(position: &Position, progress: &Progress, plan: String) -> Self {
        Self {
            plan,
            pending: None,
            unrecorded: std::collections::BTreeSet::new(),
            seq: position.seq,
            generation: position.generation,
            retry_at: None,
            clock: ClockCheck::default(),
            turned_at: None,
            counting_since: None,
            evaluations: Vec::new(),
            requests_before: progress.requests,
            requests_skipped: 0,
            connects_before: ConnectRun::default(),
            snapshot_at: None,
            store_failing: None,
            drill: None,
            is_held_for_both: false,
        }
    }
}

//! The ramp by itself: starting, going from step to step, completing, closing the way back. Each of these is
//! recorded first.

use crate::{
    cutover::{
        Actor, Change, Explanation, Ramp, WayBack,
        explanation::Baked,
        transition::{Draft, Transition},
        wait::{Span, breaches, doubts, store, waits},
    },
    evidence::Finding,
    plan::StartMode,
};

/// Goes on, if nothing is in the way.
pub(super) fn go_on(transition: &mut Transition<'_>) {
    let watch = &transition.state.watch;
    let now = transition.context.now;
    if watch.pending.is_some() || watch.retry_at.is_some_and(|at| now < at) {
        return;
    }
    let (plan, state, observation) = (transition.plan, &transition.state, transition.observation);
    match state.position.ramp {
        Ramp::Idle => {
            let starts = plan.ramp.start == StartMode::Automatic;
            if starts && waits(plan, state, observation, now).is_empty() {
                start(transition, Actor::Plan);
            }
        }
        Ramp::Baking { step, .. } => {
            if waits(plan, state, observation, now).is_empty() {
                advance(transition, step, Actor::Plan);
            }
        }
        Ramp::Complete {
            way_back: WayBack::Open,
            ..
        } => {
            let is_over = state.progress.baked >= plan.rollback.window;
            let mut trips = doubts(observation, Finding::is_trip);
            let is_calm = breaches(plan, state).is_empty() && trips.next().is_none();
            let agrees = state.watch.clock.remaining().is_none();
            if is_over && is_calm && agrees && store(state, observation).is_none() {
                close_way_back(transition);
            }
        }
        Ramp::Holding { .. } | Ramp::RolledBack { .. } | Ramp::Complete { .. } => (),
    }
}

/// Has the start recorded. Returns the entry's number.
pub(super) fn start(transition: &mut Transition<'_>, actor: Actor) -> u64 {
    let reason = match actor {
        Actor::Plan => "the plan starts by itself",
        Actor::Operator(_) => "started by hand",
    };
    transition.record_first(Draft {
        change: Change::Started { step: 0 },
        weight: transition.plan.ramp.steps[0].weight,
        actor,
        reason: reason.to_owned(),
        explanation: None,
    })
}

/// Has the advance from `step` recorded, or the completion after the last one. Returns the entry's number.
pub(super) fn advance(transition: &mut Transition<'_>, step: usize, actor: Actor) -> u64 {
    let progress = &transition.state.progress;
    let (baked, requests) = (Span(progress.baked), progress.requests);
    let number = step + 1;
    let seen = format!("step {number} baked for {baked} with {requests} requests on new");
    let weight = transition.state.position.weight;
    let explanation = Explanation::of_bake(
        Baked {
            what: &format!("step {number} at {weight} baked for {baked}"),
            advance: transition.plan.ramp.advance,
            since: transition.state.position.ramp.since(),
            actor: &actor,
        },
        transition.observation.evidence,
    );
    let reason = match actor {
        Actor::Plan => seen,
        Actor::Operator(_) => format!("{seen}; the rest was skipped"),
    };
    let (change, weight) = match transition.plan.ramp.steps.get(number) {
        Some(next) => (
            Change::Advanced {
                from: step,
                to: number,
            },
            next.weight,
        ),
        None => (Change::Completed, transition.state.position.weight),
    };
    transition.record_first(Draft {
        change,
        weight,
        actor,
        reason,
        explanation: Some(explanation),
    })
}

fn close_way_back(transition: &mut Transition<'_>) {
    let window = Span(transition.plan.rollback.window);
    let reason = format!("all traffic was on new for {window}, observed");
    transition.record_first(Draft {
        change: Change::WayBackClosed,
        weight: transition.state.position.weight,
        actor: Actor::Plan,
        reason,
        explanation: None,
    });
}

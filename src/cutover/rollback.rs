//! The way back: by a trigger that trips, or by an operator. It beats everything else, and never waits.

use crate::{
    cutover::{
        Actor, Change, HoldCause, Ramp, RollbackCause, WayBack,
        transition::{Draft, Transition},
        trigger,
    },
    plan::BothBad,
    units::Weight,
};

/// What a look at the triggers led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tripped {
    /// Nothing tripped; the ramp may go on.
    Nothing,
    /// Something did, and was dealt with.
    Something,
}

/// Rolls back if a trigger trips; holds and calls somebody where old is no better place to be.
pub(super) fn trip(transition: &mut Transition<'_>) -> Tripped {
    if !is_armed(transition) {
        transition.state.watch.both_bad = None;
        return Tripped::Nothing;
    }
    let (plan, weight) = (transition.plan, transition.state.position.weight);
    let view = transition.view();
    let tripped: Vec<_> = transition
        .breaching()
        .filter(|(trigger, _)| !trigger.is_blind_at(weight))
        .map(|(trigger, reading)| (trigger, reading.clone()))
        .collect();
    // Old may be bad by one measure and good by another; a trip is by one trigger and so is this exception.
    let goes_back = tripped
        .iter()
        .find(|(trigger, _)| match plan.rollback.both_bad {
            BothBad::Hold => !trigger::is_old_bad(plan, trigger, view),
            BothBad::Rollback => true,
        });
    if let Some((trigger, reading)) = goes_back {
        let detail = trigger::describe(trigger, reading);
        transition.page(format!(
            "rolled back by trigger {}: {detail}; everything is on old until somebody resumes",
            trigger.name
        ));
        let cause = RollbackCause::Trigger(trigger.name.clone());
        let reaction_ms = reading.run.map(|it| it.as_secs_f64() * 1000.0);
        let reaction_ms = reaction_ms.map(|it| (it * 1000.0).round() / 1000.0);
        roll_back(transition, cause, Actor::Plan, detail, reaction_ms);
        return Tripped::Something;
    }
    match tripped.first() {
        Some((trigger, reading)) => {
            let detail = trigger::describe(trigger, reading);
            hold(transition, &trigger.name, &detail);
            Tripped::Something
        }
        None => {
            transition.state.watch.both_bad = None;
            Tripped::Nothing
        }
    }
}

/// Everything back to old, now. Returns the entry's number.
pub(super) fn roll_back(
    transition: &mut Transition<'_>,
    cause: RollbackCause,
    actor: Actor,
    reason: String,
    reaction_ms: Option<f64>,
) -> u64 {
    let from = transition.state.position.weight;
    let salt = transition.context.salt;
    let draft = Draft {
        change: Change::RolledBack { cause, salt, from },
        weight: Weight::NONE,
        actor,
        reason,
    };
    transition.state.watch.both_bad = None;
    transition.put_in_force(draft, reaction_ms)
}

/// Whether a trigger would roll back.
pub(super) fn is_armed(transition: &Transition<'_>) -> bool {
    match &transition.state.position.ramp {
        Ramp::Idle | Ramp::RolledBack { .. } => false,
        Ramp::Baking { .. } | Ramp::Holding { .. } => true,
        Ramp::Complete { way_back, .. } => *way_back == WayBack::Open,
    }
}

/// Both sides are bad: stays at the weight in force, and calls somebody once.
fn hold(transition: &mut Transition<'_>, trigger: &str, detail: &str) {
    let position = &transition.state.position;
    let moves = match position.ramp {
        Ramp::Baking { .. } => true,
        // A change that is being recorded would move a held ramp.
        Ramp::Holding { .. } => transition.state.watch.pending.is_some(),
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => false,
    };
    if moves {
        let draft = Draft {
            change: Change::Held {
                cause: HoldCause::BothBad(trigger.to_owned()),
                step: position.ramp.step(),
            },
            weight: position.weight,
            actor: Actor::Plan,
            reason: detail.to_owned(),
        };
        transition.put_in_force(draft, None);
    }
    if transition.state.watch.both_bad.is_none() {
        transition.state.watch.both_bad = Some(trigger.to_owned());
        transition.page(format!(
            "trigger {trigger} trips ({detail}) but old is bad as well: holding; roll back by hand if old is the better place"
        ));
    }
}

//! The way back: by a trigger or a test that trips, or by an operator. It beats everything else, and never waits.

use std::time::Duration;

use crate::{
    cutover::{
        Actor, Change, HoldCause, Ramp, RollbackCause, WayBack,
        transition::{Draft, Transition},
        trigger::{self, View},
    },
    evidence::Finding,
    measure::Population,
    plan::{BothBad, Plan},
    units::{Side, Weight},
};

/// What a look at triggers and tests led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tripped {
    /// Nothing tripped; the ramp may go on.
    Nothing,
    /// Something did, and was dealt with.
    Something,
}

/// Rolls back if a trigger or a test trips; holds and calls somebody where old is no better place to be.
pub(super) fn trip(transition: &mut Transition<'_>) -> Tripped {
    if !is_armed(transition) {
        transition.state.watch.is_held_for_both = false;
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
        let reaction_ms = reading.run.map(in_ms);
        roll_back(transition, cause, Actor::Plan, detail, reaction_ms);
        return Tripped::Something;
    }
    let mut found = view.observation.evidence.findings();
    let goes_back = |it: &Finding| it.is_trip() && goes_back_on(plan, weight, view, it);
    if let Some(finding) = found.find(goes_back) {
        let test = finding.test;
        transition.page(format!(
            "rolled back by evidence: {finding}; everything is on old until somebody resumes"
        ));
        let cause = RollbackCause::Evidence(test.to_string());
        let reaction_ms = finding.since.map(|it| in_ms(view.now.since(it)));
        let detail = finding.to_string();
        roll_back(transition, cause, Actor::Plan, detail, reaction_ms);
        return Tripped::Something;
    }
    if let Some((trigger, reading)) = tripped.first() {
        let detail = trigger::describe(trigger, reading);
        let name = &trigger.name;
        let what = format!("trigger {name} trips ({detail}) but old is bad as well");
        hold(transition, HoldCause::BothBad(name.clone()), detail, &what);
        return Tripped::Something;
    }
    let mut found = view.observation.evidence.findings();
    if let Some(finding) = found.find(Finding::is_trip) {
        let cause = HoldCause::Evidence(finding.test.to_string());
        let what = format!("there is evidence against new ({finding}) but old is no better");
        hold(transition, cause, finding.to_string(), &what);
        return Tripped::Something;
    }
    transition.state.watch.is_held_for_both = false;
    Tripped::Nothing
}

/// Whether old is the better place to be, where a test tripped.
fn goes_back_on(plan: &Plan, weight: Weight, view: View<'_>, finding: &Finding) -> bool {
    match plan.rollback.both_bad {
        BothBad::Rollback => return true,
        BothBad::Hold => (),
    }
    let windows = view.observation.windows;
    let seen = windows.tally(Side::Old, Population::All, OLD_SEEN_FOR);
    // Without traffic nothing can be said of old but that it could take it. That it merely had no request while the
    // evidence grew says nothing.
    let is_idle = weight == Weight::FULL && finding.requests.old == 0;
    let could_take_it = is_idle && view.observation.health[Side::Old].usable > 0;
    (finding.is_old_better() || could_take_it) && !trigger::is_old_gone(plan, view, &seen)
}

/// How far back old is looked at, to see whether it is gone.
const OLD_SEEN_FOR: Duration = Duration::from_secs(10);

/// To the microsecond, which is what comes back unchanged from any JSON parser.
fn in_ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
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
    transition.state.watch.is_held_for_both = false;
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

/// Old is no better: stays at the weight in force, and calls somebody once.
fn hold(transition: &mut Transition<'_>, cause: HoldCause, reason: String, what: &str) {
    let position = &transition.state.position;
    let moves = match position.ramp {
        Ramp::Baking { .. } => true,
        // A change that is being recorded would move a held ramp.
        Ramp::Holding { .. } => transition.state.watch.pending.is_some(),
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => false,
    };
    let step = position.ramp.step();
    if moves {
        let draft = Draft {
            change: Change::Held { cause, step },
            weight: position.weight,
            actor: Actor::Plan,
            reason,
        };
        transition.put_in_force(draft, None);
    }
    if !std::mem::replace(&mut transition.state.watch.is_held_for_both, true) {
        transition.page(format!(
            "{what}: holding; roll back by hand if old is the better place"
        ));
    }
}

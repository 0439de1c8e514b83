//! Another plan while the program runs. It never moves the weight: a ramp whose rules changed holds where it is, and what
//! was observed under the other rules counts no more.

use std::sync::Arc;

use crate::{
    cutover::{
        Actor, Answer, Change, Explanation, HoldCause, Ramp, Refusal, StoreState, plan_digest,
        transition::{Draft, Transition},
        wait,
    },
    plan::Plan,
    units::Weight,
};

/// Another plan, to be decided on.
#[derive(Clone, Debug, PartialEq)]
pub struct Reload {
    /// What is in force from then on.
    pub plan: Arc<Plan>,
    /// What differs, in words; it stands in the journal.
    pub difference: String,
    /// Who asks.
    pub actor: Actor,
}

/// Takes the plan in, or refuses it for now.
pub(super) fn reload<'a>(transition: &mut Transition<'a>, reload: &'a Reload) {
    match hindrance(transition) {
        Some(refusal) => transition.answer(Answer::Refused(refusal)),
        None => take_in(transition, reload),
    }
}

/// An entry about a reload, or an upgrade, leaves the ramp as the entry before it has it, so that the journal must hold that one.
pub(super) fn hindrance(transition: &Transition<'_>) -> Option<Refusal> {
    if let StoreState::Failing { error } = &transition.observation.store {
        return Some(Refusal::Store(error.clone()));
    }
    if transition.state.watch.pending.is_some() {
        let what = "the change before, which is being recorded: try again in a moment";
        return Some(Refusal::Held(what.to_owned()));
    }
    let behind = wait::store(&transition.state, transition.observation)?;
    Some(Refusal::Held(behind.to_string()))
}

fn take_in<'a>(transition: &mut Transition<'a>, reload: &'a Reload) {
    let digest = plan_digest(&reload.plan);
    let is_same = digest == transition.state.watch.plan;
    transition.plan = &reload.plan;
    transition.state.watch.plan = digest;
    transition.evaluate();
    let position = &transition.state.position;
    let change = match held_cause(&position.ramp).filter(|_| !is_same) {
        Some(cause) => Change::Held {
            cause,
            step: step_at(&reload.plan, position.weight),
        },
        None => Change::Reloaded,
    };
    let explanation = match &change {
        Change::Held { .. } => Some(Explanation::of_plan(position.weight, &reload.difference)),
        _reloaded => None,
    };
    let draft = Draft {
        change,
        weight: position.weight,
        actor: reload.actor.clone(),
        reason: reload.difference.clone(),
        explanation,
    };
    let seq = transition.put_in_force(draft, None);
    transition.answer(Answer::InForce(seq));
}

/// Why a ramp holds whose plan changed; `None` where no step is under way.
pub(super) const fn held_cause(ramp: &Ramp) -> Option<HoldCause> {
    match ramp {
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => None,
        Ramp::Holding {
            cause: HoldCause::WeightSet,
            ..
        } => Some(HoldCause::WeightSet),
        Ramp::Baking { .. } | Ramp::Holding { .. } => Some(HoldCause::PlanChanged),
    }
}

/// Steps are known by their weight: the one in force, or the next lower one.
pub(super) fn step_at(plan: &Plan, weight: Weight) -> Option<usize> {
    plan.ramp.steps.iter().rposition(|it| it.weight <= weight)
}

//! Operators' commands: what each needs, what it does, and what its refusal says.

use crate::{
    cutover::{
        Actor, Answer, Bake, Change, Command, Explanation, HoldCause, REASON_CHARS_MAX, Ramp,
        Refusal, RollbackCause, StoreState, Wait, WayBack, drill, ramp,
        rollback::{self, Why},
        transition::{Draft, Transition},
        wait,
    },
    units::Weight,
};

/// Carries a command out, or refuses it.
pub(super) fn steer(transition: &mut Transition<'_>, command: &Command, actor: &Actor) {
    let outcome = match command {
        Command::Start => start(transition, actor),
        Command::Hold => hold(transition, actor),
        Command::Resume { reason, step } => {
            reasoned(reason).and_then(|reason| resume(transition, actor, reason, *step))
        }
        Command::Advance => advance(transition, actor),
        Command::SetWeight { weight, reason } => {
            reasoned(reason).and_then(|reason| set_weight(transition, actor, reason, *weight))
        }
        Command::Drill { injection, reason } => reasoned(reason).and_then(|reason| {
            unhindered(transition, &[])?;
            drill::begin(transition, actor, reason, *injection)
        }),
        Command::Rollback { reason } => {
            reasoned(reason).and_then(|reason| roll_back(transition, actor, reason))
        }
    };
    transition.answer(outcome.unwrap_or_else(Answer::Refused));
}

fn start(transition: &mut Transition<'_>, actor: &Actor) -> Result<Answer, Refusal> {
    match transition.state.position.ramp {
        Ramp::Idle => (),
        Ramp::Baking { .. } => return refused(transition, "it has started already"),
        Ramp::Holding { .. } | Ramp::RolledBack { .. } => {
            return refused(transition, "resume it, with a reason");
        }
        Ramp::Complete { .. } => return refused(transition, "nothing is left to start"),
    }
    unhindered(transition, &waits(transition))?;
    Ok(Answer::OnRecorded(ramp::start(transition, actor.clone())))
}

fn hold(transition: &mut Transition<'_>, actor: &Actor) -> Result<Answer, Refusal> {
    let position = &transition.state.position;
    match position.ramp {
        Ramp::Baking { .. } => (),
        // A change that is being recorded would let it go on: holding overtakes that.
        Ramp::Holding { .. } if transition.state.watch.pending.is_some() => (),
        Ramp::Holding { .. } => return refused(transition, "it holds already"),
        // It would go on by itself.
        Ramp::RolledBack { .. } if position.drilling().is_some() => {
            return Ok(Answer::InForce(drill::stay(transition, actor)));
        }
        Ramp::Idle | Ramp::RolledBack { .. } if transition.state.watch.pending.is_some() => {
            return refused(
                transition,
                "it is just being started: roll back, or hold in a moment",
            );
        }
        Ramp::Idle => return refused(transition, "nothing is on the move"),
        Ramp::RolledBack { .. } => {
            return refused(transition, "everything is on old until somebody resumes");
        }
        Ramp::Complete { .. } => {
            return refused(
                transition,
                "nothing is on the move; set a weight or roll back",
            );
        }
    }
    let explanation = Explanation::of_order(
        actor,
        &format!("The ramp holds at {}", position.weight),
        "held by hand",
        transition.observation.evidence,
    );
    let draft = Draft {
        change: Change::Held {
            cause: HoldCause::Operator,
            step: position.ramp.step(),
        },
        weight: position.weight,
        actor: actor.clone(),
        reason: "held by hand".to_owned(),
        explanation: Some(explanation),
    };
    Ok(Answer::InForce(transition.put_in_force(draft, None)))
}

fn resume(
    transition: &mut Transition<'_>,
    actor: &Actor,
    reason: String,
    asked: Option<usize>,
) -> Result<Answer, Refusal> {
    let (step, bake) = match &transition.state.position.ramp {
        Ramp::Holding { .. } if asked.is_some() => {
            return refused(transition, "a step can be chosen only after a rollback");
        }
        Ramp::Holding { step, cause, .. } => resumed_step(transition, *step, cause),
        Ramp::RolledBack { .. } => (asked.unwrap_or(0), Bake::Anew),
        Ramp::Idle => return refused(transition, "start it"),
        Ramp::Baking { .. } => return refused(transition, "it goes on already"),
        Ramp::Complete { .. } => return refused(transition, "nothing is left to resume"),
    };
    let steps = &transition.plan.ramp.steps;
    let Some(weight) = steps.get(step).map(|it| it.weight) else {
        let count = steps.len();
        return refused(transition, &format!("the plan has {count} steps"));
    };
    let mut found = environments(transition, weight);
    if weight > transition.state.position.weight {
        let (plan, state) = (transition.plan, &transition.state);
        found.extend(wait::ready(
            plan,
            state,
            transition.observation,
            transition.context.now,
        ));
    }
    unhindered(transition, &found)?;
    let draft = Draft {
        change: Change::Resumed { step, bake },
        weight,
        actor: actor.clone(),
        reason,
        explanation: None,
    };
    Ok(Answer::OnRecorded(transition.record_first(draft)))
}

/// Where a held ramp goes on: at its own step, if that is what was held.
fn resumed_step(
    transition: &Transition<'_>,
    step: Option<usize>,
    cause: &HoldCause,
) -> (usize, Bake) {
    let steps = &transition.plan.ramp.steps;
    let weight = transition.state.position.weight;
    let at_or_above = || {
        let found = steps.iter().position(|it| it.weight >= weight);
        found.expect("the last step's weight is 100 %")
    };
    match (cause, step) {
        (
            HoldCause::Operator | HoldCause::BothBad(_) | HoldCause::Evidence(_) | HoldCause::Split,
            Some(step),
        ) if steps[step].weight == weight => (step, Bake::GoesOn),
        // The careful way under a new plan: down to the step below, where the weight fits none.
        (HoldCause::PlanChanged, step) => (step.unwrap_or(0), Bake::Anew),
        (
            HoldCause::Operator
            | HoldCause::BothBad(_)
            | HoldCause::Evidence(_)
            | HoldCause::Split
            | HoldCause::WeightSet,
            _,
        ) => (at_or_above(), Bake::Anew),
    }
}

fn advance(transition: &mut Transition<'_>, actor: &Actor) -> Result<Answer, Refusal> {
    let step = match transition.state.position.ramp {
        Ramp::Baking { step, .. } => step,
        Ramp::Idle => return refused(transition, "start it"),
        Ramp::Holding { .. } | Ramp::RolledBack { .. } => {
            return refused(transition, "resume it first, with a reason");
        }
        Ramp::Complete { .. } => return refused(transition, "there is no further step"),
    };
    let mut found = waits(transition);
    found.retain(|it| !it.is_skipped_by_advance());
    unhindered(transition, &found)?;
    Ok(Answer::OnRecorded(ramp::advance(
        transition,
        step,
        actor.clone(),
    )))
}

fn set_weight(
    transition: &mut Transition<'_>,
    actor: &Actor,
    reason: String,
    weight: Weight,
) -> Result<Answer, Refusal> {
    let position = &transition.state.position;
    match position.ramp {
        Ramp::Idle | Ramp::Baking { .. } | Ramp::Holding { .. } => (),
        Ramp::RolledBack { .. } => return refused(transition, "resume it, with a reason"),
        Ramp::Complete { way_back, .. } => match way_back {
            WayBack::Open => (),
            WayBack::Closed => return Err(Refusal::WayBackClosed),
        },
    }
    if weight == Weight::NONE {
        return refused(transition, "to take everything back to old, roll back");
    }
    let steps = transition.plan.ramp.steps.len();
    let step = match position.ramp {
        Ramp::Complete { .. } => Some(steps.saturating_sub(1)),
        Ramp::Idle | Ramp::Baking { .. } | Ramp::Holding { .. } | Ramp::RolledBack { .. } => {
            position.ramp.step()
        }
    };
    let from = position.weight;
    let draft = Draft {
        change: Change::WeightSet { from, step },
        weight,
        actor: actor.clone(),
        reason,
        explanation: None,
    };
    if weight <= from {
        return Ok(Answer::InForce(transition.put_in_force(draft, None)));
    }
    unhindered(transition, &environments(transition, weight))?;
    Ok(Answer::OnRecorded(transition.record_first(draft)))
}

fn roll_back(
    transition: &mut Transition<'_>,
    actor: &Actor,
    reason: String,
) -> Result<Answer, Refusal> {
    let is_moving = transition.state.watch.pending.is_some();
    match transition.state.position.ramp {
        Ramp::Baking { .. } | Ramp::Holding { .. } => (),
        // Nothing is on new, but a start or a resume is being recorded: overtake it.
        Ramp::Idle | Ramp::RolledBack { .. } if is_moving => (),
        // A drill would go on by itself.
        Ramp::RolledBack { .. } if transition.state.position.drilling().is_some() => (),
        Ramp::Idle => return refused(transition, "nothing is on new"),
        Ramp::RolledBack { .. } => return refused(transition, "everything is on old already"),
        Ramp::Complete { way_back, .. } => match way_back {
            WayBack::Open => (),
            WayBack::Closed => return Err(Refusal::WayBackClosed),
        },
    }
    let from = transition.state.position.weight;
    let what = format!("Everything went back to old from {from}");
    let evidence = transition.observation.evidence;
    let why = Why {
        cause: RollbackCause::Operator(actor.to_string()),
        explanation: Explanation::of_order(actor, &what, &reason, evidence),
        reason,
    };
    let seq = rollback::roll_back(transition, why, actor.clone(), None);
    Ok(Answer::InForce(seq))
}

fn waits(transition: &Transition<'_>) -> Vec<Wait> {
    let (plan, state) = (transition.plan, &transition.state);
    wait::waits(plan, state, transition.observation, transition.context.now)
}

fn environments(transition: &Transition<'_>, weight: Weight) -> Vec<Wait> {
    let (plan, state) = (transition.plan, &transition.state);
    wait::to_raise(plan, state, transition.observation, weight)
}

/// Refuses what must be recorded first and cannot be, and what something else holds.
fn unhindered(transition: &Transition<'_>, found: &[Wait]) -> Result<(), Refusal> {
    if let StoreState::Failing { error } = &transition.observation.store {
        return Err(Refusal::Store(error.clone()));
    }
    if transition.state.watch.pending.is_some() {
        let what = "the change before, which is being recorded: try again in a moment";
        return Err(Refusal::Held(what.to_owned()));
    }
    let behind = wait::store(&transition.state, transition.observation);
    let first = found.iter().find(|it| !matches!(it, Wait::Store { .. }));
    match first.or(behind.as_ref()) {
        Some(wait) => Err(Refusal::Held(wait.to_string())),
        None => Ok(()),
    }
}

fn reasoned(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Refusal::Reason {
            max: REASON_CHARS_MAX,
        });
    }
    Ok(reason.to_owned())
}

fn refused(transition: &Transition<'_>, hint: &str) -> Result<Answer, Refusal> {
    Err(Refusal::WrongState {
        state: transition.state.position.ramp.name(),
        hint: hint.to_owned(),
    })
}

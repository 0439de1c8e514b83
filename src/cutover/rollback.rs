//! The way back: by a trigger or a test that trips, or by an operator. It beats everything else, and never waits.

use std::time::Duration;

use crate::{
    cutover::{
        Actor, Change, Explanation, HoldCause, Ramp, RollbackCause, TriggerReading, WayBack,
        explanation::Outcome,
        transition::{Draft, Transition},
        trigger::{self, View},
    },
    evidence::{Finding, Test},
    measure::Population,
    plan::{BothBad, Plan, Trigger, TripAction},
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
        .filter(|(trigger, _)| match trigger.action {
            TripAction::Rollback => !trigger.is_blind_at(weight),
            TripAction::Hold => false,
        })
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
        roll_back_by_trigger(transition, trigger, reading);
        return Tripped::Something;
    }
    let found = view.observation.evidence.findings();
    let goes_back = |it: &Finding| {
        it.is_trip() && it.test != Test::Split && goes_back_on(plan, weight, view, it)
    };
    let found: Vec<Finding> = found.filter(goes_back).collect();
    if let Some(finding) = most_telling(&found) {
        roll_back_by_evidence(transition, finding);
        return Tripped::Something;
    }
    if let Some((trigger, reading)) = tripped.first() {
        hold_by_trigger(transition, trigger, reading);
        return Tripped::Something;
    }
    let mut found = view.observation.evidence.findings();
    if let Some(finding) = found.find(Finding::is_trip) {
        hold_by_evidence(transition, &finding);
        return Tripped::Something;
    }
    transition.state.watch.is_held_for_both = false;
    Tripped::Nothing
}

/// Of what trips, the first one of all requests; but where a route alone is broken its test says more, and is further
/// beyond its threshold.
fn most_telling(found: &[Finding]) -> Option<&Finding> {
    let of_all = found.iter().find(|it| it.route.is_none());
    let of_routes = found.iter().filter(|it| it.route.is_some());
    let of_route = of_routes.max_by(|one, other| one.ln_excess().total_cmp(&other.ln_excess()));
    match (of_all, of_route) {
        (Some(all), Some(route)) if all.ln_excess() >= route.ln_excess() => Some(all),
        (_, Some(route)) => Some(route),
        (all, None) => all,
    }
}

fn roll_back_by_trigger(
    transition: &mut Transition<'_>,
    trigger: &Trigger,
    reading: &TriggerReading,
) {
    let detail = trigger::describe(trigger, reading);
    call(
        transition,
        &format!("rolled back by trigger {}: {detail}", trigger.name),
    );
    let went_back = Outcome::WentBack(transition.state.position.weight);
    let View {
        observation, now, ..
    } = transition.view();
    let evidence = observation.evidence;
    let why = Why {
        cause: RollbackCause::Trigger(trigger.name.clone()),
        reason: detail,
        explanation: Explanation::of_trigger((trigger, reading), evidence, went_back, now),
    };
    let reaction_ms = reading.run.map(in_ms);
    roll_back(transition, why, Actor::Plan, reaction_ms);
}

fn roll_back_by_evidence(transition: &mut Transition<'_>, finding: &Finding) {
    call(transition, &format!("rolled back by evidence: {finding}"));
    let went_back = Outcome::WentBack(transition.state.position.weight);
    let View {
        observation, now, ..
    } = transition.view();
    let why = Why {
        cause: RollbackCause::Evidence(finding.name()),
        reason: finding.to_string(),
        explanation: Explanation::of_finding(finding, observation.evidence, went_back, now),
    };
    let reaction_ms = finding.since.map(|it| in_ms(now.since(it)));
    roll_back(transition, why, Actor::Plan, reaction_ms);
}

/// Calls somebody, unless a drill is what this is about.
fn call(transition: &mut Transition<'_>, what: &str) {
    if transition.state.position.injection().is_none() {
        transition.page(format!(
            "{what}; everything is on old until somebody resumes"
        ));
    }
}

fn hold_by_trigger(transition: &mut Transition<'_>, trigger: &Trigger, reading: &TriggerReading) {
    let detail = trigger::describe(trigger, reading);
    let name = &trigger.name;
    let what = format!("trigger {name} trips ({detail}) but old is bad as well");
    let held = Outcome::Held(transition.state.position.weight);
    let View {
        observation, now, ..
    } = transition.view();
    let evidence = observation.evidence;
    let why = Why {
        cause: HoldCause::BothBad(name.clone()),
        reason: detail,
        explanation: Explanation::of_trigger((trigger, reading), evidence, held, now),
    };
    hold(transition, why, &what);
}

fn hold_by_evidence(transition: &mut Transition<'_>, finding: &Finding) {
    let weight = transition.state.position.weight;
    let (cause, held, what) = match finding.test {
        Test::Split => {
            let numbers = finding.numbers();
            let what = format!("requests are not split as they should be ({numbers})");
            (HoldCause::Split, Outcome::HeldForSplit(weight), what)
        }
        Test::Relative(_) | Test::Route { .. } | Test::ErrorLimit | Test::Latency => {
            let what = format!("there is evidence against new ({finding}) but old is no better");
            let cause = HoldCause::Evidence(finding.name());
            (cause, Outcome::Held(weight), what)
        }
    };
    let View {
        observation, now, ..
    } = transition.view();
    let why = Why {
        cause,
        reason: finding.to_string(),
        explanation: Explanation::of_finding(finding, observation.evidence, held, now),
    };
    hold(transition, why, &what);
}

/// Why everything goes back, or stays.
pub(super) struct Why<C> {
    pub(super) cause: C,
    pub(super) reason: String,
    pub(super) explanation: Explanation,
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
pub(super) fn in_ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// Everything back to old, now. Returns the entry's number.
pub(super) fn roll_back(
    transition: &mut Transition<'_>,
    why: Why<RollbackCause>,
    actor: Actor,
    reaction_ms: Option<f64>,
) -> u64 {
    let position = &transition.state.position;
    let from = position.weight;
    let cause = why.cause;
    // After a drill the same clients are on new again.
    let is_drill = position.injection().is_some() && !matches!(cause, RollbackCause::Operator(_));
    let (salt, reason) = match is_drill {
        true => (position.salt, format!("in a drill: {}", why.reason)),
        false => (transition.context.salt, why.reason),
    };
    let draft = Draft {
        change: Change::RolledBack { cause, salt, from },
        weight: Weight::NONE,
        actor,
        reason,
        explanation: Some(why.explanation),
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
fn hold(transition: &mut Transition<'_>, why: Why<HoldCause>, what: &str) {
    let position = &transition.state.position;
    let moves = match position.ramp {
        Ramp::Baking { .. } => true,
        // A change that is being recorded would move a held ramp.
        Ramp::Holding { .. } => transition.state.watch.pending.is_some(),
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => false,
    };
    let step = position.ramp.step();
    if moves {
        let cause = why.cause;
        let draft = Draft {
            change: Change::Held { cause, step },
            weight: position.weight,
            actor: Actor::Plan,
            reason: why.reason,
            explanation: Some(why.explanation),
        };
        transition.put_in_force(draft, None);
    }
    if !std::mem::replace(&mut transition.state.watch.is_held_for_both, true) {
        transition.page(format!(
            "{what}: holding; roll back by hand if old is the better place"
        ));
    }
}

//! Rules for changes of position: each along the plan, or by a named operator with a reason, and recorded
//! before it gives new more.

use std::time::Duration;

use changeover::{
    cutover::{
        Actor, Answer, Bake, Change, DrillOutcome, DrillStanding, Entry, Event, HoldCause,
        Position, Ramp, StoreState, WayBack, plan_digest,
    },
    plan::{DRILL_WEIGHT_MAX, GateCondition, Plan, Writes},
    units::{Side, Weight},
};

use crate::{
    checker::{Case, Checker, Violation, must},
    lag,
};

/// How old the last look of the program may be.
const TURN: Duration = Duration::from_secs(1);

impl Checker {
    /// The change is one that the plan, or an operator, may make from where it was.
    pub(super) fn moves_as_it_may(&self, case: &Case<'_>, entry: &Entry) -> Result<(), Violation> {
        let (before, after) = (&case.before.position, &case.decision.state.position);
        must(
            entry.at <= case.context.now,
            "an entry is dated before it is in force",
        )?;
        must(!entry.reason.trim().is_empty(), "every entry has a reason")?;
        must(
            entry.plan == plan_digest(case.plan),
            "every entry names its plan",
        )?;
        must(
            entry.readings.len() == case.plan.triggers.len(),
            "every entry has the numbers it rested on",
        )?;
        must(
            after.weight == entry.weight,
            "the entry's weight is in force",
        )?;
        if after.weight > before.weight {
            let is_recorded = matches!(case.event, Event::Recorded { seq } if *seq == entry.seq);
            must(is_recorded, "a raise is recorded first")?;
        }
        follows(case, entry)
    }

    /// A reload moves nothing; where the rules that the ramp runs under changed, it holds, and its bake begins anew.
    pub(super) fn reloads_as_it_must(&self, case: &Case<'_>) -> Result<(), Violation> {
        let Event::Reload(reload) = case.event else {
            return Ok(());
        };
        let (before, after) = (&case.before.position, &case.decision.state.position);
        must(
            (after.weight, after.salt) == (before.weight, before.salt),
            "a reload never moves the weight",
        )?;
        // What was measured while a drill injected faults counts no longer where a reload ends it.
        let ends_drill = before.drilling().is_some() && after.drilling().is_none();
        must(
            after.generation == before.generation || ends_drill,
            "a reload never moves the weight",
        )?;
        if matches!(case.decision.answer, Some(Answer::Refused(_))) {
            return must(before == after, "what is refused changes nothing");
        }
        must(
            after.plan == plan_digest(&reload.plan),
            "the plan in force is the one that was reloaded",
        )?;
        let is_moving = matches!(before.ramp, Ramp::Baking { .. } | Ramp::Holding { .. });
        if before.plan == after.plan || !is_moving {
            return must(
                after.ramp == before.ramp,
                "a reload leaves the ramp as it is",
            );
        }
        let holds = matches!(
            after.ramp,
            Ramp::Holding {
                cause: HoldCause::PlanChanged | HoldCause::WeightSet,
                ..
            }
        );
        must(
            holds && case.decision.state.progress.baked.is_zero(),
            "a ramp whose rules changed holds, and its bake begins anew",
        )
    }

    /// What must be recorded first may be decided only where the store works and nothing is unrecorded, and
    /// what the plan does by itself only on evidence.
    pub(super) fn may_record_first(&self, case: &Case<'_>, entry: &Entry) -> Result<(), Violation> {
        must(
            case.observation.store == StoreState::Writable,
            "nothing goes on while the store fails",
        )?;
        let mut unrecorded = self.unrecorded.iter();
        must(
            unrecorded.all(|it| Some(it.seq) == self.from_marker),
            "what is in force is recorded before what follows",
        )?;
        if entry.weight > case.before.position.weight {
            self.may_raise(case, entry.weight)?;
        }
        match &entry.change {
            Change::Started { .. } | Change::Advanced { .. } | Change::Completed => {
                self.is_calm(case)?;
                must(
                    case.observation.health[Side::Old].usable > 0,
                    "nothing goes on without a way back",
                )?;
                self.no_breach(case, case.before.position.weight)?;
                let is_start = matches!(entry.change, Change::Started { .. });
                must(
                    is_start || lag::is_known(case.plan, case.observation),
                    "a lag that is not known holds",
                )?;
            }
            Change::WayBackClosed => {
                let observed = self.observed_at(&case.before.position);
                let window = case.plan.rollback.window;
                must(
                    observed.time >= window,
                    "the way back stays open for its window",
                )?;
            }
            Change::Resumed { .. }
            | Change::WeightSet { .. }
            | Change::DrillStarted { .. }
            | Change::DrillEnded { .. } => (),
            Change::Began { .. }
            | Change::Held { .. }
            | Change::RolledBack { .. }
            | Change::Reloaded
            | Change::Upgraded { .. }
            | Change::DatabaseStep { .. }
            | Change::GateSatisfied { .. }
            | Change::GateBroken { .. }
            | Change::DnsOrdered { .. }
            | Change::DnsServed { .. }
            | Change::DnsQuiet
            | Change::DnsStopped { .. } => {
                return Err(Violation::new("what is safe does not wait for the store"));
            }
        }
        if entry.change == Change::Completed {
            must(
                !sends_to_old(case.plan),
                "nothing completes that still sends to old",
            )?;
        }
        match (&entry.actor, &case.before.position.ramp) {
            (Actor::Plan, Ramp::Baking { step, .. }) => self.has_baked(case, entry, *step),
            (Actor::Plan | Actor::Operator(_), _) => Ok(()),
        }
    }

    fn may_raise(&self, case: &Case<'_>, weight: Weight) -> Result<(), Violation> {
        must(self.gates_hold(case, weight), "a gate that fails holds")?;
        self.no_breach(case, case.before.position.weight)?;
        must(
            !lag::is_too_long(case.plan, case.observation),
            "a lag above its limit holds",
        )
    }

    /// Whether every gate below `weight` holds.
    fn gates_hold(&self, case: &Case<'_>, weight: Weight) -> bool {
        let gates = case.plan.gates.iter().filter(|it| it.above_weight < weight);
        gates.into_iter().all(|gate| match &gate.condition {
            GateCondition::Healthy(sides) => sides.iter().all(|side| {
                let count = case.observation.health[*side];
                count.usable == count.endpoints
            }),
            GateCondition::Drill(asked) => {
                let proof = case.before.position.drilled.as_ref();
                proof.is_some_and(|it| {
                    it.plan == plan_digest(case.plan)
                        && case.context.now.since(it.at) <= asked.within + TURN
                })
            }
            GateCondition::Lag(lag) => self.held.lets_pass(case.plan, lag, case.observation),
        })
    }
}

fn sends_to_old(plan: &Plan) -> bool {
    let mut routes = plan.routes.iter();
    plan.split.writes == Writes::Old
        || routes.any(|it| it.pin == Some(Side::Old) || it.writes == Some(Writes::Old))
}

/// The change is one that leads from the state before.
fn follows(case: &Case<'_>, entry: &Entry) -> Result<(), Violation> {
    let (before, after) = (&case.before.position, &case.decision.state.position);
    let is_operator = matches!(&entry.actor, Actor::Operator(name) if !name.is_empty());
    let steps = &case.plan.ramp.steps;
    let weight_of = |step: usize| steps.get(step).map(|it| it.weight);
    match &entry.change {
        Change::Began { .. } => Err(Violation::new("a journal begins once")),
        Change::Started { step } => {
            must(before.ramp == Ramp::Idle, "a start is from idle")?;
            must(
                *step == 0 && weight_of(0) == Some(after.weight),
                "a start is at step 1",
            )
        }
        Change::Advanced { from, to } => {
            must(*to == *from + 1, "no step is left out")?;
            must(
                weight_of(*to) == Some(after.weight),
                "a step has its weight",
            )?;
            let is_from = matches!(before.ramp, Ramp::Baking { step, .. } if step == *from);
            must(is_from, "an advance is from a step that bakes")
        }
        Change::Completed => {
            let last = steps.len() - 1;
            let is_last = matches!(before.ramp, Ramp::Baking { step, .. } if step == last);
            must(
                is_last && after.weight == Weight::FULL,
                "only the last step completes",
            )
        }
        Change::Held { .. } => must(after.weight == before.weight, "a hold moves nothing"),
        Change::Resumed { step, bake } => {
            must(
                weight_of(*step) == Some(after.weight),
                "a step has its weight",
            )?;
            resumes_as_it_may(case, entry, *bake)
        }
        Change::WeightSet { .. } => {
            must(is_operator, "somebody sets a weight")?;
            must(after.weight > Weight::NONE, "weight 0 is a rollback")?;
            let was_rolled_back = matches!(before.ramp, Ramp::RolledBack { .. });
            must(!was_rolled_back, "no weight is set while rolled back")
        }
        Change::RolledBack { .. } => rolls_back_as_it_may(case),
        Change::DrillStarted { .. } | Change::DrillEnded { .. } => drill_follows(case, entry),
        Change::Reloaded
        | Change::Upgraded { .. }
        | Change::DatabaseStep { .. }
        | Change::GateSatisfied { .. }
        | Change::GateBroken { .. }
        | Change::DnsOrdered { .. }
        | Change::DnsServed { .. }
        | Change::DnsQuiet
        | Change::DnsStopped { .. } => must(
            after.ramp == before.ramp && after.salt == before.salt,
            "a reload or an upgrade leaves the ramp as it is",
        ),
        Change::WayBackClosed => must(is_open(&before.ramp), "only an open way back is closed"),
    }
}

const fn is_open(ramp: &Ramp) -> bool {
    matches!(
        ramp,
        Ramp::Complete {
            way_back: WayBack::Open,
            ..
        }
    )
}

/// How a bake and its evidence go on depends on what stopped it.
fn resumes_as_it_may(case: &Case<'_>, entry: &Entry, bake: Bake) -> Result<(), Violation> {
    let (before, after) = (&case.before.position, &case.decision.state.position);
    let is_operator = matches!(&entry.actor, Actor::Operator(name) if !name.is_empty());
    must(
        is_operator || is_returning(before),
        "somebody resumes, or a drill goes back",
    )?;
    let was_rolled_back = matches!(before.ramp, Ramp::RolledBack { .. });
    let is_fresh = after.evidence_since == after.generation;
    if is_returning(before) && bake == Bake::GoesOn {
        return must(
            is_fresh && after.salt == before.salt,
            "after a drill nothing of it is evidence, and clients keep their sides",
        );
    }
    must(
        !was_rolled_back || (bake == Bake::Anew && is_fresh),
        "after a rollback bake and evidence are fresh",
    )?;
    let was_by_hand = matches!(
        before.ramp,
        Ramp::Holding {
            cause: HoldCause::WeightSet,
            ..
        }
    );
    must(
        !was_by_hand || (bake == Bake::Anew && after.weight >= before.weight),
        "after a weight by hand the next step at or above it bakes in full",
    )
}

/// Whether a drill was passed from which the ramp has not returned.
fn is_returning(position: &Position) -> bool {
    let drill = position.drilling();
    drill.is_some_and(|it| matches!(it.standing, DrillStanding::Returning { .. }))
}

/// A drill keeps clients on their sides, and nothing else does.
fn rolls_back_as_it_may(case: &Case<'_>) -> Result<(), Violation> {
    let (before, after) = (&case.before.position, &case.decision.state.position);
    must(after.weight == Weight::NONE, "a rollback is to weight 0")?;
    must(
        (after.salt == before.salt) == after.drilling().is_some(),
        "a rollback draws a new salt, but not for a drill",
    )
}

/// A drill leads from the state before to the one after.
fn drill_follows(case: &Case<'_>, entry: &Entry) -> Result<(), Violation> {
    let (before, after) = (&case.before.position, &case.decision.state.position);
    let is_operator = matches!(&entry.actor, Actor::Operator(name) if !name.is_empty());
    match &entry.change {
        Change::DrillStarted { injection, .. } => {
            must(is_operator, "somebody orders a drill")?;
            must(
                after.weight <= DRILL_WEIGHT_MAX && after.weight == before.weight,
                "a drill is done at a small weight, and leaves it",
            )?;
            must(
                after.injection() == Some(*injection),
                "a drill injects what was ordered",
            )
        }
        Change::DrillEnded { outcome } => {
            must(
                after.injection().is_none(),
                "nothing is injected after a drill",
            )?;
            must(
                after.salt == before.salt && after.weight == before.weight,
                "a drill ends where it is",
            )?;
            let was_rolled_back = matches!(before.ramp, Ramp::RolledBack { .. });
            let is_passed = matches!(outcome, DrillOutcome::Passed { .. });
            must(
                !is_passed || was_rolled_back,
                "no drill is passed without weight 0",
            )
        }
        _other => Ok(()),
    }
}

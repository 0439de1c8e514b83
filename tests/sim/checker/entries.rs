//! Rules for changes of position: each along the plan, or by a named operator with a reason, and recorded
//! before it gives new more.

use changeover::{
    cutover::{
        Actor, Answer, Bake, Change, Entry, Event, HoldCause, Ramp, StoreState, WayBack,
        plan_digest,
    },
    plan::{GateCondition, Plan, Writes},
    units::{Side, Weight},
};

use crate::{
    checker::{Case, Checker, Violation, must},
    lag,
};

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
            (after.weight, after.generation, after.salt)
                == (before.weight, before.generation, before.salt),
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
        let raises = entry.weight > case.before.position.weight;
        if raises {
            must(
                self.gates_hold(case, entry.weight),
                "a gate that fails holds",
            )?;
            self.no_breach(case, case.before.position.weight)?;
            must(
                !lag::is_too_long(case.plan, case.observation),
                "a lag above its limit holds",
            )?;
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
            Change::Resumed { .. } | Change::WeightSet { .. } => (),
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

    /// Whether every gate below `weight` holds.
    fn gates_hold(&self, case: &Case<'_>, weight: Weight) -> bool {
        let gates = case.plan.gates.iter().filter(|it| it.above_weight < weight);
        gates.into_iter().all(|gate| match &gate.condition {
            GateCondition::Healthy(sides) => sides.iter().all(|side| {
                let count = case.observation.health[*side];
                count.usable == count.endpoints
            }),
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
            must(is_operator, "somebody resumes")?;
            must(
                weight_of(*step) == Some(after.weight),
                "a step has its weight",
            )?;
            resumes_as_it_may(case, *bake)
        }
        Change::WeightSet { .. } => {
            must(is_operator, "somebody sets a weight")?;
            must(after.weight > Weight::NONE, "weight 0 is a rollback")?;
            let was_rolled_back = matches!(before.ramp, Ramp::RolledBack { .. });
            must(!was_rolled_back, "no weight is set while rolled back")
        }
        Change::RolledBack { salt, .. } => {
            must(after.weight == Weight::NONE, "a rollback is to weight 0")?;
            must(*salt != before.salt, "a rollback draws a new salt")
        }
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
fn resumes_as_it_may(case: &Case<'_>, bake: Bake) -> Result<(), Violation> {
    let (before, after) = (&case.before.position, &case.decision.state.position);
    let was_rolled_back = matches!(before.ramp, Ramp::RolledBack { .. });
    let is_fresh = after.evidence_since == after.generation;
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

//! Rules for going on: observed time, enough requests, no breach, nothing unknown, an agreeing clock.

use std::time::Duration;

use changeover::{
    cutover::{Coverage, Entry, Verdict},
    evidence::Finding,
    measure::Population,
    plan::{AdvanceOn, Limit, Reading, Trigger},
    units::{Side, Timestamp, Weight},
};

use crate::checker::{Case, Checker, Violation, must};

impl Checker {
    /// Every worker reports, the clock agrees, and the window is open.
    pub(super) fn is_calm(&self, case: &Case<'_>) -> Result<(), Violation> {
        must(
            case.observation.coverage == Coverage::Full,
            "nothing goes on unobserved",
        )?;
        let now = case.context.now;
        let agreed = self
            .jumped_at
            .is_none_or(|at| now.since(at) >= Duration::from_secs(60));
        must(agreed, "a clock that jumped holds for a minute")?;
        let is_open = |wall: Timestamp| {
            let window = case.plan.ramp.window.as_ref();
            window.is_none_or(|it| it.is_open(wall))
        };
        must(is_open(case.context.wall), "a closed window holds")
    }

    /// No trigger that sees anything at this weight is in breach.
    pub(super) fn no_breach(&self, case: &Case<'_>, weight: Weight) -> Result<(), Violation> {
        must(
            !case
                .observation
                .evidence
                .findings()
                .any(|it| Finding::is_trip(&it)),
            "nothing goes on against evidence",
        )?;
        let readings = case.decision.state.readings();
        for (trigger, reading) in case.plan.triggers.iter().zip(readings) {
            // While nothing is sent to new, only these say how it is.
            let needs_no_traffic =
                trigger.reading == Reading::Unhealthy || matches!(trigger.limit, Limit::InARow(_));
            let is_past = weight == Weight::NONE && !needs_no_traffic;
            must(
                is_past || trigger.is_blind_at(weight) || reading.verdict != Verdict::Breach,
                "nothing goes on in a breach",
            )?;
        }
        Ok(())
    }

    /// The step has baked, by the world's own count, and no trigger is in doubt.
    pub(super) fn has_baked(
        &self,
        case: &Case<'_>,
        entry: &Entry,
        step: usize,
    ) -> Result<(), Violation> {
        let step = &case.plan.ramp.steps[step];
        let observed = self.observed_at(&case.before.position);
        must(observed.time >= step.bake, "a bake is never shortened")?;
        must(
            observed.requests >= step.requests,
            "a step sees its requests",
        )?;
        let evidence = case.observation.evidence;
        must(
            case.plan.ramp.advance == AdvanceOn::Bake || evidence.permit().is_given,
            "a step ends on evidence where it is asked for",
        )?;
        must(
            !evidence.findings().any(|it| it.is_doubt()),
            "nothing advances in doubt",
        )?;
        let weight = case.before.position.weight;
        for (trigger, reading) in case.plan.triggers.iter().zip(&entry.readings) {
            let is_known = reading.verdict == Verdict::Clear || self.reaches(case, trigger);
            must(
                trigger.is_blind_at(weight) || is_known,
                "nothing advances on what is unknown",
            )?;
        }
        Ok(())
    }

    /// Whether there is enough since the step began, so that a reading that reaches back is known: requests that
    /// finished, and for a latency those that still wait.
    fn reaches(&self, case: &Case<'_>, trigger: &Trigger) -> bool {
        let (population, both) = match (trigger.reading, trigger.limit) {
            (Reading::Unhealthy | Reading::ReplicationLag { .. }, _) | (_, Limit::InARow(_)) => {
                return false;
            }
            (_, Limit::TimesOld(_)) => (Population::Drawn, self.samples.map(|it| it.drawn)),
            (_, Limit::Share(_) | Limit::Latency(_)) => {
                (Population::All, self.samples.map(|it| it.all))
            }
        };
        let windows = case.observation.windows;
        let waiting = match trigger.reading {
            Reading::Latency(_) => windows.waiting_above(Side::New, population, Duration::ZERO),
            Reading::ErrorRate
            | Reading::ConnectFailures
            | Reading::Unhealthy
            | Reading::ReplicationLag { .. } => 0,
        };
        let needs_old = matches!(trigger.limit, Limit::TimesOld(_));
        let on_old = !needs_old || both.old >= trigger.requests;
        on_old && both.new + waiting >= trigger.requests
    }
}

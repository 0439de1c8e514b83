//! Rules for what the journal is told of gates: the truth, each change once, and no more than so much an hour.

use std::{collections::BTreeMap, time::Duration};

use changeover::{
    cutover::{Change, Entry, GateTerms},
    plan::{GateCondition, LagGate},
    units::Timestamp,
};

use crate::checker::{Case, Checker, Violation, must};

/// Entries about one gate within an hour.
const ENTRIES_MAX: usize = 6;

/// When the journal said something of each gate.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<GateTerms, Vec<Timestamp>>);

impl Told {
    /// An entry is in the journal.
    pub(super) fn appended(&mut self, entry: &Entry) -> Result<(), Violation> {
        let (Change::GateSatisfied { gate } | Change::GateBroken { gate }) = &entry.change else {
            return Ok(());
        };
        let said = self.0.entry(gate.clone()).or_default();
        said.push(entry.at);
        let hour = Duration::from_secs(60 * 60);
        let recent = said.iter().filter(|at| entry.at.since(**at) < hour);
        must(
            recent.count() <= ENTRIES_MAX,
            "a gate that swings does not fill the journal",
        )
    }
}

impl Checker {
    /// What an entry says of a gate is so, and is news.
    pub(super) fn gate_is_as_told(&self, case: &Case<'_>, entry: &Entry) -> Result<(), Violation> {
        let (gate, is_satisfied) = match &entry.change {
            Change::GateSatisfied { gate } => (gate, true),
            Change::GateBroken { gate } => (gate, false),
            _other => return Ok(()),
        };
        must(
            self.lets_pass(case, gate)? == is_satisfied,
            "a gate is as it is said to be",
        )?;
        let told = case
            .before
            .position
            .gates
            .iter()
            .find(|it| it.gate == *gate);
        must(
            told.is_some_and(|it| it.is_satisfied) != is_satisfied,
            "a gate is told of where it is another than was told",
        )
    }

    fn lets_pass(&self, case: &Case<'_>, terms: &GateTerms) -> Result<bool, Violation> {
        let found = case.plan.gates.iter().find_map(|it| match &it.condition {
            GateCondition::Lag(lag) => {
                (GateTerms::of(case.plan, it.above_weight, lag) == *terms).then_some(lag)
            }
            GateCondition::Healthy(_) | GateCondition::Drill(_) => None,
        });
        let lag: &LagGate = found.ok_or_else(|| Violation::new("a gate is one of the plan"))?;
        Ok(self.held.lets_pass(case.plan, lag, case.observation))
    }
}

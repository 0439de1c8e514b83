//! Everything that the core remembers between two events.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Position, Ramp, Stretch, TriggerReading, Wait, WayBack, watch::Watch},
    plan::{LagGate, Plan},
    units::{Timestamp, Weight},
};

/// Everything that the core remembers between two events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the journal says.
    pub position: Position,
    /// What snapshots keep beside it.
    pub progress: Progress,
    /// What a restart forgets.
    pub(super) watch: Watch,
}

/// What was observed at the position; saved in one replaced row, at most a second old.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The entry that this progress is about.
    pub seq: u64,
    /// That entry's time, so that it is never taken for another one of the same number.
    pub at: Timestamp,
    /// Observed time at the step, or since completion.
    pub baked: Duration,
    /// Finished requests on new at the step.
    pub requests: u64,
    /// How long what gates ask for has held, whatever the position.
    #[serde(default)]
    pub stretches: BTreeMap<String, Stretch>,
}

/// The five phases of a move, as the ramp shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has gone to new.
    Prepare,
    /// Data are replicated.
    Replicate,
    /// A part of the traffic is on new.
    Validate,
    /// All traffic is on new, and the way back is open.
    Cutover,
    /// The way back is closed.
    Decommission,
}

impl State {
    /// What every trigger said when it was last looked at, in the plan's order.
    pub fn readings(&self) -> impl Iterator<Item = &TriggerReading> {
        self.watch.evaluations.iter().map(|it| &it.reading)
    }

    /// Whether the journal has all that is in force, and nothing is on its way there.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.watch.pending.is_none() && self.watch.unrecorded.is_empty()
    }

    /// How long what a gate asks for has held; `None` where nobody has looked yet.
    #[must_use]
    pub fn stretch(&self, plan: &Plan, gate: &LagGate) -> Option<&Stretch> {
        self.progress.stretches.get(&gate.key(plan))
    }

    /// The phase of the move.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.position.ramp {
            Ramp::Idle => Phase::Prepare,
            Ramp::Complete { way_back, .. } => match way_back {
                WayBack::Open => Phase::Cutover,
                WayBack::Closed => Phase::Decommission,
            },
            Ramp::Baking { .. } | Ramp::Holding { .. } if self.position.weight == Weight::FULL => {
                Phase::Cutover
            }
            Ramp::Baking { .. } | Ramp::Holding { .. } | Ramp::RolledBack { .. } => Phase::Validate,
        }
    }

    /// The ramp's state as people see it: a baking step that only something other than time, requests and
    /// triggers keeps from going on is shown as `holding`.
    #[must_use]
    pub fn shown(&self, waits: &[Wait]) -> &'static str {
        let baking = matches!(self.position.ramp, Ramp::Baking { .. });
        let is_baked = !waits.iter().any(Wait::is_bake);
        let holds = waits.iter().any(|it| match it {
            Wait::Store { .. } | Wait::Clock { .. } | Wait::Replication { .. } => true,
            Wait::Gate { .. } | Wait::StillOnOld { .. } => is_baked,
            Wait::Bake { .. }
            | Wait::Requests { .. }
            | Wait::Trigger { .. }
            | Wait::Evidence { .. }
            | Wait::Doubt { .. }
            | Wait::Window { .. }
            | Wait::Coverage
            | Wait::Drill { .. }
            | Wait::Resume { .. } => false,
        });
        if baking && holds {
            "holding"
        } else {
            self.position.ramp.name()
        }
    }
}

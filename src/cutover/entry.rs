//! The journal's entries: one for each change, with who, why and the numbers it rested on.

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Actor, TriggerReading},
    units::{Generation, Salt, Timestamp, Weight},
};

/// One change of position. Immutable once recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number in the journal; only rises.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The generation in force after it.
    pub generation: Generation,
    /// The weight in force after it.
    pub weight: Weight,
    /// What changed.
    pub change: Change,
    /// Who changed it.
    pub actor: Actor,
    /// Why, in words.
    pub reason: String,
    /// Every trigger's reading at that moment.
    pub readings: Vec<TriggerReading>,
    /// For a rollback: from the first sample of the run that tripped (or the operator's call) to publication, ms.
    pub reaction_ms: Option<f64>,
}

/// What an entry changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// The journal began: nothing goes to new.
    Began {
        /// The first assignment salt.
        salt: Salt,
        /// Digest of the plan's ramp and triggers.
        plan: String,
    },
    /// The ramp started at a step.
    Started {
        /// The step, counted from 0.
        step: usize,
    },
    /// The next step began.
    Advanced {
        /// The step left.
        from: usize,
        /// The step entered.
        to: usize,
    },
    /// The ramp stays where it is until somebody resumes it.
    Held {
        /// Why.
        cause: HoldCause,
    },
    /// The ramp goes on.
    Resumed {
        /// At this step.
        step: usize,
        /// Whether its bake starts anew.
        bake: Bake,
    },
    /// A weight was set by hand; the ramp holds there.
    WeightSet {
        /// The weight before.
        from: Weight,
    },
    /// Everything went back to old.
    RolledBack {
        /// Why.
        cause: RollbackCause,
        /// The new assignment salt.
        salt: Salt,
        /// The weight before.
        from: Weight,
    },
    /// The last step baked: new holds all traffic.
    Completed,
    /// The rollback window ended.
    WayBackClosed,
    /// The plan that `serve` was started with differs from the journal's: held at the weight in force.
    PlanChanged {
        /// Digest of the plan's ramp and triggers now.
        plan: String,
    },
}

/// Whether a step's bake goes on or starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bake {
    /// What was observed counts.
    GoesOn,
    /// From zero.
    Anew,
}

/// Why the ramp holds until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum HoldCause {
    /// An operator asked.
    Operator,
    /// A weight was set by hand.
    WeightSet,
    /// The plan changed under a running ramp.
    PlanChanged,
    /// This trigger tripped while old was bad as well.
    BothBad(String),
}

/// Why everything went back to old; `Display` is the contract's `cause`, such as `trigger:errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum RollbackCause {
    /// This trigger tripped.
    Trigger(String),
    /// This operator asked.
    Operator(String),
}

impl std::fmt::Display for RollbackCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Trigger(name) => write!(f, "trigger:{name}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
        }
    }
}

//! What operators ask for, who they are, and why they may be refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{plan::Injection, units::Weight};

/// The most characters of a reason: it stands in one line of journals, logs and terminals, for ever.
pub const REASON_CHARS_MAX: usize = 500;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Start the ramp at its first step.
    Start,
    /// Stay at the weight in force.
    Hold,
    /// Go on after a hold, a weight set by hand, or a rollback.
    Resume {
        /// Why it is safe to go on.
        reason: String,
        /// After a rollback: the step to start at, counted from 0; another one than the first needs an approver.
        step: Option<usize>,
    },
    /// Skip the rest of the bake.
    Advance,
    /// Set the weight by hand and hold there.
    SetWeight {
        /// The weight.
        weight: Weight,
        /// Why.
        reason: String,
    },
    /// Inject a fault until something trips, and go on.
    Drill {
        /// The fault.
        injection: Injection,
        /// Why.
        reason: String,
    },
    /// Everything back to old, now.
    Rollback {
        /// Why.
        reason: String,
    },
}

/// Who caused a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Actor {
    /// The plan: the control loop by itself.
    Plan,
    /// An operator, by name; "local" where the plan names none.
    Operator(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Operator(name) => f.write_str(name),
        }
    }
}

/// Why a command was refused: not an error, exit code 3. `Display` is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Refusal {
    /// The ramp is in another state than the command needs.
    #[error("the ramp is {state}: {hint}")]
    WrongState {
        /// The ramp's state, as in `status`.
        state: &'static str,
        /// What to do instead.
        hint: String,
    },
    /// Something must hold first.
    #[error("held by {0}")]
    Held(String),
    /// The entry could not be recorded, so that nothing was changed.
    #[error("the journal cannot be written: {0}")]
    Store(String),
    /// The rollback window has ended.
    #[error("the way back was closed when the rollback window ended")]
    WayBackClosed,
    /// A rollback, a hold or a lower weight overtook it.
    #[error("a rollback or a hold overtook it")]
    Overtaken,
    /// The reason is missing or too long.
    #[error("a reason is needed, of at most {max} characters")]
    Reason {
        /// The longest one.
        max: usize,
    },
}

//! What the shell has to do.

use std::time::Duration;

use crate::{
    cutover::{Entry, Progress, Refusal},
    units::{Generation, Salt, Weight},
};

/// One thing to do. The shell carries effects out in order and chooses nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Put a split table in force.
    Publish {
        /// Its generation.
        generation: Generation,
        /// Its weight.
        weight: Weight,
        /// Its salt.
        salt: Salt,
        /// For a rollback: tunnels to new end after this grace.
        tunnels: Option<Duration>,
    },
    /// Record an entry and report back; a failure is reported too and the entry then never appears.
    RecordFirst(Entry),
    /// Record an entry whose change is already in force; kept and tried again until it is recorded.
    RecordAfter(Entry),
    /// Save what was observed.
    Snapshot(Progress),
    /// Forget what was measured before this generation.
    RestartEvidence(Generation),
    /// Call somebody.
    Page {
        /// What is wrong and what to do, in a sentence or two.
        message: String,
    },
}

/// When and what a command is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Now(Result<(), Refusal>),
    /// When the entry of this number is recorded, or could not be.
    OnRecorded(u64),
}

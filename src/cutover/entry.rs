//! The journal's entries: one for each change, with who, why and the numbers it rested on.
//!
//! An entry names all that it puts in force, so that [`crate::cutover::Position::apply`] gives the same position
//! whether or not an entry that it overtook came to be recorded.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, DnsOrder, DnsPurpose, DrillOutcome, Explanation, GateTerms, TriggerReading,
        plan_digest,
    },
    plan::{Injection, Plan},
    units::{Generation, Salt, Side, Timestamp, Weight},
};

/// One change of position. Immutable once recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number in the journal; only rises, with gaps where an entry could not be recorded.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The generation in force after it.
    pub generation: Generation,
    /// The weight in force after it.
    pub weight: Weight,
    /// After it, requests sent at an earlier generation are no evidence.
    pub evidence_since: Generation,
    /// Digest of the ramp, triggers, gates and rollback that it was decided under.
    pub plan: String,
    /// What changed.
    pub change: Change,
    /// Who changed it.
    pub actor: Actor,
    /// Why, in words.
    pub reason: String,
    /// Every trigger's reading at that moment.
    pub readings: Vec<TriggerReading>,
    /// For a rollback by a trigger: from the first sample of the run that tripped to the decision, in ms. Its
    /// first effect is the publication, so what that adds is below a millisecond.
    pub reaction_ms: Option<f64>,
    /// The entry that was being recorded when this one came into force, and that never was in force. Journals of earlier
    /// versions do not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtakes: Option<u64>,
    /// Why, in numbers, where the ramp went on, held or went back. Journals of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
}

/// What an entry changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// The journal began: nothing goes to new.
    Began {
        /// The first assignment salt.
        salt: Salt,
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
        /// The step that it stays at; `None` below the first one.
        step: Option<usize>,
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
        /// The step that the ramp was at; `None` if it was idle.
        step: Option<usize>,
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
    /// The configuration was read again, and the ramp goes on as it was.
    Reloaded,
    /// Another process took over, and the ramp goes on as it was.
    Upgraded {
        /// The version before.
        from: String,
        /// The version since.
        to: String,
    },
    /// A statement is run on a database to set its replication up, or has failed.
    DatabaseStep {
        /// The replication, as the plan names it.
        replication: String,
        /// Whose database.
        side: Side,
        /// What it makes.
        what: String,
        /// Whether it begins or has failed.
        outcome: DatabaseStepOutcome,
    },
    /// A drill injects a fault from now on.
    DrillStarted {
        /// Which.
        injection: Injection,
        /// The step that the ramp is at, counted from 0.
        step: usize,
        /// How long that has baked.
        baked: Duration,
        /// The requests on new that it has seen.
        requests: u64,
    },
    /// A drill is over; where it was passed, the ramp is resumed at its step by the next entry.
    DrillEnded {
        /// How it ended.
        #[serde(flatten)]
        outcome: DrillOutcome,
    },
    /// A replication has trailed by little for as long as a gate asks for.
    GateSatisfied {
        /// The gate.
        gate: GateTerms,
    },
    /// The time that made a gate satisfied has ended.
    GateBroken {
        /// The gate.
        gate: GateTerms,
    },
    /// A change of names in DNS is ordered, and carried out next.
    DnsOrdered {
        /// The change, and what it is for.
        order: Box<DnsOrder>,
    },
    /// Every server of the zone says what was ordered.
    DnsServed {
        /// What it was for.
        purpose: DnsPurpose,
    },
    /// After a move it was quiet here for as long as the plan asks for.
    DnsQuiet,
    /// An order was given up; nothing of it was done.
    DnsStopped {
        /// What it was for.
        purpose: DnsPurpose,
    },
}

/// What an entry says of a step on a database. A step that was done has one entry, the one before it was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseStepOutcome {
    /// It is run next.
    Begins,
    /// It did nothing.
    Failed,
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
    /// The plan that `serve` was started with, or that was reloaded, differs from the one that the ramp ran under.
    PlanChanged,
    /// This trigger tripped while old was bad as well.
    BothBad(String),
    /// This test has evidence against new, and old is not known to be better.
    Evidence(String),
    /// Requests are not split as they should be, which makes no side better.
    Split,
}

/// Why everything went back to old; `Display` is the contract's `cause`, such as `trigger:errors` or `evidence:401`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum RollbackCause {
    /// This trigger tripped.
    Trigger(String),
    /// This sequential test tripped.
    Evidence(String),
    /// This operator asked.
    Operator(String),
}

impl Entry {
    /// The first entry of a new journal: nothing goes to new, and `salt` keys the assignment.
    #[must_use]
    pub fn began(plan: &Plan, salt: Salt, now: Timestamp) -> Self {
        Self {
            seq: 1,
            at: now,
            generation: Generation::ZERO.next(),
            weight: Weight::NONE,
            evidence_since: Generation::ZERO.next(),
            plan: plan_digest(plan),
            change: Change::Began { salt },
            actor: Actor::Plan,
            reason: "the journal began".to_owned(),
            readings: Vec::new(),
            reaction_ms: None,
            overtakes: None,
            explanation: None,
        }
    }

    /// Of entries that have come into force, the one that is to survive a kill if only one can: the latest, but none that
    /// leaves all as it is takes the place of one that does not. `waiting` came into force before `latest`, both oldest
    /// first, and is not recorded either; `None` where what was kept of them before is to stay.
    pub fn to_keep<'a>(
        waiting: impl IntoIterator<Item = &'a Self>,
        latest: impl DoubleEndedIterator<Item = &'a Self> + Clone,
    ) -> Option<&'a Self> {
        let changes = |it: &&Self| !it.change.leaves_all_as_it_is();
        let mut backwards = latest.rev();
        let change = backwards.clone().find(changes);
        let is_kept = change.is_none() && waiting.into_iter().any(|it| changes(&it));
        change.or_else(|| backwards.next().filter(|_| !is_kept))
    }
}

impl Change {
    /// The change in a word, as its `kind` in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Began { .. } => "began",
            Self::Started { .. } => "started",
            Self::Advanced { .. } => "advanced",
            Self::Held { .. } => "held",
            Self::Resumed { .. } => "resumed",
            Self::WeightSet { .. } => "weight_set",
            Self::RolledBack { .. } => "rolled_back",
            Self::Completed => "completed",
            Self::WayBackClosed => "way_back_closed",
            Self::Reloaded => "reloaded",
            Self::Upgraded { .. } => "upgraded",
            Self::DatabaseStep { .. } => "database_step",
            Self::DrillStarted { .. } => "drill_started",
            Self::DrillEnded { .. } => "drill_ended",
            Self::GateSatisfied { .. } => "gate_satisfied",
            Self::GateBroken { .. } => "gate_broken",
            Self::DnsOrdered { .. } => "dns_ordered",
            Self::DnsServed { .. } => "dns_served",
            Self::DnsQuiet => "dns_quiet",
            Self::DnsStopped { .. } => "dns_stopped",
        }
    }

    /// Whether nothing of the ramp, the split or the evidence is another one after it.
    #[must_use]
    pub const fn leaves_all_as_it_is(&self) -> bool {
        match self {
            Self::Reloaded
            | Self::Upgraded { .. }
            | Self::DatabaseStep { .. }
            | Self::GateSatisfied { .. }
            | Self::GateBroken { .. }
            | Self::DnsOrdered { .. }
            | Self::DnsServed { .. }
            | Self::DnsQuiet
            | Self::DnsStopped { .. } => true,
            Self::Began { .. }
            | Self::Started { .. }
            | Self::Advanced { .. }
            | Self::Held { .. }
            | Self::Resumed { .. }
            | Self::WeightSet { .. }
            | Self::RolledBack { .. }
            | Self::Completed
            | Self::WayBackClosed
            | Self::DrillStarted { .. }
            | Self::DrillEnded { .. } => false,
        }
    }

    /// Whether what was observed before it still counts for the bake after it.
    pub(super) const fn keeps_bake(&self) -> bool {
        match self {
            Self::Held { cause, .. } => match cause {
                HoldCause::Operator
                | HoldCause::BothBad(_)
                | HoldCause::Evidence(_)
                | HoldCause::Split => true,
                HoldCause::PlanChanged | HoldCause::WeightSet => false,
            },
            Self::Resumed { bake, .. } => matches!(bake, Bake::GoesOn),
            Self::DrillStarted { .. }
            | Self::DrillEnded { .. }
            | Self::Reloaded
            | Self::Upgraded { .. }
            | Self::DatabaseStep { .. }
            | Self::GateSatisfied { .. }
            | Self::GateBroken { .. }
            | Self::DnsOrdered { .. }
            | Self::DnsServed { .. }
            | Self::DnsQuiet
            | Self::DnsStopped { .. } => true,
            Self::Began { .. }
            | Self::Started { .. }
            | Self::Advanced { .. }
            | Self::WeightSet { .. }
            | Self::RolledBack { .. }
            | Self::Completed
            | Self::WayBackClosed => false,
        }
    }
}

/// What happened, in words: "advanced to step 2".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { .. } => f.write_str("journal began"),
            Self::Started { step } => write!(f, "started at step {}", step + 1),
            Self::Advanced { to, .. } => write!(f, "advanced to step {}", to + 1),
            Self::Held { cause, .. } => write!(f, "held: {cause}"),
            Self::Resumed { step, bake } => {
                let bake = match bake {
                    Bake::GoesOn => "its bake goes on",
                    Bake::Anew => "its bake starts anew",
                };
                write!(f, "resumed at step {}, {bake}", step + 1)
            }
            Self::WeightSet { from, .. } => write!(f, "weight set by hand, was {from}"),
            Self::RolledBack { cause, from, .. } => write!(f, "rolled back by {cause} from {from}"),
            Self::Completed => f.write_str("completed"),
            Self::WayBackClosed => f.write_str("way back closed"),
            Self::Reloaded => f.write_str("reloaded"),
            Self::Upgraded { from, to } => write!(f, "upgraded from {from} to {to}"),
            Self::DatabaseStep {
                replication,
                side,
                what,
                outcome,
            } => {
                let outcome = match outcome {
                    DatabaseStepOutcome::Begins => "set up",
                    DatabaseStepOutcome::Failed => "not set up",
                };
                write!(f, "{replication}: {what} on {side} {outcome}")
            }
            Self::DrillStarted { injection, .. } => write!(f, "drill started: {injection}"),
            Self::DrillEnded { outcome } => match outcome {
                DrillOutcome::Passed { cause, .. } => write!(f, "drill passed: {cause} tripped"),
                DrillOutcome::NotNoticed { .. } => f.write_str("drill NOT noticed"),
                DrillOutcome::BrokenOff { by } => write!(f, "drill broken off: {by}"),
            },
            Self::GateSatisfied { gate } => write!(f, "gate above {} satisfied", gate.above_weight),
            Self::GateBroken { gate } => write!(f, "gate above {} broken", gate.above_weight),
            Self::DnsOrdered { order } => write!(f, "dns {} ordered", order.purpose),
            Self::DnsServed { purpose } => write!(f, "dns {purpose} served everywhere"),
            Self::DnsQuiet => f.write_str("quiet at the old address"),
            Self::DnsStopped { purpose } => write!(f, "dns {purpose} stopped"),
        }
    }
}

impl fmt::Display for HoldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("by an operator"),
            Self::WeightSet => f.write_str("at a weight set by hand"),
            Self::PlanChanged => f.write_str("since the plan changed"),
            Self::BothBad(trigger) => write!(f, "by trigger {trigger}, with old bad as well"),
            Self::Evidence(test) => write!(f, "by evidence {test}, with old no better"),
            Self::Split => f.write_str("since requests are not split as they should be"),
        }
    }
}

impl fmt::Display for RollbackCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(name) => write!(f, "trigger:{name}"),
            Self::Evidence(name) => write!(f, "evidence:{name}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
        }
    }
}

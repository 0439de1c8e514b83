//! Journal entries as clients read them.
//!
//! The shape is the journal's own, with two differences: the assignment salt is left out, since whoever knows it
//! can compute anybody's side, and numbers are as in `status`: weights in percent, steps counted from 1.

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Bake, Change, DatabaseStepOutcome, DnsPurpose, DrillOutcome, Entry, Explanation,
        GateTerms, HoldCause, RollbackCause, TriggerReading,
    },
    plan::dns::RecordSet,
    units::{Direction, Side, Timestamp},
};

/// One page of the journal: the answer of `GET /api/v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// The entries, oldest first.
    pub events: Vec<EventDocument>,
    /// The `after` of the next page.
    pub next: u64,
}

/// One journal entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventDocument {
    /// Its number in the journal; only rises.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The generation in force after it.
    pub generation: u64,
    /// The weight in force after it, in percent.
    pub weight: f64,
    /// Digest of the ramp, triggers, gates and rollback that it was decided under.
    pub plan: String,
    /// What changed.
    pub change: ChangeDocument,
    /// Who changed it.
    pub actor: Actor,
    /// Why, in words.
    pub reason: String,
    /// Every trigger's reading at that moment.
    pub readings: Vec<TriggerReading>,
    /// For a rollback by a trigger: from the first sample of the run that tripped to the decision, in ms.
    pub reaction_ms: Option<f64>,
    /// Why, in numbers and in a sentence, where the ramp went on, held or went back; absent where an earlier version
    /// recorded it.
    pub explanation: Option<Explanation>,
}

/// What an entry changed; `kind` tells which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ChangeDocument {
    /// The journal began: nothing goes to new.
    Began,
    /// The ramp started at a step.
    Started {
        /// The step, counted from 1.
        step: usize,
    },
    /// The next step began.
    Advanced {
        /// The step left, counted from 1.
        from: usize,
        /// The step entered, counted from 1.
        to: usize,
    },
    /// The ramp stays where it is until somebody resumes it.
    Held {
        /// Why.
        cause: HoldCause,
        /// The step that it stays at, counted from 1; none below the first one.
        step: Option<usize>,
    },
    /// The ramp goes on.
    Resumed {
        /// At this step, counted from 1.
        step: usize,
        /// Whether its bake starts anew.
        bake: Bake,
    },
    /// A weight was set by hand; the ramp holds there.
    WeightSet {
        /// The weight before, in percent.
        from: f64,
        /// The step that the ramp was at, counted from 1; none if it was idle.
        step: Option<usize>,
    },
    /// Everything went back to old.
    RolledBack {
        /// Why.
        cause: RollbackCause,
        /// The weight before, in percent.
        from: f64,
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
        /// The fault, in words.
        fault: String,
        /// The share of requests that it is injected into.
        share: f64,
        /// The step that the ramp is at, counted from 1.
        step: usize,
    },
    /// A drill is over; where it was passed, the ramp is resumed at its step by the next entry.
    DrillEnded {
        /// How it ended.
        #[serde(flatten)]
        outcome: DrillOutcome,
    },
    /// A replication has trailed by little for as long as a gate asks for.
    GateSatisfied(GateDocument),
    /// The time that made a gate satisfied has ended.
    GateBroken(GateDocument),
    /// A change of names in DNS is ordered, and carried out next.
    DnsOrdered {
        /// What for.
        purpose: DnsPurpose,
        /// The zone.
        zone: String,
        /// Every record set that it is about, before it.
        before: Vec<RecordSet>,
        /// And after it.
        after: Vec<RecordSet>,
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

impl From<&Entry> for EventDocument {
    fn from(entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            generation: entry.generation.number(),
            weight: entry.weight.percent(),
            plan: entry.plan.clone(),
            change: ChangeDocument::from(&entry.change),
            actor: entry.actor.clone(),
            reason: entry.reason.clone(),
            readings: entry.readings.clone(),
            reaction_ms: entry.reaction_ms,
            explanation: entry.explanation.as_deref().cloned(),
        }
    }
}

/// A gate that asks for a lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateDocument {
    /// Steps above this weight, in percent, wait for it.
    pub above_weight: f64,
    /// The replication, as the plan names it.
    pub replication: String,
    /// Which way.
    pub direction: Direction,
    /// The lag that it must be below, in seconds.
    pub lag_below_s: f64,
    /// For how long, in seconds.
    pub needed_s: f64,
}

impl From<&GateTerms> for GateDocument {
    fn from(gate: &GateTerms) -> Self {
        Self {
            above_weight: gate.above_weight.percent(),
            replication: gate.replication.clone(),
            direction: gate.direction,
            lag_below_s: gate.lag_below.as_secs_f64(),
            needed_s: gate.held_for.as_secs_f64(),
        }
    }
}

impl From<&Change> for ChangeDocument {
    fn from(change: &Change) -> Self {
        match change {
            Change::Began { salt: _ } => Self::Began,
            Change::Started { step } => Self::Started { step: step + 1 },
            Change::Advanced { from, to } => Self::Advanced {
                from: from + 1,
                to: to + 1,
            },
            Change::Held { cause, step } => Self::Held {
                cause: cause.clone(),
                step: step.map(|it| it + 1),
            },
            Change::Resumed { step, bake } => Self::Resumed {
                step: step + 1,
                bake: *bake,
            },
            Change::WeightSet { from, step } => Self::WeightSet {
                from: from.percent(),
                step: step.map(|it| it + 1),
            },
            Change::RolledBack {
                cause,
                salt: _,
                from,
            } => Self::RolledBack {
                cause: cause.clone(),
                from: from.percent(),
            },
            Change::Completed => Self::Completed,
            Change::WayBackClosed => Self::WayBackClosed,
            Change::Reloaded => Self::Reloaded,
            Change::Upgraded { from, to } => Self::Upgraded {
                from: from.clone(),
                to: to.clone(),
            },
            Change::DatabaseStep {
                replication,
                side,
                what,
                outcome,
            } => Self::DatabaseStep {
                replication: replication.clone(),
                side: *side,
                what: what.clone(),
                outcome: *outcome,
            },
            Change::DrillStarted {
                injection, step, ..
            } => Self::DrillStarted {
                fault: injection.fault.to_string(),
                share: injection.share.ratio(),
                step: step + 1,
            },
            Change::DrillEnded { outcome } => Self::DrillEnded {
                outcome: outcome.clone(),
            },
            Change::GateSatisfied { gate } => Self::GateSatisfied(gate.into()),
            Change::GateBroken { gate } => Self::GateBroken(gate.into()),
            Change::DnsOrdered { order } => Self::DnsOrdered {
                purpose: order.purpose,
                zone: order.change.zone().to_ascii(),
                before: order.change.before().to_vec(),
                after: order.change.after().to_vec(),
            },
            Change::DnsServed { purpose } => Self::DnsServed { purpose: *purpose },
            Change::DnsQuiet => Self::DnsQuiet,
            Change::DnsStopped { purpose } => Self::DnsStopped { purpose: *purpose },
        }
    }
}

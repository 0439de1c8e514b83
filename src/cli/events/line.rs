//! One entry in one line: when, which generation and weight, what, who, why.

use crate::{
    admin::{ChangeDocument, EventDocument, GateDocument},
    cli::{figures::ratio, output::printable},
    cutover::{Actor, Bake, DatabaseStepOutcome, DrillOutcome, HoldCause, RollbackCause},
};

/// The line of an entry.
pub(crate) fn line(entry: &EventDocument) -> String {
    let weight = format!("{}%", entry.weight);
    let text = format!(
        "{:>4}  {}  g{:<4} {weight:>6}  {:<34} {:<8} {}",
        entry.seq,
        entry.at,
        entry.generation,
        what(&entry.change),
        who(&entry.actor),
        entry.reason
    );
    printable(text.trim_end())
}

/// What an entry changed, in a few words.
pub(crate) fn what(change: &ChangeDocument) -> String {
    match change {
        ChangeDocument::Began => "journal began".into(),
        ChangeDocument::Started { step } => format!("started at step {step}"),
        ChangeDocument::Advanced { from, to } => format!("advanced from step {from} to {to}"),
        ChangeDocument::Held { cause, step: _ } => match cause {
            HoldCause::Operator => "held".into(),
            HoldCause::WeightSet => "held after a weight by hand".into(),
            HoldCause::PlanChanged => "held: the plan changed".into(),
            HoldCause::BothBad(trigger) => format!("held: {trigger}, but old is bad too"),
            HoldCause::Evidence(test) => format!("held: {test}, but old is no better"),
            HoldCause::Split => "held: the split is not right".into(),
        },
        ChangeDocument::Resumed { step, bake } => match bake {
            Bake::GoesOn => format!("resumed at step {step}"),
            Bake::Anew => format!("resumed at step {step}, fresh bake"),
        },
        ChangeDocument::WeightSet { from, step: _ } => format!("weight set by hand, from {from}%"),
        ChangeDocument::RolledBack { cause, from } => match cause {
            RollbackCause::Evidence(name) => {
                format!("ROLLED BACK from {from}% by evidence of {name}")
            }
            RollbackCause::Trigger(name) => format!("ROLLED BACK from {from}% by {name}"),
            RollbackCause::Operator(_) => format!("ROLLED BACK from {from}% by hand"),
        },
        ChangeDocument::Completed => "complete".into(),
        ChangeDocument::WayBackClosed => "way back closed".into(),
        ChangeDocument::Reloaded => "configuration reloaded".into(),
        ChangeDocument::Upgraded { from, to } => format!("upgraded from {from} to {to}"),
        ChangeDocument::DatabaseStep {
            replication,
            side,
            what,
            outcome,
        } => {
            let outcome = match outcome {
                DatabaseStepOutcome::Begins => "",
                DatabaseStepOutcome::Failed => " FAILED",
            };
            format!("{replication}: set up {what} on {side}{outcome}")
        }
        ChangeDocument::GateSatisfied(gate) => gate_line(gate, "satisfied"),
        ChangeDocument::GateBroken(gate) => gate_line(gate, "BROKEN"),
        ChangeDocument::DnsOrdered { purpose, .. } => format!("dns {purpose} ordered"),
        ChangeDocument::DrillStarted { fault, share, step } => {
            format!(
                "drill at step {step}: {fault} into {} of requests",
                ratio(*share)
            )
        }
        ChangeDocument::DrillEnded { outcome } => match outcome {
            DrillOutcome::Passed { .. } => "drill passed".to_owned(),
            DrillOutcome::NotNoticed { .. } => "drill NOT noticed".to_owned(),
            DrillOutcome::BrokenOff { .. } => "drill broken off".to_owned(),
        },
        ChangeDocument::DnsServed { purpose } => format!("dns {purpose} served everywhere"),
        ChangeDocument::DnsQuiet => "quiet at the old address".to_owned(),
        ChangeDocument::DnsStopped { purpose } => format!("dns {purpose} STOPPED"),
    }
}

/// Who changed it.
pub(crate) fn who(actor: &Actor) -> &str {
    match actor {
        Actor::Plan => "plan",
        Actor::Operator(name) => name,
    }
}

fn gate_line(gate: &GateDocument, what: &str) -> String {
    let GateDocument {
        above_weight,
        replication,
        direction,
        ..
    } = gate;
    format!("gate above {above_weight}% {what}: {replication} {direction}")
}

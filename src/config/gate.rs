//! `[[gate]]`: what must hold before the weight rises.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, choice, duration, percentage},
        replication,
        scalar::{self, WEIGHT},
    },
    plan::{DrillGate, Gate, GateCondition, LagGate, ReplicationPlan},
    units::{Side, Weight},
};

/// The keys of `[[gate]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "gate",
    keys: &["above_weight", "healthy", "replication", "drill"],
};

/// The keys of `drill`.
pub(super) const DRILL: Shape = Shape {
    path: "gate.drill",
    keys: &["within"],
};

/// What a gate asks for, by its keys.
const CONDITIONS: [&str; 3] = ["healthy", "replication", "drill"];

/// The keys of `replication`.
pub(super) const REPLICATION: Shape = Shape {
    path: "gate.replication",
    keys: &["name", "direction", "lag_below", "for", "gap"],
};

/// More gates than a ramp has steps.
const GATES: usize = 100;

const HEALTHY: &[(&str, &[Side])] = &[
    ("old", &[Side::Old]),
    ("new", &[Side::New]),
    ("both", &Side::ALL),
];

/// Reads every `[[gate]]`.
pub(super) fn read(root: &Section<'_>, replications: &[ReplicationPlan]) -> Vec<Gate> {
    let sections = root.tables("gate", &SHAPE, GATES);
    let gates = sections.iter().filter_map(|it| read_one(it, replications));
    gates.collect()
}

fn read_one(section: &Section<'_>, replications: &[ReplicationPlan]) -> Option<Gate> {
    let above_weight = section.require("above_weight", percentage(WEIGHT, scalar::weight));
    if above_weight == Some(Weight::FULL) {
        let complaint = Complaint::new("\"100%\"", "less than \"100%\"");
        section.note_value("above_weight", complaint.remedy("no step lies above it"));
    }
    let asked = CONDITIONS.iter().filter(|it| section.has(it));
    let condition = match asked.copied().collect::<Vec<_>>()[..] {
        ["healthy"] => {
            let sides = section.get("healthy", choice(HEALTHY));
            sides.map(|it| GateCondition::Healthy(it.to_vec()))
        }
        ["replication"] => read_lag(section, replications).map(GateCondition::Lag),
        ["drill"] => read_drill(section).map(GateCondition::Drill),
        [one, other, ..] => {
            let found = format!("`{other}` beside `{one}`");
            let complaint = Complaint::new(found, "one condition for each gate");
            section.note_key(other, complaint.remedy("write two gates"));
            None
        }
        _ => {
            section.note_missing("\"healthy\", \"replication\" or \"drill\"");
            None
        }
    };
    Some(Gate {
        above_weight: above_weight?,
        condition: condition?,
    })
}

fn read_drill(gate: &Section<'_>) -> Option<DrillGate> {
    const WITHIN: (Duration, Duration) =
        (Duration::from_secs(1), Duration::from_secs(365 * 24 * 3600));
    let section = gate.table("drill", &DRILL);
    let within = section.require("within", duration(WITHIN.0..=WITHIN.1));
    Some(DrillGate { within: within? })
}

fn read_lag(gate: &Section<'_>, replications: &[ReplicationPlan]) -> Option<LagGate> {
    const LAG: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3600));
    const HELD: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(90 * 24 * 3600));
    const GAP: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3600));
    let section = gate.table("replication", &REPLICATION);
    let lag_below = section.require("lag_below", duration(LAG.0..=LAG.1));
    let held_for = section.require("for", duration(HELD.0..=HELD.1));
    let gap = section.get("gap", duration(GAP.0..=GAP.1));
    Some(LagGate {
        replication: replication::find(&section, "name", replications)?,
        direction: replication::direction(&section),
        lag_below: lag_below?,
        held_for: held_for?,
        gap: gap.unwrap_or(defaults::GATE_GAP),
    })
}

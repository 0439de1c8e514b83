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
    plan::{Gate, GateCondition, LagGate, ReplicationPlan},
    units::{Side, Weight},
};

/// The keys of `[[gate]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "gate",
    keys: &["above_weight", "healthy", "replication"],
};

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
    let condition = match (section.has("healthy"), section.has("replication")) {
        (true, false) => {
            let sides = section.get("healthy", choice(HEALTHY));
            sides.map(|it| GateCondition::Healthy(it.to_vec()))
        }
        (false, true) => read_lag(section, replications).map(GateCondition::Lag),
        (true, true) => {
            let found = "`replication` beside `healthy`";
            let complaint = Complaint::new(found, "one condition for each gate");
            section.note_key("replication", complaint.remedy("write two gates"));
            None
        }
        (false, false) => {
            section.note_missing("\"healthy\" or \"replication\"");
            None
        }
    };
    Some(Gate {
        above_weight: above_weight?,
        condition: condition?,
    })
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

//! `[[gate]]`: what must hold before the weight rises.

use crate::{
    config::{
        fault::Complaint,
        reader::{Section, Shape, choice, percentage},
        scalar::{self, WEIGHT},
    },
    plan::{Gate, GateCondition},
    units::{Side, Weight},
};

/// The keys of `[[gate]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "gate",
    keys: &["above_weight", "healthy"],
};

/// More gates than a ramp has steps.
const GATES: usize = 100;

const HEALTHY: &[(&str, &[Side])] = &[
    ("old", &[Side::Old]),
    ("new", &[Side::New]),
    ("both", &Side::ALL),
];

/// Reads every `[[gate]]`.
pub(super) fn read(root: &Section<'_>) -> Vec<Gate> {
    let sections = root.tables("gate", &SHAPE, GATES);
    sections.iter().filter_map(read_one).collect()
}

fn read_one(section: &Section<'_>) -> Option<Gate> {
    let above_weight = section.require("above_weight", percentage(WEIGHT, scalar::weight));
    let sides = section.require("healthy", choice(HEALTHY));
    if above_weight == Some(Weight::FULL) {
        let complaint = Complaint::new("\"100%\"", "less than \"100%\"");
        section.note_value("above_weight", complaint.remedy("no step lies above it"));
    }
    Some(Gate {
        above_weight: above_weight?,
        condition: GateCondition::Healthy(sides?.to_vec()),
    })
}

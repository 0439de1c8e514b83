//! `[ramp]`: the sequence of weights, and when it may go on.

use std::time::Duration;

use toml::de::DeValue;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, Value, choice, count, duration, list, parsed, percentage},
        scalar::{self, WEIGHT, WINDOW},
    },
    plan::{AdvanceOn, RampPlan, StartMode, Step, Window},
    units::Weight,
};

/// The keys of `[ramp]`.
pub(super) const SHAPE: Shape = Shape {
    path: "ramp",
    keys: &["start", "advance", "window", "step"],
};

/// The keys of `[[ramp.step]]`.
pub(super) const STEP: Shape = Shape {
    path: "ramp.step",
    keys: &["weight", "bake", "requests"],
};

/// A step for each percent.
const STEPS: usize = 100;
/// As many stretches as a week has use for.
const WINDOWS: usize = 50;

const STARTS: &[(&str, StartMode)] = &[
    ("manual", StartMode::Manual),
    ("automatic", StartMode::Automatic),
];

const ADVANCES: &[(&str, AdvanceOn)] =
    &[("evidence", AdvanceOn::Evidence), ("bake", AdvanceOn::Bake)];

/// Reads `[ramp]`. Steps that the file names are taken as they are, unless it names a `holdback` as well.
pub(super) fn read(root: &Section<'_>, holdback: Option<Weight>) -> RampPlan {
    let section = root.table("ramp", &SHAPE);
    let default = defaults::ramp();
    let start = section.get("start", choice(STARTS));
    let advance = section.get("advance", choice(ADVANCES));
    let window = section.get("window", read_window);
    let steps = match (read_steps(&section), holdback) {
        (Some(steps), None) => steps,
        (Some(steps), Some(holdback)) => held_back(steps, holdback),
        (None, None) => default.steps,
        (None, Some(holdback)) => held_back(defaults::steps(), holdback),
    };
    RampPlan {
        start: start.unwrap_or(default.start),
        advance: advance.unwrap_or(default.advance),
        steps,
        window,
    }
}

/// The steps; `None` if the file has none. Weights rise, and the last one is everything.
fn read_steps(ramp: &Section<'_>) -> Option<Vec<Step>> {
    const BAKE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(30 * 24 * 3600));
    let sections = ramp.tables("step", &STEP, STEPS);
    if !ramp.has("step") {
        return None;
    }
    if ramp.has_empty("step") {
        ramp.note_value(
            "step",
            Complaint::new("no step", "at least one [[ramp.step]]"),
        );
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut last = None;
    for section in &sections {
        let weight = section.require("weight", percentage(WEIGHT, scalar::weight));
        let bake = section.get("bake", duration(BAKE.0..=BAKE.1));
        let requests = section.get("requests", count(0..=1_000_000_000));
        if let Some(weight) = weight {
            check_rise(section, steps.last().map(|it| it.weight), weight);
            steps.push(Step {
                weight,
                bake: bake.unwrap_or(defaults::BAKE),
                requests: requests.unwrap_or(defaults::STEP_REQUESTS),
            });
        }
        last = Some((section, weight));
    }
    if let Some((section, Some(weight))) = last
        && weight != Weight::FULL
    {
        let complaint = Complaint::new(format!("\"{weight}\" in the last step"), "\"100%\" there");
        let remedy = "a ramp ends with all traffic on new; hold before it if it should stay below";
        section.note_value("weight", complaint.remedy(remedy));
    }
    Some(steps)
}

/// With a step before the last one that leaves a share on old, so that the last bake but one has something to compare
/// with. Where a step of the ramp leaves as little or less, it is that step.
pub(super) fn held_back(mut steps: Vec<Step>, holdback: Weight) -> Vec<Step> {
    let rest = Weight::FULL.basis_points() - holdback.basis_points();
    let Some((weight, last)) = Weight::from_basis_points(rest).zip(steps.pop()) else {
        return steps;
    };
    let highest = steps.last().map_or(Weight::NONE, |it| it.weight);
    if highest < weight && weight < last.weight {
        steps.push(Step { weight, ..last });
    }
    steps.push(last);
    steps
}

fn check_rise(section: &Section<'_>, before: Option<Weight>, weight: Weight) {
    if weight == Weight::NONE {
        let complaint = Complaint::new("\"0%\"", "more than \"0%\"");
        section.note_value(
            "weight",
            complaint.remedy("before its first step a ramp is at 0%"),
        );
    }
    if let Some(before) = before.filter(|it| *it >= weight) {
        let found = format!("\"{weight}\" after a step of \"{before}\"");
        section.note_value("weight", Complaint::new(found, "weights that rise"));
    }
}

/// One window or a list of them, all in one zone.
fn read_window(value: Value<'_>) -> Option<Window> {
    let windows = match value.item() {
        DeValue::Array(_) => list(WINDOWS, parsed(WINDOW, scalar::window))(value)?,
        _ => vec![(parsed(WINDOW, scalar::window)(value)?, value)],
    };
    let mut windows = windows.into_iter();
    let Some((mut window, _)) = windows.next() else {
        // An entry that is wrong was noted for itself.
        let is_empty = value.item().as_array().is_some_and(|it| it.is_empty());
        if is_empty {
            value.note(Complaint::new("an empty list", WINDOW));
        }
        return None;
    };
    for (other, value) in windows {
        if !scalar::same_zone(&window, &other) {
            let complaint = Complaint::new("another time zone", "one zone for all windows");
            value.note(complaint.remedy("write them all on one wall clock"));
        }
        window.recurrences.extend(other.recurrences);
    }
    Some(window)
}

//! `[evidence]`: what the sequential tests are held against.

use toml::de::DeValue;

use crate::{
    config::{
        fault::Complaint,
        reader::{Section, Shape, Value, choice, list, parsed, percentage},
        scalar::{self, CHANCE, SHARE, TOLERANCE, WEIGHT, quoted},
        trigger::factor,
    },
    plan::{EvidencePlan, Symptom},
    units::{Share, Weight},
};

/// The keys of `[evidence]`.
pub(super) const SHAPE: Shape = Shape {
    path: "evidence",
    keys: &[
        "false_alarms",
        "tolerate",
        "error_limit",
        "holdback",
        "by_route",
    ],
};

/// The keys of `tolerate`.
pub(super) const TOLERATE: Shape = Shape {
    path: "evidence.tolerate",
    keys: &["errors", "latency"],
};

/// What routes may be tested for by themselves.
const SYMPTOMS: &[(&str, Symptom)] = &[
    (Symptom::Error.as_str(), Symptom::Error),
    (Symptom::Redirect.as_str(), Symptom::Redirect),
    (Symptom::Unauthorized.as_str(), Symptom::Unauthorized),
    (Symptom::Forbidden.as_str(), Symptom::Forbidden),
    (Symptom::NotFound.as_str(), Symptom::NotFound),
    (Symptom::Abort.as_str(), Symptom::Abort),
    (Symptom::Slow.as_str(), Symptom::Slow),
];

/// Reads `[evidence]`: what the tests are held against, and the share that stays on old until the last bake, where the
/// file says so.
pub(super) fn read(root: &Section<'_>) -> (EvidencePlan, Option<Weight>) {
    let section = root.table("evidence", &SHAPE);
    let default = EvidencePlan::DEFAULT;
    let false_alarms = section.get("false_alarms", false_alarms);
    let tolerate = section.table("tolerate", &TOLERATE);
    let tolerated_errors = tolerate.get("errors", factor);
    let tolerated_latency = tolerate.get("latency", parsed(TOLERANCE, scalar::tolerance));
    let error_limit = section.get("error_limit", percentage(SHARE, error_limit));
    let holdback = section.get("holdback", percentage(WEIGHT, holdback));
    let by_route = section.get("by_route", list(Symptom::ALL.len(), choice(SYMPTOMS)));
    let by_route = by_route.map(|it| it.into_iter().map(|(symptom, _)| symptom).collect());
    let plan = EvidencePlan {
        false_alarms: false_alarms.unwrap_or(default.false_alarms),
        tolerated_errors: tolerated_errors.unwrap_or(default.tolerated_errors),
        tolerated_latency: tolerated_latency.unwrap_or(default.tolerated_latency),
        error_limit: error_limit.unwrap_or(default.error_limit),
        by_route: by_route.unwrap_or(default.by_route),
    };
    (plan, holdback)
}

/// A chance, written as a number: it is a share of days and not of requests.
fn false_alarms(value: Value<'_>) -> Option<Share> {
    const MOST: u32 = 100_000;
    let digits = match value.item() {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Integer(_)
        | DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => return value.fail(Complaint::new(value.kind(), CHANCE)),
    };
    let chance = value.check(scalar::chance(digits))?;
    if chance.parts_per_million() <= MOST {
        return Some(chance);
    }
    let complaint = Complaint::new(digits, "a chance from 0 to 0.1");
    value.fail(complaint.remedy("0 leaves everything to the triggers"))
}

/// A share that still leaves new most of the traffic.
fn holdback(text: &str) -> Result<Weight, Complaint> {
    const MOST: u16 = 5_000;
    let weight = scalar::weight(text)?;
    if weight.basis_points() <= MOST {
        return Ok(weight);
    }
    Err(Complaint::new(quoted(text), "at most \"50%\""))
}

/// A share that can be told from nothing, and from what is worse.
fn error_limit(text: &str) -> Result<Share, Complaint> {
    scalar::share_within(text, 100..=200_000, "a share from \"0.01%\" to \"20%\"")
}

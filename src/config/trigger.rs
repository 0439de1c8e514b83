//! `[[trigger]]`: the conditions that roll back.

use std::time::Duration;

use toml::de::DeValue;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, Value, choice, count, duration, percentage, text},
        replication,
        scalar::{self, FACTOR, SHARE, quoted},
    },
    plan::{Limit, Reading, ReplicationPlan, Trigger, TripAction},
    units::{Direction, Factor, Percentile, Share, Weight},
};

/// The keys of `[[trigger]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "trigger",
    keys: &[
        "name",
        "reading",
        "above",
        "above_old",
        "in_a_row",
        "window",
        "requests",
        "replication",
        "direction",
        "action",
    ],
};

/// Each is read ten times a second.
const TRIGGERS: usize = 64;

const READINGS: &[(&str, Reading)] = &[
    ("error_rate", Reading::ErrorRate),
    ("latency_p50", Reading::Latency(Percentile::P50)),
    ("latency_p90", Reading::Latency(Percentile::P90)),
    ("latency_p95", Reading::Latency(Percentile::P95)),
    ("latency_p99", Reading::Latency(Percentile::P99)),
    ("latency_p999", Reading::Latency(Percentile::P999)),
    ("connect_failures", Reading::ConnectFailures),
    ("unhealthy", Reading::Unhealthy),
    // Which one, its own keys say.
    (
        "replication_lag",
        Reading::ReplicationLag {
            replication: 0,
            direction: Direction::Forward,
        },
    ),
];

const ACTIONS: &[(&str, TripAction)] = &[
    ("rollback", TripAction::Rollback),
    ("hold", TripAction::Hold),
];

/// The three ways to state a limit; a trigger has exactly one of them.
const LIMITS: [&str; 3] = ["above", "above_old", "in_a_row"];

/// Reads every `[[trigger]]`; the default ones if the file has none.
pub(super) fn read(root: &Section<'_>, replications: &[ReplicationPlan]) -> Vec<Trigger> {
    if !root.has("trigger") {
        return defaults::triggers();
    }
    let sections = root.tables("trigger", &SHAPE, TRIGGERS);
    if root.has_empty("trigger") {
        let complaint = Complaint::new("no trigger", "at least one [[trigger]]");
        root.note_value(
            "trigger",
            complaint.remedy("leave it out for the default triggers"),
        );
    }
    let mut triggers: Vec<Trigger> = Vec::new();
    let mut is_whole = true;
    for section in &sections {
        let Some(trigger) = read_one(section, replications) else {
            is_whole = false;
            continue;
        };
        if triggers.iter().any(|it| it.name == trigger.name) {
            section.note_duplicate("name", &trigger.name);
        }
        triggers.push(trigger);
    }
    // At 100 % old gets nothing to compare with, and every ramp ends there.
    let is_blind = is_whole && triggers.iter().all(|it| it.is_blind_at(Weight::FULL));
    if let Some(first) = sections.first().filter(|_| is_blind) {
        let found = "only triggers relative to old, which are blind where old gets too little";
        let complaint = Complaint::new(found, "one with `above` or `in_a_row` as well");
        first.note(complaint.remedy("every ramp ends at 100%, where old gets nothing"));
    }
    triggers
}

fn read_one(section: &Section<'_>, replications: &[ReplicationPlan]) -> Option<Trigger> {
    const WINDOW: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
    let name = section.require("name", text());
    let reading = section.require("reading", choice(READINGS));
    let reading = reading.and_then(|it| resolved(section, it, replications));
    let action = section.get("action", choice(ACTIONS));
    let stated: Vec<&str> = LIMITS.into_iter().filter(|key| section.has(key)).collect();
    let limit = match (stated.as_slice(), reading) {
        ([], _) => {
            let words = reading.map_or(&LIMITS[..], limits_of);
            section.note_missing(&format!("\"{}\"", words.join("\" or \"")));
            None
        }
        ([key], Some(reading)) => read_limit(section, key, reading),
        ([_], None) => None,
        ([first, second, ..], _) => {
            let found = format!("`{second}` beside `{first}`");
            let complaint = Complaint::new(found, "one limit for each trigger");
            section.note_key(second, complaint.remedy("write two triggers"));
            None
        }
    };
    let window = section.get("window", duration(WINDOW.0..=WINDOW.1));
    let requests = section.get("requests", count(1..=1_000_000));
    let is_sampled = reading
        .zip(limit)
        .is_none_or(|(reading, limit)| takes_samples(reading, limit));
    for key in ["window", "requests"]
        .into_iter()
        .filter(|key| !is_sampled && section.has(key))
    {
        let found = format!("`{key}` on a trigger that looks at the present alone");
        section.note_key(key, Complaint::new(found, format!("no `{key}`")));
    }
    Some(Trigger {
        name: name?,
        reading: reading?,
        limit: limit?,
        window: window.unwrap_or(defaults::TRIGGER_WINDOW),
        requests: requests.unwrap_or(defaults::TRIGGER_REQUESTS),
        action: action.unwrap_or(TripAction::Rollback),
    })
}

/// Which replication a reading is of, where it is of one.
fn resolved(
    section: &Section<'_>,
    reading: Reading,
    replications: &[ReplicationPlan],
) -> Option<Reading> {
    match reading {
        Reading::ReplicationLag { .. } => Some(Reading::ReplicationLag {
            replication: replication::find(section, "replication", replications)?,
            direction: replication::direction(section),
        }),
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::ConnectFailures
        | Reading::Unhealthy => {
            for key in ["replication", "direction"] {
                if section.has(key) {
                    let found = format!("`{key}` for the reading \"{reading}\"");
                    let complaint = Complaint::new(found, "the reading \"replication_lag\"");
                    section.note_key(key, complaint);
                }
            }
            Some(reading)
        }
    }
}

/// Whether a trigger reads the requests of a window.
pub(super) fn takes_samples(reading: Reading, limit: Limit) -> bool {
    let in_a_row = matches!(limit, Limit::InARow(_));
    let is_of_requests = !matches!(reading, Reading::Unhealthy | Reading::ReplicationLag { .. });
    is_of_requests && !in_a_row
}

/// Whether two readings watch the same thing, at whatever percentile.
pub(super) const fn same_reading(one: Reading, other: Reading) -> bool {
    matches!(
        (one, other),
        (Reading::ErrorRate, Reading::ErrorRate)
            | (Reading::Latency(_), Reading::Latency(_))
            | (Reading::ConnectFailures, Reading::ConnectFailures)
            | (Reading::Unhealthy, Reading::Unhealthy)
            | (
                Reading::ReplicationLag { .. },
                Reading::ReplicationLag { .. }
            )
    )
}

/// The limits that fit a reading.
const fn limits_of(reading: Reading) -> &'static [&'static str] {
    match reading {
        Reading::ErrorRate | Reading::Latency(_) => &["above", "above_old"],
        Reading::ConnectFailures => &["above", "in_a_row"],
        Reading::Unhealthy | Reading::ReplicationLag { .. } => &["above"],
    }
}

fn read_limit(section: &Section<'_>, key: &str, reading: Reading) -> Option<Limit> {
    let fitting = limits_of(reading);
    if !fitting.contains(&key) {
        let found = format!("`{key}` for the reading \"{reading}\"");
        let expected = format!("`{}`", fitting.join("` or `"));
        section.note_key(key, Complaint::new(found, expected));
        return None;
    }
    match (key, reading) {
        ("above_old", _) => section.get(key, factor).map(Limit::TimesOld),
        ("in_a_row", _) => section.get(key, count(1..=1_000)).map(Limit::InARow),
        (_, Reading::Latency(_) | Reading::ReplicationLag { .. }) => {
            const LATENCY: (Duration, Duration) =
                (Duration::from_micros(1), Duration::from_secs(3600));
            section
                .get(key, duration(LATENCY.0..=LATENCY.1))
                .map(Limit::Latency)
        }
        (_, Reading::ErrorRate | Reading::ConnectFailures | Reading::Unhealthy) => section
            .get(key, percentage(SHARE, exceedable_share))
            .map(Limit::Share),
    }
}

/// A share that a reading can exceed.
fn exceedable_share(text: &str) -> Result<Share, Complaint> {
    match scalar::share(text)? {
        Share::WHOLE => {
            let complaint = Complaint::new(quoted(text), "less than \"100%\"");
            Err(complaint.remedy("nothing is above all"))
        }
        share => Ok(share),
    }
}

/// A factor of at least 1: below it, a new side that is as good as old would be taken back.
pub(super) fn factor(value: Value<'_>) -> Option<Factor> {
    const LEAST: Factor = Factor::from_thousandths(1_000);
    const MOST: Factor = Factor::from_thousandths(1_000_000);
    let digits = match value.item() {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::String(_) => {
            let complaint = Complaint::new("a string", FACTOR);
            return value.fail(complaint.remedy("write the number without quotes"));
        }
        _ => return value.fail(Complaint::new(value.kind(), FACTOR)),
    };
    let factor = value.check(scalar::factor(digits))?;
    if (LEAST..=MOST).contains(&factor) {
        return Some(factor);
    }
    value.fail(Complaint::new(digits, "a factor from 1 to 1000"))
}

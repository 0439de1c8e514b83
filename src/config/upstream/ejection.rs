//! `[old.ejection]` and `[new.ejection]`: when connect failures take an endpoint out of choice.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, count, duration, percentage},
        scalar::{self, SHARE, shown_duration},
    },
    plan::EjectionPlan,
};

/// The keys of the table.
pub(in crate::config) const SHAPE: Shape = Shape {
    path: "SIDE.ejection",
    keys: &["connect_failures", "time", "time_max", "share_max"],
};

/// Reads the table.
pub(super) fn read(side: &Section<'_>) -> EjectionPlan {
    const TIME: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
    let section = side.table("ejection", &SHAPE);
    let default = defaults::ejection();
    let connect_failures = section.get("connect_failures", count(1..=1_000));
    let time = section
        .get("time", duration(TIME.0..=TIME.1))
        .unwrap_or(default.time);
    let time_max = section.get("time_max", duration(TIME.0..=TIME.1));
    if let Some(time_max) = time_max.filter(|it| *it < time) {
        let (most, first) = (shown_duration(time_max), shown_duration(time));
        let found = format!("{most} below a first time of {first}");
        section.note_value("time_max", Complaint::new(found, "no less than `time`"));
    }
    let share_max = section.get("share_max", percentage(SHARE, scalar::share));
    EjectionPlan {
        connect_failures: connect_failures.unwrap_or(default.connect_failures),
        time,
        time_max: time_max.unwrap_or_else(|| default.time_max.max(time)),
        share_max: share_max.unwrap_or(default.share_max),
    }
}

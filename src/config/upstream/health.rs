//! `[old.health]` and `[new.health]`: the active health check.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, count, duration, parsed},
        scalar::{quoted, shown_duration},
    },
    plan::HealthPlan,
};

/// The keys of the table.
pub(in crate::config) const SHAPE: Shape = Shape {
    path: "SIDE.health",
    keys: &[
        "path",
        "interval",
        "timeout",
        "unhealthy_after",
        "healthy_after",
    ],
};

/// Reads the table; without it every endpoint counts as healthy.
pub(super) fn read(side: &Section<'_>) -> Option<HealthPlan> {
    const INTERVAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
    const TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));
    let section = side.table("health", &SHAPE);
    if !section.is_present() {
        return None;
    }
    let path = section.require(
        "path",
        parsed("a path such as \"/healthz\"", path_and_query),
    );
    let interval = section.get("interval", duration(INTERVAL.0..=INTERVAL.1));
    let interval = interval.unwrap_or(defaults::HEALTH_INTERVAL);
    let timeout = section.get("timeout", duration(TIMEOUT.0..=TIMEOUT.1));
    // A short interval shortens the default, so that only what the file says can contradict itself.
    let fallback = defaults::HEALTH_TIMEOUT.min(interval);
    if let Some(timeout) = timeout.filter(|it| *it > interval) {
        let found = format!(
            "{} between checks every {}",
            shown_duration(timeout),
            shown_duration(interval)
        );
        let complaint = Complaint::new(found, "a timeout no longer than the interval");
        section.note_value("timeout", complaint);
    }
    let unhealthy_after = section.get("unhealthy_after", count(1..=100));
    let healthy_after = section.get("healthy_after", count(1..=100));
    Some(HealthPlan {
        path: path?,
        interval,
        timeout: timeout.unwrap_or(fallback),
        unhealthy_after: unhealthy_after.unwrap_or(defaults::UNHEALTHY_AFTER),
        healthy_after: healthy_after.unwrap_or(defaults::HEALTHY_AFTER),
    })
}

fn path_and_query(text: &str) -> Result<String, Complaint> {
    let is_plain = text.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
    let parses = text.parse::<http::uri::PathAndQuery>().is_ok();
    if text.starts_with('/') && is_plain && parses {
        return Ok(text.to_owned());
    }
    let expected = "a path such as \"/healthz\", with or without a query";
    Err(Complaint::new(quoted(text), expected))
}

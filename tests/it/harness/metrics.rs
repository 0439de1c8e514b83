//! What `/metrics` says.

use std::{net::SocketAddr, time::Duration};

use super::{admin, now, pause};

/// The sum of a family's samples that carry all of `labels`.
pub fn sum(admin: SocketAddr, family: &str, labels: &[(&str, &str)]) -> f64 {
    let text = admin::get(admin, "/metrics");
    let has_labels = |line: &str| {
        let label = |(name, value): &(&str, &str)| line.contains(&format!("{name}=\"{value}\""));
        labels.iter().all(label)
    };
    text.lines()
        .filter_map(|line| line.strip_prefix(family))
        .filter(|rest| rest.starts_with(['{', ' ']) && has_labels(rest))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Requests of `side` that ended as `class`.
pub fn requests(admin: SocketAddr, side: &str, class: &str) -> f64 {
    let labels = [("side", side), ("class", class)];
    sum(admin, "changeover_requests_total", &labels)
}

/// Waits until so many requests of `side` have ended as `class`.
pub fn await_requests(admin: SocketAddr, side: &str, class: &str, count: f64) {
    let deadline = now() + Duration::from_secs(5);
    while requests(admin, side, class) < count && now() < deadline {
        pause(Duration::from_millis(5));
    }
    let found = requests(admin, side, class);
    assert!(
        (found - count).abs() < 0.5,
        "{found} requests of {side} ended as {class}, not {count}"
    );
}

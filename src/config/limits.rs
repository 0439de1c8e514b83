//! `[limits]`: how much of anything there may be.

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, choice, count, size},
        scalar::shown_size,
    },
    plan::{Limits, Underscores},
};

/// The keys of `[limits]`.
pub(super) const SHAPE: Shape = Shape {
    path: "limits",
    keys: &[
        "head_bytes",
        "target_bytes",
        "header_bytes",
        "headers",
        "underscores",
        "connections",
        "connections_per_client",
        "requests_per_side",
        "control_frames",
        "streams",
        "idle_per_endpoint",
        "connections_per_endpoint",
        "buffer_bytes",
        "buffered_bytes",
        "body_rate",
        "events_page",
    ],
};

const UNDERSCORES: &[(&str, Underscores)] = &[
    ("refuse", Underscores::Refuse),
    ("accept", Underscores::Accept),
];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Reads `[limits]`.
pub(super) fn read(root: &Section<'_>) -> Limits {
    let section = root.table("limits", &SHAPE);
    let default = defaults::limits();
    let bytes = |key, least, most, default| section.get(key, size(least..=most)).unwrap_or(default);
    let number = |key, least, most, default: usize| {
        section
            .get(key, count::<usize>(least..=most))
            .unwrap_or(default)
    };
    let rate = section.get("body_rate", size(0..=MIB));
    let rate = rate.map(|it| u64::try_from(it).unwrap_or(u64::MAX));
    let limits = Limits {
        head_bytes: bytes("head_bytes", 8 * KIB, MIB, default.head_bytes),
        target_bytes: bytes("target_bytes", 256, 512 * KIB, default.target_bytes),
        header_bytes: bytes("header_bytes", 256, MIB, default.header_bytes),
        headers: number("headers", 10, 10_000, default.headers),
        underscores: section
            .get("underscores", choice(UNDERSCORES))
            .unwrap_or(default.underscores),
        connections: number("connections", 1, 1_000_000, default.connections),
        connections_per_client: section
            .get("connections_per_client", count(1..=1_000_000))
            .or(default.connections_per_client),
        requests_per_side: number(
            "requests_per_side",
            1,
            10_000_000,
            default.requests_per_side,
        ),
        control_frames: section
            .get("control_frames", count(100..=1_000_000))
            .unwrap_or(default.control_frames),
        streams: section
            .get("streams", count(1..=10_000))
            .unwrap_or(default.streams),
        idle_per_endpoint: number("idle_per_endpoint", 0, 10_000, default.idle_per_endpoint),
        connections_per_endpoint: number(
            "connections_per_endpoint",
            1,
            100_000,
            default.connections_per_endpoint,
        ),
        buffer_bytes: bytes("buffer_bytes", 4 * KIB, 16 * MIB, default.buffer_bytes),
        buffered_bytes: bytes("buffered_bytes", MIB, MIB << 20, default.buffered_bytes),
        body_rate: rate.unwrap_or(default.body_rate),
        events_page: number("events_page", 1, 10_000, default.events_page),
    };
    check(&section, limits)
}

/// What one limit says must be possible within the others; a default gives way to what the file says.
fn check(section: &Section<'_>, mut limits: Limits) -> Limits {
    if limits.target_bytes > limits.head_bytes {
        let bytes = |it: usize| shown_size(u64::try_from(it).unwrap_or(u64::MAX));
        let (target, head) = (bytes(limits.target_bytes), bytes(limits.head_bytes));
        let found = format!("{target} within heads of {head}");
        section.note_value(
            "target_bytes",
            Complaint::new(found, "no more than `head_bytes`"),
        );
    }
    if limits.header_bytes > limits.head_bytes {
        if section.has("header_bytes") {
            let bytes = |it: usize| shown_size(u64::try_from(it).unwrap_or(u64::MAX));
            let (field, head) = (bytes(limits.header_bytes), bytes(limits.head_bytes));
            let found = format!("{field} within heads of {head}");
            let complaint = Complaint::new(found, "no more than `head_bytes`");
            section.note_value("header_bytes", complaint);
        }
        limits.header_bytes = limits.head_bytes;
    }
    if limits.idle_per_endpoint > limits.connections_per_endpoint {
        if section.has("idle_per_endpoint") {
            let (idle, all) = (limits.idle_per_endpoint, limits.connections_per_endpoint);
            let found = format!("{idle} idle connections of {all}");
            let complaint = Complaint::new(found, "no more than `connections_per_endpoint`");
            section.note_value("idle_per_endpoint", complaint);
        }
        limits.idle_per_endpoint = limits.connections_per_endpoint;
    }
    limits
}

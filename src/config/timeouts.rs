//! `[timeouts]`: how long anything may take.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        reader::{Section, Shape, duration},
    },
    plan::Timeouts,
};

/// The keys of `[timeouts]`.
pub(super) const SHAPE: Shape = Shape {
    path: "timeouts",
    keys: &[
        "tls_handshake",
        "request_head",
        "body_idle",
        "client_idle",
        "connect",
        "response_head",
        "half_closed",
        "upstream_idle",
        "tunnel_idle",
        "drain",
        "upgrade",
    ],
};

const LEAST: Duration = Duration::from_millis(10);
/// Whoever asks for an upgrade waits for its answer.
const HALF_MINUTE: Duration = Duration::from_secs(30);
const MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `[timeouts]`.
pub(super) fn read(root: &Section<'_>) -> Timeouts {
    let section = root.table("timeouts", &SHAPE);
    let default = defaults::timeouts();
    let read = |key, most, default| section.get(key, duration(LEAST..=most)).unwrap_or(default);
    Timeouts {
        tls_handshake: read("tls_handshake", MINUTES, default.tls_handshake),
        request_head: read("request_head", MINUTES, default.request_head),
        body_idle: read("body_idle", DAY, default.body_idle),
        client_idle: read("client_idle", DAY, default.client_idle),
        connect: read("connect", MINUTES, default.connect),
        response_head: read("response_head", DAY, default.response_head),
        half_closed: read("half_closed", HOUR, default.half_closed),
        upstream_idle: read("upstream_idle", HOUR, default.upstream_idle),
        tunnel_idle: read("tunnel_idle", DAY * 7, default.tunnel_idle),
        drain: read("drain", DAY, default.drain),
        upgrade: read("upgrade", HALF_MINUTE, default.upgrade),
    }
}

//! Marks that let a request be followed: `x-request-id`, `traceparent`, `Via`.

use http::{HeaderMap, HeaderValue, Version};

use crate::{proxy::head::Trust, units::Timestamp};

/// What new ids are made of.
#[derive(Clone, Copy, Debug)]
pub struct TraceSource {
    /// The time now.
    pub now: Timestamp,
    /// 128 random bits for the request id and a trace id.
    pub random: u128,
    /// 64 random bits for a span id.
    pub span: u64,
}

/// Writes all three for the endpoint and returns the request id. `version` is the one that the client spoke.
pub fn stamp_request(
    _headers: &mut HeaderMap,
    _trust: Trust,
    _version: Version,
    _source: TraceSource,
) -> HeaderValue {
    todo!()
}

/// Appends ourselves to `Via`; `version` is the one that the message was received in.
pub fn via(_headers: &mut HeaderMap, _version: Version) {
    todo!()
}

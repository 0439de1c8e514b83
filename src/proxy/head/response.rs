//! A response's head on its way to the client.

use http::{HeaderValue, Version, response};

use crate::{
    plan::{ForwardingPlan, HostHeader},
    proxy::head::{Client, UpgradeProtocol},
    units::Side,
};

/// What a response's head is rewritten with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseContext<'a> {
    /// Who asked.
    pub client: &'a Client,
    /// The host and port that the client asked for.
    pub authority: &'a str,
    /// The host that the side was told.
    pub host: &'a HostHeader,
    /// Whether `Alt-Svc` stays.
    pub forwarding: &'a ForwardingPlan,
    /// Our cookie, on a first visit.
    pub set_cookie: Option<&'a HeaderValue>,
    /// The side, where the plan reveals it.
    pub reveals: Option<Side>,
    /// The version that the endpoint spoke.
    pub version: Version,
}

/// Rewrites the head in place; returns the protocol of a 101, whose `Connection` and `Upgrade` are written again only
/// by [`super::set_upgrade`].
pub fn finish_response(
    _head: &mut response::Parts,
    _context: &ResponseContext<'_>,
) -> Option<UpgradeProtocol> {
    todo!()
}

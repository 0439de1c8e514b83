//! Removing what belongs to one connection only (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderValue};

/// The protocol that an upgrade asks for or grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeProtocol(pub HeaderValue);

/// What a request's hop-by-hop fields said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHop {
    /// The upgrade that the client asks for; never `h2c`, which is not offered.
    pub upgrade: Option<UpgradeProtocol>,
    /// Whether it takes trailers (`TE: trailers`).
    pub takes_trailers: bool,
}

/// Strips a request and returns what the fields said.
pub fn strip_request(_headers: &mut HeaderMap) -> RequestHop {
    todo!()
}

/// Strips a response and returns the protocol of a 101.
pub fn strip_response(_headers: &mut HeaderMap) -> Option<UpgradeProtocol> {
    todo!()
}

/// Writes `Connection: upgrade` and `Upgrade`, for a request that asks for a tunnel and for its 101.
pub fn set_upgrade(_headers: &mut HeaderMap, _protocol: &UpgradeProtocol) {
    todo!()
}

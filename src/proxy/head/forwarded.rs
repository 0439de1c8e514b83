//! Who the client is behind trusted peers, and what endpoints are told about it.

use std::net::IpAddr;

use http::HeaderMap;

use crate::plan::ForwardingPlan;

/// How the client's connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientScheme {
    /// Not at all.
    Http,
    /// TLS.
    Https,
}

impl ClientScheme {
    /// `"http"` or `"https"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URI of this scheme means without naming one.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// How it connected.
    pub scheme: ClientScheme,
}

/// Whether the peer's word about others is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Yes: it is in a trusted network.
    Trusted,
    /// No: what it says about others is removed.
    Untrusted,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection.
    pub peer: Peer,
    /// Whether it is believed.
    pub trust: Trust,
    /// The client's address: the peer's, or the rightmost untrusted one that trusted peers report.
    pub address: IpAddr,
    /// The scheme that the client used.
    pub scheme: ClientScheme,
}

/// Finds the client behind the peer.
#[must_use]
pub fn identify(_headers: &HeaderMap, _peer: Peer, _plan: &ForwardingPlan) -> Client {
    todo!()
}

/// Writes `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` for the endpoint. `authority` is what the client asked for.
pub fn forward(_headers: &mut HeaderMap, _client: &Client, _authority: &str) {
    todo!()
}

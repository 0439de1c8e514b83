//! Who the client is behind trusted peers, and what endpoints are told about it.

mod hops;

use std::net::IpAddr;

use crate::{
    plan::ForwardingPlan,
    proxy::head::{
        Fields,
        names::{FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO},
    },
};

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

/// Finds the client behind the peer: going from the peer towards the client, the first address that is not trusted.
#[must_use]
pub fn identify(headers: &Fields, peer: Peer, plan: &ForwardingPlan) -> Client {
    let is_trusted = |address: &IpAddr| plan.trusted.iter().any(|it| it.contains(address));
    let peer = Peer {
        address: peer.address.to_canonical(),
        ..peer
    };
    let mut client = Client {
        peer,
        trust: Trust::Untrusted,
        address: peer.address,
        scheme: peer.scheme,
    };
    if !is_trusted(&peer.address) {
        return client;
    }
    client.trust = Trust::Trusted;
    // Who is behind an address that we cannot read, nobody trusted has told us.
    for node in hops::reported(headers).iter().rev() {
        let Some(address) = node else { break };
        client.address = *address;
        if !is_trusted(address) {
            break;
        }
    }
    if let Some(scheme) = hops::reported_scheme(headers) {
        client.scheme = scheme;
    }
    client
}

/// Writes `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` for the endpoint. `authority` is what the client asked
/// for; empty where it named nothing.
///
/// What an untrusted peer said is removed first, the whole `X-Forwarded-*` family. To what a trusted one said the peer
/// itself is appended; where it speaks only one of the two dialects, the other one is told the same.
pub fn forward(headers: &mut Fields, client: &Client, authority: &str) {
    if client.trust == Trust::Untrusted {
        headers.remove(FORWARDED);
        headers.retain(|it| !it.starts_with("x-forwarded-"));
    }
    let peer = Some(client.peer.address);
    let last_for = |out: &mut Vec<u8>| hops::write_address(out, peer);
    let last_forwarded = |out: &mut Vec<u8>| {
        hops::write_for(out, peer);
        hops::write_pair(out, ";host=", authority);
        hops::write_pair(out, ";proto=", client.peer.scheme.as_str());
    };
    if headers.contains(X_FORWARDED_FOR) || headers.contains(FORWARDED) {
        let nodes = hops::reported(headers);
        let mut for_line = hops::list(headers, X_FORWARDED_FOR, &nodes, hops::write_address);
        let mut forwarded = hops::list(headers, FORWARDED, &nodes, hops::write_for);
        last_for(&mut for_line);
        last_forwarded(&mut forwarded);
        headers.insert(X_FORWARDED_FOR, &for_line);
        headers.insert(FORWARDED, &forwarded);
    } else {
        headers.append_with(X_FORWARDED_FOR, last_for);
        headers.append_with(FORWARDED, last_forwarded);
    }
    headers.insert(X_FORWARDED_PROTO, client.scheme.as_str().as_bytes());
    if !headers.contains(X_FORWARDED_HOST) && !authority.is_empty() {
        headers.append(X_FORWARDED_HOST, authority.as_bytes());
    }
}

#[cfg(test)]
mod tests;

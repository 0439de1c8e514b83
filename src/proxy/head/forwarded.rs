//! Who the client is behind trusted peers, and what endpoints are told about it.

mod hops;

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, header::FORWARDED};

use crate::{plan::ForwardingPlan, proxy::head::Fields};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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

/// What was told of a connection's peer last. Nearly always the next request is told the same, which then need not be written
/// again.
#[derive(Clone, Debug, Default)]
pub struct Told(Option<Lines>);

#[derive(Clone, Debug)]
struct Lines {
    peer: Peer,
    authority: HeaderValue,
    for_line: HeaderValue,
    forwarded: HeaderValue,
}

/// Writes `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` for the endpoint. `authority` is what the client asked
/// for; empty where it named nothing.
///
/// What an untrusted peer said is removed first, the whole `X-Forwarded-*` family. To what a trusted one said the peer
/// itself is appended; where it speaks only one of the two dialects, the other one is told the same.
pub fn forward(headers: &mut Fields, client: &Client, authority: &HeaderValue, told: &mut Told) {
    if client.trust == Trust::Untrusted {
        remove_all(headers);
    }
    let has_reports = headers.contains_key(&X_FORWARDED_FOR) || headers.contains_key(&FORWARDED);
    let (for_line, forwarded) = if has_reports {
        write_lines(headers, client, authority)
    } else {
        told.lines(client.peer, authority, || {
            write_lines(headers, client, authority)
        })
    };
    headers.insert(X_FORWARDED_FOR, for_line);
    headers.insert(FORWARDED, forwarded);
    headers.insert(
        X_FORWARDED_PROTO,
        HeaderValue::from_static(client.scheme.as_str()),
    );
    if !headers.contains_key(&X_FORWARDED_HOST) && !authority.is_empty() {
        headers.insert(X_FORWARDED_HOST, authority.clone());
    }
}

impl Told {
    /// The two lists for this peer and authority: those of the last time, if both are the same, or what `write` gives.
    fn lines(
        &mut self,
        peer: Peer,
        authority: &HeaderValue,
        write: impl FnOnce() -> (HeaderValue, HeaderValue),
    ) -> (HeaderValue, HeaderValue) {
        let same = self
            .0
            .as_ref()
            .filter(|it| it.peer == peer && it.authority == authority);
        if let Some(lines) = same {
            return (lines.for_line.clone(), lines.forwarded.clone());
        }
        let (for_line, forwarded) = write();
        self.0 = Some(Lines {
            peer,
            authority: authority.clone(),
            for_line: for_line.clone(),
            forwarded: forwarded.clone(),
        });
        (for_line, forwarded)
    }
}

fn write_lines(
    headers: &Fields,
    client: &Client,
    authority: &HeaderValue,
) -> (HeaderValue, HeaderValue) {
    let peer = Some(client.peer.address);
    let for_line = hops::extend(headers, &X_FORWARDED_FOR, hops::write_address, |out| {
        hops::write_address(out, peer);
    });
    let forwarded = hops::extend(headers, &FORWARDED, hops::write_for, |out| {
        hops::write_for(out, peer);
        hops::write_pair(out, ";host=", authority.to_str().unwrap_or_default());
        hops::write_pair(out, ";proto=", client.peer.scheme.as_str());
    });
    (for_line, forwarded)
}

fn remove_all(headers: &mut Fields) {
    headers.remove(FORWARDED);
    headers.retain(|it| !it.as_str().starts_with("x-forwarded-"));
}

#[cfg(test)]
mod tests;

//! The same request in the endpoint's protocol.

use http::Version;

use crate::{
    plan::HostHeader,
    proxy::head::{
        Authority, ClientScheme, Fields, RequestHead, RequestHop,
        names::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE},
        set_upgrade,
    },
};

/// The protocol of a connection to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    Empty,
    /// It is as long as `Content-Length` says, or goes on until it ends.
    Streamed,
}

/// Where a request is sent.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The connection's protocol.
    pub protocol: Protocol,
    /// Whether the connection is TLS.
    pub scheme: ClientScheme,
    /// The host that it names: [`host_sent`].
    pub authority: &'a str,
}

/// The host that a request names to a side: the plan's, else what the client asked for.
#[must_use]
pub fn host_sent<'a>(plan: &'a HostHeader, client: &'a str) -> &'a str {
    match plan {
        HostHeader::Keep => client,
        HostHeader::Set(host) => host,
    }
}

/// Rewrites a stripped request's head for the destination. It may be called again for another one, as for a retry.
///
/// HTTP/1.1 gets an origin-form target, `Host`, one `Cookie` line, and chunks for a body of unknown length: without
/// that hyper would drop the body of a GET. HTTP/2 gets scheme and authority in its target, and no `Host` beside them.
/// A client that named no host (HTTP/1.0) leaves the authority empty: an empty `Host`, or no `:authority`.
pub fn translate(
    head: &mut RequestHead,
    hop: &RequestHop,
    destination: Destination<'_>,
    body: BodyFraming,
) {
    let headers = &mut head.headers;
    for name in [HOST, CONNECTION, UPGRADE, TE, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    head.scheme = None;
    head.authority = None;
    match destination.protocol {
        Protocol::H1 => {
            head.version = Version::HTTP_11;
            headers.append(HOST, destination.authority.as_bytes());
            join_cookies(headers);
            if body == BodyFraming::Streamed && !headers.contains(CONTENT_LENGTH) {
                headers.append(TRANSFER_ENCODING, b"chunked");
            }
            // RFC 9110 section 10.1.4: `TE` is named in `Connection`.
            let connection: Option<&[u8]> = match (&hop.upgrade, hop.takes_trailers) {
                (Some(_), true) => Some(b"te, upgrade"),
                (Some(_), false) => Some(b"upgrade"),
                (None, true) => Some(b"te"),
                (None, false) => None,
            };
            if let Some(protocol) = &hop.upgrade {
                set_upgrade(headers, protocol);
            }
            if let Some(connection) = connection {
                headers.insert(CONNECTION, connection);
            }
        }
        Protocol::H2 if Authority::parse(destination.authority.as_bytes()).is_some() => {
            head.version = Version::HTTP_2;
            head.authority = Some(destination.authority.to_owned());
            head.scheme = Some(destination.scheme);
        }
        // The h2 crate sends a request without an authority only as one that came in HTTP/1.
        Protocol::H2 => head.version = Version::HTTP_11,
    }
    if hop.takes_trailers {
        headers.append(TE, b"trailers");
    }
}

/// Joins cookie crumbs (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut Fields) {
    if headers.get_all(COOKIE).nth(1).is_none() {
        return;
    }
    // An empty crumb would leave white space at an end, which HTTP/1 takes away and HTTP/2 forbids.
    let crumbs = headers.get_all(COOKIE).filter(|it| !it.is_empty());
    let crumbs: Vec<&[u8]> = crumbs.collect();
    let joined = crumbs.join(&b"; "[..]);
    headers.insert(COOKIE, &joined);
}

#[cfg(test)]
mod tests;

//! The same request in the endpoint's protocol.

use bytes::Bytes;
use http::{
    HeaderValue, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE},
    uri::{self, Authority, PathAndQuery, Scheme},
};

use crate::{
    plan::HostHeader,
    proxy::head::{ClientScheme, Fields, RequestHead, RequestHop, set_upgrade},
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
    pub authority: &'a HeaderValue,
}

/// The host that a request names to a side: the plan's, else what the client asked for.
#[must_use]
pub fn host_sent(plan: &HostHeader, client: &HeaderValue) -> HeaderValue {
    match plan {
        HostHeader::Keep => client.clone(),
        HostHeader::Set(host) => {
            HeaderValue::from_str(host).expect("the plan's host is a host and port")
        }
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
    for name in [&HOST, &CONNECTION, &UPGRADE, &TE, &TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let path = head.uri.path_and_query().cloned();
    let mut target = uri::Parts::default();
    target.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
    match destination.protocol {
        Protocol::H1 => {
            head.version = Version::HTTP_11;
            headers.append(HOST, destination.authority.clone());
            join_cookies(headers);
            if body == BodyFraming::Streamed && !headers.contains_key(CONTENT_LENGTH) {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            // RFC 9110 section 10.1.4: `TE` is named in `Connection`.
            let connection = match (&hop.upgrade, hop.takes_trailers) {
                (Some(_), true) => Some("te, upgrade"),
                (Some(_), false) => Some("upgrade"),
                (None, true) => Some("te"),
                (None, false) => None,
            };
            if let Some(protocol) = &hop.upgrade {
                set_upgrade(headers, protocol);
            }
            if let Some(connection) = connection {
                headers.insert(CONNECTION, HeaderValue::from_static(connection));
            }
        }
        Protocol::H2 => match Authority::try_from(destination.authority.as_bytes()) {
            Ok(authority) => {
                head.version = Version::HTTP_2;
                target.authority = Some(authority);
                target.scheme = Some(match destination.scheme {
                    ClientScheme::Http => Scheme::HTTP,
                    ClientScheme::Https => Scheme::HTTPS,
                });
            }
            // The h2 crate sends a request without an authority only as one that came in HTTP/1.
            Err(_) => head.version = Version::HTTP_11,
        },
    }
    if hop.takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    head.uri = Uri::from_parts(target).expect("a path alone, or all three parts, make a URI");
}

/// Joins cookie crumbs (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut Fields) {
    if headers.get_all(COOKIE).nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_maybe_shared(Bytes::from(crumbs.join(&b"; "[..])));
    headers.insert(
        COOKIE,
        joined.expect("parts of valid values make a valid one"),
    );
}

#[cfg(test)]
mod tests;

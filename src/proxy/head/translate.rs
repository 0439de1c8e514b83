//! The same request in the endpoint's protocol.

use http::request;

use crate::{
    plan::HostHeader,
    proxy::head::{ClientScheme, RequestHop},
};

/// The protocol of a connection to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    Empty,
    /// So long as `Content-Length` says, or until it ends.
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
pub fn translate(
    _head: &mut request::Parts,
    _hop: &RequestHop,
    _destination: Destination<'_>,
    _body: BodyFraming,
) {
    todo!()
}

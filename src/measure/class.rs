//! Classes of outcomes, and who is to blame for each.

use serde::{Deserialize, Serialize};

/// How a request ended, at its final outcome; the label `class` in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 101: the connection became a tunnel.
    Upgrade,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 4xx: the client's, though a difference between the sides tells something.
    ClientError,
    /// 5xx.
    ServerError,
    /// A gRPC status of 2, 4, 13 or 14 under a successful HTTP status.
    Grpc,
    /// No connection: refused, unreachable, timed out while connecting, TLS failed, or no usable endpoint.
    Connect,
    /// Connected, but the head or the body took longer than its limit.
    Timeout,
    /// The endpoint broke the connection or the protocol.
    Reset,
    /// The client went away or broke its body.
    ClientAbort,
    /// The proxy refused or failed for a reason of its own, such as a limit.
    Proxy,
}

/// Whose fault an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody's: the request was answered.
    None,
    /// The client's.
    Client,
    /// The side's that it was sent to, or drawn for.
    Upstream,
    /// Our own.
    Proxy,
}

impl Class {
    /// Every class, in the order of its index.
    pub const ALL: [Self; 11] = [
        Self::Upgrade,
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
        Self::Grpc,
        Self::Connect,
        Self::Timeout,
        Self::Reset,
        Self::ClientAbort,
        Self::Proxy,
    ];

    /// The class of a final response status.
    #[must_use]
    pub const fn of_status(status: http::StatusCode) -> Self {
        match status.as_u16() {
            ..=199 => Self::Upgrade,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// Its place in [`Class::ALL`] and in every array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Upgrade | Self::Success | Self::Redirect => Fault::None,
            Self::ClientError | Self::ClientAbort => Fault::Client,
            Self::ServerError | Self::Grpc | Self::Connect | Self::Timeout | Self::Reset => {
                Fault::Upstream
            }
            Self::Proxy => Fault::Proxy,
        }
    }

    /// Whether it counts as an error of its side.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self.fault(), Fault::Upstream)
    }

    /// Whether it counts as a request of its side: what the client broke off and what the proxy refused says nothing
    /// about the side.
    #[must_use]
    pub const fn is_request(self) -> bool {
        !matches!(self, Self::ClientAbort | Self::Proxy)
    }

    /// The value of the label `class`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Grpc => "grpc",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::ClientAbort => "client_abort",
            Self::Proxy => "proxy",
        }
    }
}

/// Why a request was refused before it was assigned to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Not well-formed, or two parsers could read it differently: 400.
    Malformed,
    /// The head took longer than its limit: 408.
    HeadTimeout,
    /// A header or all of them over the limit: 431.
    HeadTooLarge,
    /// The request target over the limit: 414.
    TargetTooLong,
    /// A method or feature that is not served, such as CONNECT: 501.
    Unsupported,
    /// A limit on connections or requests: 503.
    Overload,
    /// The TLS handshake failed or took too long.
    TlsHandshake,
    /// Too many connections from one address: 503, or closed.
    ClientConnections,
    /// Too many frames without content on an HTTP/2 connection.
    Flood,
    /// No PROXY protocol header from a peer that must send one.
    ProxyHeader,
    /// The limit on bytes that are buffered in all: 503.
    BufferedBytes,
}

impl Rejection {
    /// Every reason, in the order of its index.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::HeadTimeout,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::Unsupported,
        Self::Overload,
        Self::TlsHandshake,
        Self::ClientConnections,
        Self::Flood,
        Self::ProxyHeader,
        Self::BufferedBytes,
    ];

    /// Its place in [`Rejection::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The value of the label `reason` and of `x-changeover-error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::Unsupported => "unsupported",
            Self::Overload => "overload",
            Self::TlsHandshake => "tls_handshake",
            Self::ClientConnections => "client_connections",
            Self::Flood => "flood",
            Self::ProxyHeader => "proxy_header",
            Self::BufferedBytes => "buffered_bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::StatusCode;

    use super::*;

    #[test]
    fn every_class_and_every_reason_has_a_place_and_a_name_of_its_own() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
        }
        for (place, reason) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        let names: BTreeSet<_> = Class::ALL.map(Class::as_str).into();
        assert_eq!(names.len(), Class::ALL.len());
        let names: BTreeSet<_> = Rejection::ALL.map(Rejection::as_str).into();
        assert_eq!(names.len(), Rejection::ALL.len());
    }

    #[test]
    fn a_status_is_blamed_on_whom_it_belongs_to() {
        let check = |status, class, fault| {
            let found = Class::of_status(StatusCode::from_u16(status).expect("it is a status"));
            assert_eq!((found, found.fault()), (class, fault), "{status}");
        };
        check(101, Class::Upgrade, Fault::None);
        check(200, Class::Success, Fault::None);
        check(304, Class::Redirect, Fault::None);
        check(404, Class::ClientError, Fault::Client);
        check(503, Class::ServerError, Fault::Upstream);
        check(599, Class::ServerError, Fault::Upstream);
    }

    #[test]
    fn what_is_an_error_of_a_side_is_a_request_of_it() {
        for class in Class::ALL {
            assert!(class.is_request() || !class.is_error(), "{class:?}");
        }
    }
}

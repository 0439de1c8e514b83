//! Answers of our own: small, typed, and named in `x-changeover-error`. They never repeat what the client sent.

use http::StatusCode;

use crate::{
    measure::{Class, Rejection},
    proxy::{
        body::{Reply, ReplyBody},
        head::{
            ResponseHead, X_CHANGEOVER_ERROR,
            names::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
        },
        upstream::{BreakKind, ConnectError},
    },
    units::Side,
};

/// Why an assigned request gets no answer of an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection to the side.
    Connect,
    /// No endpoint of the side is in choice.
    NoEndpoint,
    /// All connections to the endpoint of this side are in use.
    Overload(Side),
    /// The system gives the proxy nothing to connect with.
    Exhausted,
    /// An upgrade for this side, which speaks HTTP/2 only.
    NoHttp1(Side),
    /// The endpoint broke the connection.
    Reset,
    /// The endpoint broke the protocol.
    Protocol,
    /// The endpoint took too long.
    Timeout,
    /// The client took too long with its body.
    BodyTimeout,
    /// The client broke its body.
    Body,
}

impl Failure {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Connect | Self::NoHttp1(_) | Self::Reset | Self::Protocol => {
                StatusCode::BAD_GATEWAY
            }
            Self::NoEndpoint | Self::Overload(_) | Self::Exhausted => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Body => StatusCode::BAD_REQUEST,
        }
    }

    /// What it is counted as. A new that has no connection left, or cannot carry an upgrade, does not do what old does,
    /// and that is its failure; for old, both are limits of ours.
    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Connect
            | Self::NoEndpoint
            | Self::Overload(Side::New)
            | Self::NoHttp1(Side::New) => Class::Connect,
            Self::Overload(Side::Old) | Self::NoHttp1(Side::Old) | Self::Exhausted => Class::Proxy,
            Self::Reset | Self::Protocol => Class::Reset,
            Self::Timeout => Class::Timeout,
            Self::BodyTimeout | Self::Body => Class::ClientAbort,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::NoEndpoint => "no_endpoint",
            Self::Overload(_) | Self::Exhausted => "overload",
            Self::NoHttp1(_) => "no_http1",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::BodyTimeout => "body_timeout",
            Self::Body => "body",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Connect => "The environment cannot be reached.\n",
            Self::NoEndpoint => "No endpoint of the environment is healthy.\n",
            Self::Overload(_) => "All connections to the environment are in use.\n",
            Self::Exhausted => "The proxy can open no more connections.\n",
            Self::NoHttp1(_) => {
                "The environment does not speak HTTP/1.1, which an upgrade needs.\n"
            }
            Self::Reset => "The environment broke the connection.\n",
            Self::Protocol => "The environment broke the protocol.\n",
            Self::Timeout => "The environment took too long.\n",
            Self::BodyTimeout => "The request's body took too long.\n",
            Self::Body => "The request's body is broken.\n",
        }
    }

    /// The answer that the client gets.
    pub(crate) fn answer(self) -> Reply {
        answer(self.status(), self.reason(), self.text())
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::NoEndpoint(_) => Self::NoEndpoint,
            ConnectError::NoHttp1(side) => Self::NoHttp1(*side),
            ConnectError::PoolFull(endpoint) => Self::Overload(endpoint.side),
            ConnectError::Exhausted { .. } => Self::Exhausted,
            ConnectError::Failed { .. } => Self::Connect,
        }
    }
}

impl From<BreakKind> for Failure {
    fn from(kind: BreakKind) -> Self {
        match kind {
            BreakKind::Reset | BreakKind::Truncated => Self::Reset,
            BreakKind::Protocol => Self::Protocol,
            BreakKind::Upload => Self::Body,
        }
    }
}

/// The answer to a request that is refused before it is assigned. The connection closes after it, since what follows on
/// it may not be what it seems.
pub(crate) fn reject(reason: Rejection) -> Reply {
    let (status, text) = refusal(reason);
    let mut reply = answer(status, reason.as_str(), text);
    reply.head.headers.append(CONNECTION, b"close");
    reply
}

/// The whole answer to a head that did not end in time, for a connection on which no request is in work.
pub(crate) const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\n\
    content-type: text/plain\r\n\
    content-length: 32\r\n\
    x-changeover-error: head_timeout\r\n\
    \r\n\
    The request's head took too long";

/// The whole answer to a client that has too many connections.
pub(crate) const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    connection: close\r\n\
    content-type: text/plain\r\n\
    content-length: 37\r\n\
    retry-after: 1\r\n\
    x-changeover-error: client_connections\r\n\
    \r\n\
    There are too many of you. Try later.";

fn refusal(reason: Rejection) -> (StatusCode, &'static str) {
    match reason {
        Rejection::Malformed => (StatusCode::BAD_REQUEST, "The request is malformed.\n"),
        Rejection::HeadTimeout => (
            StatusCode::REQUEST_TIMEOUT,
            "The request's head took too long.\n",
        ),
        Rejection::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The request's head is too large.\n",
        ),
        Rejection::TargetTooLong => (
            StatusCode::URI_TOO_LONG,
            "The request's target is too long.\n",
        ),
        Rejection::Unsupported => (StatusCode::NOT_IMPLEMENTED, "This is not served.\n"),
        Rejection::Overload
        | Rejection::BufferedBytes
        | Rejection::TlsHandshake
        | Rejection::ClientConnections
        | Rejection::Flood
        | Rejection::ProxyHeader => (StatusCode::SERVICE_UNAVAILABLE, "Try again later.\n"),
    }
}

/// What a client waits before it comes again, at the least: limits are about moments.
const RETRY_AFTER_S: &[u8] = b"1";

fn answer(status: StatusCode, reason: &'static str, text: &'static str) -> Reply {
    let mut head = ResponseHead::new(status);
    head.headers.append(CONTENT_TYPE, b"text/plain");
    head.headers.append(X_CHANGEOVER_ERROR, reason.as_bytes());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        head.headers.append(RETRY_AFTER, RETRY_AFTER_S);
    }
    Reply {
        head,
        body: ReplyBody::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_answers_say_how_long_they_are() {
        let check = |answer, reason: Rejection| {
            let text = std::str::from_utf8(answer).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = format!("content-length: {}", body.len());
            assert!(head.lines().any(|line| line == length), "{length}");
            let reason = format!("{}: {}", X_CHANGEOVER_ERROR.as_str(), reason.as_str());
            assert!(head.lines().any(|line| line == reason), "{reason}");
        };
        check(HEAD_TIMEOUT, Rejection::HeadTimeout);
        check(TOO_MANY_CONNECTIONS, Rejection::ClientConnections);
    }

    #[test]
    fn every_refusal_names_its_reason_and_closes() {
        for reason in Rejection::ALL {
            let head = reject(reason).head;
            assert!(!head.status.is_success());
            assert_eq!(
                &head.headers[X_CHANGEOVER_ERROR],
                reason.as_str().as_bytes()
            );
            assert_eq!(&head.headers[CONNECTION], b"close");
        }
    }
}

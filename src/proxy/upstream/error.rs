//! What can go wrong on the upstream leg, told apart as far as callers treat it differently.

use std::{error::Error, fmt, io, time::Duration};

use rustix::io::Errno;
use thiserror::Error;

use crate::{
    plan::EndpointId,
    proxy::http1::{BodyFault, HeadFault},
    units::Side,
};

/// Why a request got no connection. Nothing of it was sent.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// Every endpoint of the side fails its health check.
    #[error("no endpoint of {0} is in choice")]
    NoEndpoint(Side),
    /// HTTP/1.1 is needed, and every endpoint of the side speaks HTTP/2 with prior knowledge.
    #[error("no endpoint of {0} speaks HTTP/1.1")]
    NoHttp1(Side),
    /// The endpoint's connections were all in use for as long as connecting may take.
    #[error("the connections to endpoint {} of {} are all in use", .0.index, .0.side)]
    PoolFull(EndpointId),
    /// The system gives the proxy nothing to connect with: no descriptor, no port, no memory.
    #[error("the proxy has nothing left to connect to {side} with")]
    Exhausted {
        /// The side that is not to blame.
        side: Side,
        /// What happened.
        source: DialError,
    },
    /// Connecting failed, on this endpoint last.
    #[error("connect to endpoint {} of {}", endpoint.index, endpoint.side)]
    Failed {
        /// The endpoint tried last.
        endpoint: EndpointId,
        /// What happened.
        source: DialError,
    },
}

impl ConnectError {
    /// Whether the side could not be reached, rather than our own limits or plan standing in the way: only that counts
    /// among the connects that failed in a row.
    pub(crate) const fn is_unreachable(&self) -> bool {
        match self {
            Self::NoEndpoint(_) | Self::Failed { .. } => true,
            Self::NoHttp1(_) | Self::PoolFull(_) | Self::Exhausted { .. } => false,
        }
    }

    /// The endpoint that gave no connection, where it was one.
    pub(crate) const fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::PoolFull(endpoint) | Self::Failed { endpoint, .. } => Some(*endpoint),
            // None was asked.
            Self::NoEndpoint(_) | Self::NoHttp1(_) | Self::Exhausted { .. } => None,
        }
    }
}

/// Why one attempt to connect failed.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// TCP and TLS together took longer than the limit.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// The name could not be resolved so far; this is what the resolver says.
    #[error("resolve the name: {0}")]
    Resolve(String),
    /// The name has no address, or the resolver has not answered yet.
    #[error("the name has no address")]
    NoAddress,
    /// No address took the connection; this is the last one's answer.
    #[error("open a connection")]
    Tcp(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("make the TLS handshake")]
    Tls(#[source] io::Error),
    /// The HTTP handshake failed.
    #[error("start HTTP on the connection")]
    Http(#[source] hyper::Error),
}

impl DialError {
    /// Whether nobody was asked for a connection, because the system gives this process nothing to ask with.
    pub(crate) fn is_own(&self) -> bool {
        match self {
            Self::Tcp(error) => error.raw_os_error().is_some_and(|it| OWN.contains(&it)),
            Self::TimedOut(_)
            | Self::Resolve(_)
            | Self::NoAddress
            | Self::Tls(_)
            | Self::Http(_) => false,
        }
    }
}

/// What `socket` and `connect` say when this process or this machine is at its end, whoever is to be connected to.
const OWN: [i32; 5] = [
    Errno::MFILE.raw_os_error(),
    Errno::NFILE.raw_os_error(),
    Errno::NOBUFS.raw_os_error(),
    Errno::NOMEM.raw_os_error(),
    Errno::ADDRNOTAVAIL.raw_os_error(),
];

/// Why there is no response to a request that had a connection.
#[derive(Error)]
pub(crate) enum SendError<B> {
    /// Not a byte was sent: the request may be sent elsewhere, whatever its method.
    #[error("the connection ended before the request was sent")]
    Unsent {
        /// The request's body, untouched.
        body: B,
        /// What ended the connection.
        source: ExchangeFault,
    },
    /// Some or all of it may have been sent.
    #[error("{kind}")]
    Broken {
        /// What broke.
        kind: BreakKind,
        /// The cause.
        source: ExchangeFault,
    },
}

/// What ended an exchange before its end.
#[derive(Debug, Error)]
pub(crate) enum ExchangeFault {
    /// What hyper says.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
    /// The connection broke before a byte of the response came.
    #[error("use the connection")]
    Io(#[source] io::Error),
    /// The endpoint closed it before a byte of the response came.
    #[error("the endpoint closed the connection")]
    Closed,
    /// The response broke off.
    #[error("the response broke off")]
    Truncated,
    /// What came is no response.
    #[error(transparent)]
    Head(#[from] HeadFault),
    /// The response's body breaks its framing.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// Only answers before the final one came, and too many of them.
    #[error("too many interim responses")]
    Interim,
    /// The request's own body failed.
    #[error("read the request's body")]
    Upload(#[source] Box<dyn Error + Send + Sync>),
}

impl ExchangeFault {
    /// Whom and what to blame.
    pub(crate) fn kind(&self) -> BreakKind {
        match self {
            Self::Hyper(error) if error.is_parse() => BreakKind::Protocol,
            Self::Hyper(_) | Self::Io(_) | Self::Closed => BreakKind::Reset,
            Self::Truncated => BreakKind::Truncated,
            Self::Head(_) | Self::Body(_) | Self::Interim => BreakKind::Protocol,
            Self::Upload(_) => BreakKind::Upload,
        }
    }
}

impl<B> SendError<B> {
    /// An exchange of which something may have been sent.
    pub(crate) fn broken(source: ExchangeFault) -> Self {
        let kind = source.kind();
        Self::Broken { kind, source }
    }
}

impl<B> fmt::Debug for SendError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent { source, .. } => f.debug_tuple("Unsent").field(source).finish(),
            Self::Broken { kind, source } => {
                f.debug_tuple("Broken").field(kind).field(source).finish()
            }
        }
    }
}

/// What broke an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakKind {
    /// The endpoint closed or reset the connection or the stream, as far as is known before anything of its answer came.
    Reset,
    /// The endpoint broke off within its answer.
    Truncated,
    /// The endpoint sent what is no HTTP, or a head over the limits.
    Protocol,
    /// The request's own body failed on its way here: not the endpoint's fault.
    Upload,
}

impl fmt::Display for BreakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "the endpoint broke the connection",
            Self::Truncated => "the endpoint broke off within its answer",
            Self::Protocol => "the endpoint broke the protocol",
            Self::Upload => "the request's body failed",
        })
    }
}

/// Why a response's body ended before its end.
#[derive(Debug, Error)]
#[error("{kind}")]
pub(crate) struct UpstreamBodyError {
    /// What broke.
    pub(crate) kind: BreakKind,
    /// The cause.
    pub(crate) source: ExchangeFault,
}

impl From<ExchangeFault> for UpstreamBodyError {
    fn from(source: ExchangeFault) -> Self {
        let kind = source.kind();
        Self { kind, source }
    }
}

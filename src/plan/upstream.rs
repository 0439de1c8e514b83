//! One side's endpoints and how they are reached.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::{Share, Side};

/// Which endpoint, for measurements: its side, and the number that an [`Edition`](crate::plan::Edition) gave it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointId {
    /// The side that it belongs to.
    pub side: Side,
    /// Its number.
    pub index: u16,
}

/// All endpoints of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamPlan {
    /// At least one.
    pub endpoints: Vec<EndpointPlan>,
    /// The active health check; `None` takes every endpoint as healthy.
    pub health: Option<HealthPlan>,
    /// When connect failures take an endpoint out of choice.
    pub ejection: EjectionPlan,
    /// How `https://` endpoints are verified.
    pub tls: UpstreamTlsPlan,
    /// The `Host` (and `:authority`) sent to the endpoints.
    pub host: HostHeader,
    /// The codec of HTTP/1.1 connections to the endpoints.
    pub http1: Http1Codec,
}

/// Whose code reads and writes HTTP/1.1 on connections to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http1Codec {
    /// Ours.
    #[default]
    Native,
    /// hyper's: slower, and widely used.
    Hyper,
}

/// One address that we connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPlan {
    /// The protocol.
    pub scheme: Scheme,
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for EndpointPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// The protocol spoken to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 without TLS.
    Http,
    /// HTTP/2 with prior knowledge, without TLS.
    H2c,
    /// TLS; ALPN decides between HTTP/2 and HTTP/1.1.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::H2c => "h2c",
            Self::Https => "https",
        })
    }
}

/// An active health check: a GET on each endpoint, healthy on any 2xx or 3xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPlan {
    /// Path and query.
    pub path: String,
    /// From one check to the next.
    pub interval: Duration,
    /// For one check, connecting included.
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy.
    pub unhealthy_after: u32,
    /// Successes in a row that make it healthy again.
    pub healthy_after: u32,
}

/// Passive ejection on connect failures. The last endpoint of a side is never ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionPlan {
    /// Connect failures in a row, seen by one worker, that eject.
    pub connect_failures: u32,
    /// How long an endpoint stays out the first time; doubles with each further time, up to `time_max`.
    pub time: Duration,
    /// The longest time out.
    pub time_max: Duration,
    /// At most this share of a side's endpoints is out at once (but always one may be, if there are two).
    pub share_max: Share,
}

/// How an `https://` endpoint's certificate is checked, and who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTlsPlan {
    /// The name to verify and to send as SNI; `None` is the endpoint's host.
    pub server_name: Option<String>,
    /// PEM file of further trusted roots beside the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of the chain and key that we present.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether the certificate is verified at all.
    pub verification: Verification,
}

/// Whether a certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Chain, name and expiry.
    Full,
    /// Not at all: `verify = false`, which `check` warns about.
    Off,
}

/// The host that a request to an endpoint names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// What the client sent.
    Keep,
    /// This one, for environments that serve another name.
    Set(String),
}

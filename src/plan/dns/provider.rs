//! Where a zone is changed, and with which key.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use hickory_resolver::proto::rr::Name;

use crate::plan::Secret;

/// Where a zone is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderPlan {
    /// A server that takes signed updates.
    Rfc2136(Rfc2136Plan),
    /// A PowerDNS with its HTTP API.
    PowerDns(PowerDnsPlan),
    /// Cloudflare.
    Cloudflare(CloudflarePlan),
    /// Route 53 of Amazon Web Services.
    Route53(Route53Plan),
    /// A program of the user's.
    Exec(ExecPlan),
    /// Somebody makes each change by hand.
    Manual,
}

/// A server that takes UPDATE messages (RFC 2136), signed with TSIG (RFC 8945).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rfc2136Plan {
    /// The primary server of the zone.
    pub server: SocketAddr,
    /// What the server calls the key.
    pub key_name: Name,
    /// How messages are signed.
    pub algorithm: TsigAlgorithm,
    /// The key itself, decoded.
    pub secret: Secret,
}

/// The ways to sign that every current server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    HmacSha256,
    /// `hmac-sha512`.
    HmacSha512,
}

/// A PowerDNS with its HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerDnsPlan {
    /// Where it is called.
    pub api: ApiPlan,
    /// What the API calls the server; `localhost` for every PowerDNS that answers for itself.
    pub server: String,
    /// The API's key.
    pub key: Secret,
}

/// A zone at Cloudflare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudflarePlan {
    /// Where it is called.
    pub api: ApiPlan,
    /// What Cloudflare calls the zone: 32 hexadecimal digits.
    pub zone_id: String,
    /// An API token that may read and edit the zone's DNS.
    pub token: Secret,
}

/// A hosted zone at Route 53.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route53Plan {
    /// Where it is called.
    pub api: ApiPlan,
    /// What Route 53 calls the hosted zone: upper-case letters and digits.
    pub zone_id: String,
    /// What the access key is called; it is no secret.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// What temporary credentials have beside the key.
    pub session_token: Option<Secret>,
}

/// A program of the user's, which is run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlan {
    /// The program: a path, or a name that is looked for as by a shell.
    pub program: String,
    /// What it is given as arguments.
    pub arguments: Vec<String>,
    /// For one run.
    pub timeout: Duration,
}

/// Where an HTTP API is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPlan {
    /// Scheme, host and port, and a path where the API is below one; without a slash at the end.
    pub url: String,
    /// A PEM file with roots that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// For one call, from connecting to the end of the answer.
    pub timeout: Duration,
}

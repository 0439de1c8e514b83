//! Who connects: listeners, trusted forwarders, and operators of the admin API.

use std::{fmt, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One address that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerPlan {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificates chosen by SNI, the first one when no name matches; empty means plain HTTP/1.1 and h2c.
    pub certificates: Vec<CertificatePlan>,
    /// Networks of peers whose connections begin with a PROXY protocol header; from anybody else none is read.
    pub proxy_protocol: Vec<IpNet>,
}

/// A certificate chain with its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePlan {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Whose word about the client's address and scheme is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardingPlan {
    /// Networks of peers whose `X-Forwarded-*` and `Forwarded` are kept and appended to.
    pub trusted: Vec<IpNet>,
    /// Whether `Alt-Svc` of either side is passed on; by default it is removed, since it leads clients past the proxy.
    pub passes_alt_svc: bool,
}

/// The admin API's address and the people it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlan {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// The names that `Host` may carry beside loopback addresses and `address` itself.
    pub hosts: Vec<String>,
    /// TLS; `None` means plain HTTP.
    pub tls: Option<AdminTlsPlan>,
    /// Who may do what; empty means loopback peers only, journalled as "local".
    pub operators: Vec<Operator>,
    /// What one of its clients may take.
    pub limits: AdminLimits,
}

impl AdminPlan {
    /// Plain and without operators: for this machine only.
    #[must_use]
    pub const fn local(address: SocketAddr) -> Self {
        Self {
            address,
            hosts: Vec::new(),
            tls: None,
            operators: Vec::new(),
            limits: AdminLimits::DEFAULT,
        }
    }
}

/// TLS of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminTlsPlan {
    /// Certificates chosen by SNI, the first one when no name matches; never empty.
    pub certificates: Vec<CertificatePlan>,
    /// PEM file of the authorities of which clients must show a certificate; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// What one client of the admin API may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminLimits {
    /// Requests of one operator, or of one address without a valid token, in the long run.
    pub requests_per_second: u32,
    /// Open connections of one address.
    pub connections_per_peer: usize,
}

impl AdminLimits {
    /// Room for a dashboard, a scraper and scripts that poll, and for a quarter of all connections.
    pub const DEFAULT: Self = Self {
        requests_per_second: 200,
        connections_per_peer: 64,
    };
}

/// Somebody with a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name that the journal carries.
    pub name: String,
    /// SHA-256 of the bearer token.
    pub token_sha256: [u8; 32],
    /// What the operator may do.
    pub role: Role,
}

/// Without the digest: a token that people chose can be guessed from it.
impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Operator");
        shown.field("name", &self.name).field("role", &self.role);
        shown.finish_non_exhaustive()
    }
}

/// What an operator may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Start, hold, resume at step 1, roll back.
    Operator,
    /// Everything, such as setting a weight by hand, skipping a bake, resuming at a later step.
    Approver,
}

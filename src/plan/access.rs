//! Who connects: listeners, trusted forwarders, and operators of the admin API.

use std::{net::SocketAddr, path::PathBuf};

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
    /// Who may do what; empty means loopback peers only, journalled as "local".
    pub operators: Vec<Operator>,
}

/// Somebody with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name that the journal carries.
    pub name: String,
    /// SHA-256 of the bearer token.
    pub token_sha256: [u8; 32],
    /// What the operator may do.
    pub role: Role,
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

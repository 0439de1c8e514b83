//! What moves in DNS once the shift is complete, and what is known of DNS before anything is looked at: records, and changes
//! of them as one unit.
//!
//! Whoever looks at servers, changes a zone or decides about a move speaks in these terms. They are pure: what stands in a
//! zone, as text in one canonical form, and nothing about where it is asked for.

mod change;
mod provider;
mod quiet;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

pub use change::{Change, ChangeError};
use hickory_resolver::proto::rr::Name;
pub use provider::{
    ApiPlan, CloudflarePlan, ExecPlan, PowerDnsPlan, ProviderPlan, Rfc2136Plan, Route53Plan,
    TsigAlgorithm,
};
pub use quiet::Quiet;
pub use record::{Kind, RecordSet, Ttl, Value, ValueError};

/// What moves in DNS, and where that is looked at and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsPlan {
    /// The zone that holds every name: a change of it is one unit.
    pub zone: Name,
    /// What moves; at least one.
    pub names: Vec<DnsName>,
    /// What TTLs are lowered to before the move.
    pub ttl: Ttl,
    /// When names move.
    pub moves: DnsMoves,
    /// How long the lowered TTL, or the quiet, may go unobserved before its time starts anew.
    pub gap: Duration,
    /// When the old address is quiet after a move.
    pub quiet: Quiet,
    /// How servers are asked.
    pub look: LookPlan,
    /// Where the zone is changed.
    pub provider: ProviderPlan,
}

/// One name that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsName {
    /// The name; always fully qualified and within the zone.
    pub name: Name,
    /// What it says while it leads to this proxy, or to old.
    pub from: Records,
    /// What it says once it has moved.
    pub to: Records,
}

/// What a name says, by kind of record; no kind is empty, and there is at least one.
pub type Records = BTreeMap<Kind, BTreeSet<Value>>;

/// When names move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsMoves {
    /// When an approver says so.
    Manually,
    /// As soon as the shift is complete.
    WhenComplete,
    /// Once the way back of the ramp is closed.
    AfterWindow,
}

/// How servers are asked what a zone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookPlan {
    /// Where the walk to the zone's own servers starts: root servers, or those of a parent zone. Empty for the root servers
    /// of the public DNS.
    pub start: Vec<SocketAddr>,
    /// The port of every server that the walk finds.
    pub port: u16,
    /// For one question to one server; a question by UDP is asked again over TCP where no whole answer came.
    pub timeout: Duration,
    /// Resolvers that are watched as well.
    pub resolvers: Vec<SocketAddr>,
}

//! Who says where endpoints' names lead.

use std::{net::SocketAddr, time::Duration};

/// Whom endpoints' names are asked of, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverPlan {
    /// DNS servers, in the order in which they are asked; none: the system's.
    pub addresses: Vec<SocketAddr>,
    /// A name is asked for again after this at the latest, however long its records may be kept.
    pub interval: Duration,
}

impl ResolverPlan {
    /// The system's resolver, every half minute.
    pub const DEFAULT: Self = Self {
        addresses: Vec::new(),
        interval: Duration::from_secs(30),
    };
}

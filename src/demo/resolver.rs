//! What the demo's clients ask for the service's name: each lookup goes to the zone's server, and holds for its TTL.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};

use crate::demo::zone::SERVICE;

/// For one question; it is asked twice before a lookup fails.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks the service's name up, and counts.
#[derive(Debug)]
pub(crate) struct Resolver {
    resolver: TokioResolver,
    lookups: AtomicU64,
    unanswered: AtomicU64,
}

/// Where the name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: IpAddr,
    /// When the answer's TTL is over.
    pub(crate) until: Instant,
}

impl Resolver {
    /// Asks this server and nobody else.
    pub(crate) fn new(server: SocketAddr) -> Result<Self, NetError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut it| {
            it.port = server.port();
            it
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = PATIENCE;
        options.attempts = 1;
        // Each client remembers its answer by itself.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4Only;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self {
            resolver: builder.build()?,
            lookups: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        })
    }

    /// Where the name leads now; `None` without an answer.
    pub(crate) async fn look_up(&self) -> Option<Found> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let answer = self.resolver.lookup_ip(SERVICE).await.ok();
        let found = answer.and_then(|it| {
            let address = it.iter().next()?;
            let until = it.valid_until();
            Some(Found { address, until })
        });
        if found.is_none() {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// How many lookups there were.
    pub(crate) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    /// How many of them had no answer.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }
}

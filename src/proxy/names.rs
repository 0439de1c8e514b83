//! Endpoints' names: asks the resolver where each leads, again and again, and writes the answers to the board.
//!
//! It runs beside the workers, so that no request waits for a resolver. A name is asked for anew when its time to live is
//! over, and at the latest after the plan's interval; while there is no answer, the last addresses are kept. The hosts file
//! and the system's settings are read anew each time, so that a change of them needs no restart.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
        ServerOrderingStrategy,
    },
    net::{NetError, runtime::TokioRuntimeProvider},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    clock::{self, Clock},
    measure::{Board, NameFailure, Resolved},
    plan::{EndpointId, EndpointPlan, ResolverPlan},
    proxy::Setup,
    units::Side,
};

/// No name is asked for again within this, whatever its time to live, nor is one that cannot be resolved.
const PAUSE: Duration = Duration::from_secs(1);

/// For one question to one resolver; two are asked before a lookup fails.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the start and a reload wait for the first answers.
const FIRST: Duration = Duration::from_secs(5);

/// A name that is asked for.
#[derive(Clone)]
struct Name {
    id: EndpointId,
    endpoint: EndpointPlan,
    resolver: ResolverPlan,
    board: Arc<Board>,
    clock: Clock,
}

/// What a lookup found.
struct Found {
    addresses: Vec<IpAddr>,
    /// For how long that holds.
    time_to_live: Duration,
}

/// Resolves every name that has no address yet once, before anything is sent by this setup: for no longer than five seconds,
/// and not at all where no endpoint has a name. What has no answer by then is asked for again by [`resolve`].
pub async fn resolve_first(setup: &Setup, clock: Clock) {
    let mut asking = JoinSet::new();
    for name in names(setup, clock) {
        if name.board.resolved(name.id).addresses.is_empty() {
            asking.spawn(async move { name.ask().await });
        }
    }
    let all = async { while asking.join_next().await.is_some() {} };
    if timeout(FIRST, all).await.is_err() {
        tracing::warn!("not every endpoint's name could be resolved in time");
    }
}

/// Resolves every name for as long as the future is not dropped.
pub async fn resolve(setup: Arc<Setup>, clock: Clock) -> Infallible {
    let mut asking: JoinSet<_> = names(&setup, clock).into_iter().map(Name::keep).collect();
    while asking.join_next().await.is_some() {
        tracing::error!("resolving a name ended by itself");
    }
    std::future::pending().await
}

fn names(setup: &Setup, clock: Clock) -> Vec<Name> {
    let plan = setup.plan();
    let endpoints = Side::ALL.iter();
    let endpoints = endpoints.flat_map(|side| setup.edition.endpoints(*side));
    let named = endpoints.filter(|(_, it)| it.host.parse::<IpAddr>().is_err());
    let name = |(id, endpoint): (EndpointId, &EndpointPlan)| Name {
        id,
        endpoint: endpoint.clone(),
        resolver: plan.resolver.clone(),
        board: Arc::clone(&setup.board),
        clock,
    };
    named.map(name).collect()
}

impl Name {
    async fn keep(self) -> ! {
        loop {
            let next = match self.ask().await {
                Some(time_to_live) => time_to_live.clamp(PAUSE, self.resolver.interval.max(PAUSE)),
                None => PAUSE,
            };
            sleep(next).await;
        }
    }

    /// Asks once; for how long the answer holds, if there is one.
    async fn ask(&self) -> Option<Duration> {
        match look_up(&self.resolver, &self.endpoint.host).await {
            Ok(found) => {
                self.found(found.addresses);
                Some(found.time_to_live)
            }
            Err(reason) => {
                self.failed(reason);
                None
            }
        }
    }

    fn found(&self, addresses: Vec<IpAddr>) {
        let earlier = self.board.resolved(self.id);
        let found = Resolved {
            addresses,
            failure: None,
        };
        if *earlier == found {
            return;
        }
        let (side, endpoint) = (self.id.side, &self.endpoint);
        if earlier.failure.is_some() {
            tracing::info!(%side, %endpoint, "an endpoint's name can be resolved again");
        }
        let has_moved = found.withdraws_from(&earlier);
        if has_moved || earlier.addresses.len() != found.addresses.len() {
            tracing::info!(
                %side, %endpoint, addresses = ?found.addresses, earlier = ?earlier.addresses,
                "an endpoint's name was resolved"
            );
        }
        self.board.set_resolved(self.id, found);
        if has_moved {
            // Failures to connect to where it led before say nothing of where it leads now.
            self.board.admit(self.id);
        }
    }

    fn failed(&self, reason: String) {
        let earlier = self.board.resolved(self.id);
        let since = match &earlier.failure {
            Some(failure) if failure.reason == reason => return,
            Some(failure) => failure.since,
            None => {
                let (side, endpoint, kept) = (self.id.side, &self.endpoint, &earlier.addresses);
                tracing::warn!(
                    %side, %endpoint, reason, ?kept, "an endpoint's name cannot be resolved"
                );
                self.clock.timestamp()
            }
        };
        let failure = Some(NameFailure { since, reason });
        let addresses = earlier.addresses.clone();
        self.board
            .set_resolved(self.id, Resolved { addresses, failure });
    }
}

async fn look_up(plan: &ResolverPlan, host: &str) -> Result<Found, String> {
    let resolver =
        resolver(plan).map_err(|error| format!("read the system's resolver: {error}"))?;
    let found = resolver.lookup_ip(host).await;
    let found = found.map_err(|error| error.to_string())?;
    let addresses: Vec<IpAddr> = found.iter().collect();
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(Found {
        addresses,
        time_to_live: remaining(found.valid_until()),
    })
}

fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(clock::now())
}

/// The plan's resolvers, or the system's.
fn resolver(plan: &ResolverPlan) -> Result<TokioResolver, NetError> {
    let mut builder = if plan.addresses.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = plan.addresses.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = 1;
    // The board remembers.
    options.cache_size = 0;
    // Where both are there, most environments are better connected over IPv4; the others are tried after it.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    builder.build()
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![
        on_port(ConnectionConfig::udp()),
        on_port(ConnectionConfig::tcp()),
    ];
    NameServerConfig::new(address.ip(), true, connections)
}

//! What holds where the file says nothing: each default once, with its reason where it is not plain.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZero,
    path::PathBuf,
    thread,
    time::Duration,
};

use http::header;

use crate::{
    config::ramp::held_back,
    plan::{
        AdminPlan, AdvanceOn, BothBad, CookiePlan, EjectionPlan, EndpointPlan, EvidencePlan,
        ForwardingPlan, HostHeader, Http1Codec, Limit, Limits, ListenerPlan, Plan, RampPlan,
        Reading, ResolverPlan, RollbackPlan, Samples, ShadowPlan, SplitPlan, StartMode, Step,
        Sticky, Timeouts, Trigger, TripAction, Underscores, UpstreamPlan, UpstreamTlsPlan,
        Verification, Writes, dns::Ttl,
    },
    units::{PerSide, Percentile, Share, Weight},
};

/// The name of a cutover that has none.
pub(super) const NAME: &str = "changeover";
/// The journal's file.
pub(super) const STORE: &str = "changeover.db";
/// What is kept of what decisions rested on: hours of a thousand requests a second.
pub(super) const OBSERVATIONS: usize = 256 << 20;
/// The header of a tester's override.
pub(super) const FORCE_HEADER: &str = "x-changeover-force";
/// The name of our cookie.
pub(super) const COOKIE_NAME: &str = "changeover_id";
/// How long a cookie lives.
pub(super) const COOKIE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The path prefix of a route that names none.
pub(super) const ROUTE_PATH: &str = "/";
/// What stays on old until the last step, where the file names no steps of its own.
pub(super) const HOLDBACK: Weight = Weight::from_basis_points(500).expect("below 100 %");
/// The observed time at one weight.
pub(super) const BAKE: Duration = Duration::from_secs(600);
/// Finished requests on new at one weight: something must have been seen there. How many it takes to judge is for each
/// trigger to say, and a ramp waits for those as well.
pub(super) const STEP_REQUESTS: u64 = 1;
/// What a trigger's reading covers: long enough for a percentile, short enough to react within it.
pub(super) const TRIGGER_WINDOW: Duration = Duration::from_secs(10);
/// Fewer requests say nothing.
pub(super) const TRIGGER_REQUESTS: u64 = 50;
/// From one active health check to the next.
pub(super) const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// For one active health check.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// Failed checks in a row that take an endpoint out; one alone may be chance.
pub(super) const UNHEALTHY_AFTER: u32 = 3;
/// Passed checks in a row that bring it back.
pub(super) const HEALTHY_AFTER: u32 = 2;

/// How long a gate may go unobserved before its stretch starts anew: a restart takes less.
pub(super) const GATE_GAP: Duration = Duration::from_secs(60);
/// Publication and subscription from old to new.
pub(super) const CHANNEL: &str = "changeover";
/// Publication and subscription from new to old.
pub(super) const REVERSE_CHANNEL: &str = "changeover_back";
/// For a connection to a database, login included.
pub(super) const DATABASE_CONNECT: Duration = Duration::from_secs(3);
/// For one statement that reads how far replication is: what takes longer is no reading of the present.
pub(super) const DATABASE_STATEMENT: Duration = Duration::from_secs(1);

/// What TTLs are lowered to.
pub(super) const DNS_TTL: Ttl = Ttl(60);
/// Of name servers.
pub(super) const DNS_PORT: u16 = 53;
/// For one question to a name server.
pub(super) const DNS_TIMEOUT: Duration = Duration::from_secs(2);

/// For one call of a DNS provider's API: they answer within a second or two, and what becomes of a change must not be open for long.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// For one run of the program that changes DNS.
pub(super) const PROGRAM_TIMEOUT: Duration = Duration::from_secs(60);
/// What every PowerDNS calls itself.
pub(super) const POWERDNS_SERVER: &str = "localhost";
/// Where Cloudflare's API is.
pub(super) const CLOUDFLARE_URL: &str = "https://api.cloudflare.com";
/// Where the API of Route 53 is.
pub(super) const ROUTE53_URL: &str = "https://route53.amazonaws.com";

/// The plan for two environments about which nothing else is known.
pub(super) fn plan(upstreams: PerSide<UpstreamPlan>) -> Plan {
    Plan {
        name: NAME.to_owned(),
        store: PathBuf::from(STORE),
        observations: OBSERVATIONS,
        admin: admin(),
        listeners: listeners(),
        upstreams,
        split: split(),
        routes: Vec::new(),
        ramp: ramp(),
        evidence: EvidencePlan::DEFAULT,
        triggers: triggers(),
        gates: Vec::new(),
        rollback: rollback(),
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: timeouts(),
        limits: limits(),
        workers: workers(),
    }
}

/// What is copied where the file says `[shadow]` and no more: one request of a hundred, half of the copies to old, since noise has to be
/// known as well as differences.
pub(super) fn shadow() -> ShadowPlan {
    let percent =
        |count: u32| Share::from_parts_per_million(count * 10_000).expect("no more than the whole");
    ShadowPlan {
        share: percent(1),
        noise: percent(50),
        headers: vec![
            header::CONTENT_TYPE,
            header::LOCATION,
            header::CACHE_CONTROL,
            header::VARY,
            header::WWW_AUTHENTICATE,
            header::ALLOW,
        ],
        ignore: Vec::new(),
        body_bytes: 64 << 10,
        copies: 64,
        timeout: Duration::from_secs(10),
        max_difference: None,
        samples: Samples::Masked,
    }
}

/// One worker for each core.
pub(super) fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Loopback, and nobody but those on this machine.
pub(super) fn admin() -> AdminPlan {
    AdminPlan::local(loopback(9700))
}

/// Loopback, plain.
pub(super) fn listeners() -> Vec<ListenerPlan> {
    vec![ListenerPlan {
        address: loopback(8080),
        certificates: Vec::new(),
        proxy_protocol: Vec::new(),
    }]
}

/// An environment of which only the endpoints are known.
pub(super) fn upstream(endpoints: Vec<EndpointPlan>) -> UpstreamPlan {
    UpstreamPlan {
        endpoints,
        health: None,
        ejection: ejection(),
        tls: UpstreamTlsPlan {
            server_name: None,
            ca: None,
            client_certificate: None,
            verification: Verification::Full,
        },
        host: HostHeader::Keep,
        http1: Http1Codec::Native,
    }
}

/// Out for ten seconds after three refused connects; half of a side stays in choice.
pub(super) fn ejection() -> EjectionPlan {
    let half = Share::from_parts_per_million(500_000).expect("a half is no more than the whole");
    EjectionPlan {
        connect_failures: 3,
        time: Duration::from_secs(10),
        time_max: Duration::from_secs(300),
        share_max: half,
    }
}

/// Clients keep their side; writes stay on old until the file says that new may have them.
pub(super) fn split() -> SplitPlan {
    SplitPlan {
        sticky: Sticky::Cookie(CookiePlan {
            name: COOKIE_NAME.to_owned(),
            lifetime: COOKIE_LIFETIME,
        }),
        writes: Writes::Old,
        read_your_writes: None,
        reveals_side: false,
        force: None,
    }
}

/// Started by an operator, at any time of day; a step ends on evidence.
pub(super) fn ramp() -> RampPlan {
    RampPlan {
        start: StartMode::Manual,
        advance: AdvanceOn::Evidence,
        steps: held_back(steps(), HOLDBACK),
        window: None,
    }
}

/// 1 %, 5 %, 25 %, 50 %, 100 %, before a holdback.
pub(super) fn steps() -> Vec<Step> {
    let weights = [100, 500, 2_500, 5_000, 10_000].map(Weight::from_basis_points);
    let step = |weight| Step {
        weight,
        bake: BAKE,
        requests: 100,
    };
    weights.into_iter().flatten().map(step).collect()
}

/// Errors, a slow new side, and one that cannot be reached.
pub(super) fn triggers() -> Vec<Trigger> {
    let two_percent = Share::from_parts_per_million(20_000).expect("2 % is no more than the whole");
    let trigger = |name: &str, reading, limit| Trigger {
        name: name.to_owned(),
        reading,
        limit,
        window: TRIGGER_WINDOW,
        requests: TRIGGER_REQUESTS,
        action: TripAction::Rollback,
    };
    let second = Limit::Latency(Duration::from_secs(1));
    vec![
        trigger("errors", Reading::ErrorRate, Limit::Share(two_percent)),
        trigger("slow", Reading::Latency(Percentile::P99), second),
        trigger("unreachable", Reading::ConnectFailures, Limit::InARow(5)),
    ]
}

/// Hold when old is bad too; the way back stays open over a weekend.
pub(super) fn rollback() -> RollbackPlan {
    RollbackPlan {
        both_bad: BothBad::Hold,
        tunnels: Duration::from_secs(30),
        window: Duration::from_secs(72 * 3600),
    }
}

/// Long enough for honest peers on bad networks, short enough that a stuck one costs little.
pub(super) fn timeouts() -> Timeouts {
    Timeouts {
        tls_handshake: Duration::from_secs(10),
        request_head: Duration::from_secs(10),
        body_idle: Duration::from_secs(30),
        client_idle: Duration::from_secs(75),
        connect: Duration::from_secs(1),
        response_head: Duration::from_secs(60),
        // Clients that shut down their sending side on purpose do so at once, and most that are gone do not come back.
        half_closed: Duration::from_secs(2),
        // Below the five seconds after which common servers close an idle connection.
        upstream_idle: Duration::from_secs(4),
        tunnel_idle: Duration::from_secs(3600),
        drain: Duration::from_secs(30),
        upgrade: Duration::from_secs(15),
    }
}

/// Room for what browsers and services send, and a bound on what one of them can take.
pub(super) fn limits() -> Limits {
    Limits {
        head_bytes: 64 << 10,
        target_bytes: 8 << 10,
        header_bytes: 16 << 10,
        headers: 100,
        underscores: Underscores::Refuse,
        connections: 10_000,
        // Many clients may share an address: what is too many from one, only its operators know.
        connections_per_client: None,
        requests_per_side: 10_000,
        control_frames: 1_000,
        streams: 128,
        idle_per_endpoint: 128,
        connections_per_endpoint: 1_024,
        buffer_bytes: 64 << 10,
        buffered_bytes: 1 << 30,
        // Slower than the slowest modem, and what a client that holds on for its own sake stays below.
        body_rate: 240,
        events_page: 500,
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

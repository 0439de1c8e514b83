//! A running data plane with everything around it that a test wants to set or see.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    clock::Clock,
    measure::{Board, Connects, Finished, Head, Interval, Measurement, Rejection},
    plan::{
        AdminPlan, AdvanceOn, BothBad, CookiePlan, Edition, EjectionPlan, EndpointPlan,
        EvidencePlan, ForcePlan, ForwardingPlan, HostHeader, Limits, ListenerPlan, Plan, RampPlan,
        ResolverPlan, RollbackPlan, Scheme, Secret, SplitPlan, StartMode, Sticky, Timeouts,
        UpstreamPlan, UpstreamTlsPlan, Verification, Writes,
    },
    proxy::{CopyDesk, RunningProxy, Setup, Setups, Shared, bind, start},
    split::{Publication, RouteTable, SplitTable, Withdrawal},
    units::{Generation, PerSide, Salt, Share, Side, Weight},
};

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A data plane at work.
pub(super) struct Rig {
    pub(super) proxy: RunningProxy,
    pub(super) shared: Shared,
    pub(super) alarms: Arc<AtomicU32>,
    intervals: mpsc::Receiver<Interval>,
    pub(super) finished: Vec<Finished>,
    pub(super) heads: Vec<Head>,
    pub(super) rejected: [u64; Rejection::ALL.len()],
    /// Requests that were noted, by listener and client.
    pub(super) arrived: Vec<(u16, IpAddr)>,
    /// Requests that a drill has touched.
    pub(super) drilled: u64,
    pub(super) last: Option<Interval>,
}

impl Rig {
    /// Starts a data plane in front of these endpoints, with `weight` in force and the plan as `adjust` leaves it.
    pub(super) fn start(
        endpoints: PerSide<Vec<SocketAddr>>,
        weight: Weight,
        adjust: impl FnOnce(&mut Plan),
    ) -> Self {
        let mut plan = plan(endpoints);
        adjust(&mut plan);
        let clock = Clock::start();
        let table = table(&plan, Generation::new(1), weight);
        let (sender, intervals) = mpsc::channel(64);
        let alarms = Arc::new(AtomicU32::new(0));
        let rung = Arc::clone(&alarms);
        let counts = PerSide::from_fn(|side| plan.upstreams[side].endpoints.len());
        let edition = Edition::first(Arc::new(plan));
        let board = Arc::new(Board::new(counts));
        let setup = Setup::load(edition, board).unwrap();
        let (desk, copies) = CopyDesk::new();
        let shared = Shared {
            setups: Setups::new(Arc::new(setup)),
            publication: Publication::new(table),
            connects: Arc::new(Connects::default()),
            alarm: Arc::new(move || {
                rung.fetch_add(1, Ordering::Relaxed);
            }),
            clock,
            desk,
            intervals: sender,
        };
        let plan = shared.setups.load();
        let bound = bind(&plan.plan().listeners, plan.plan().workers, Vec::new()).unwrap();
        let proxy = start(&shared, bound, copies).unwrap();
        proxy.open();
        Self {
            proxy,
            shared,
            alarms,
            intervals,
            finished: Vec::new(),
            heads: Vec::new(),
            rejected: Default::default(),
            arrived: Vec::new(),
            drilled: 0,
            last: None,
        }
    }

    /// Where clients connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.addresses()[0]
    }

    /// Publishes the next table; a withdrawal's tunnels end at once.
    pub(super) fn publish(&self, weight: Weight, withdraws: bool) {
        let publication = &self.shared.publication;
        let generation = publication.load().generation.next();
        let mut next = table(self.shared.setups.load().plan(), generation, weight);
        next.withdrawal = withdraws.then(|| Withdrawal {
            generation,
            tunnels_end: self.shared.clock.timestamp(),
        });
        publication.publish(next);
    }

    /// Waits for what was measured to satisfy `enough`.
    pub(super) async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            let taken = timeout_at(deadline, self.intervals.recv()).await;
            let Ok(Some(interval)) = taken else {
                panic!("never: {what}; outcomes so far: {:#?}", self.finished);
            };
            for measurement in &interval.measurements {
                match measurement {
                    Measurement::Finished(it) => self.finished.push(*it),
                    Measurement::Head(it) => self.heads.push(*it),
                }
            }
            for (count, more) in self.rejected.iter_mut().zip(interval.rejected) {
                *count += more;
            }
            self.arrived.extend(&interval.arrived.clients);
            self.drilled += interval.drilled;
            self.last = Some(interval);
        }
    }

    /// Waits for so many outcomes, and that there are no more of them.
    pub(super) async fn outcomes(&mut self, count: usize) -> Vec<Finished> {
        self.until("outcomes", |it| it.finished.len() >= count)
            .await;
        self.until("nothing in flight", |it| {
            let last = it.last.as_ref();
            last.is_some_and(|it| it.in_flight.old == 0 && it.in_flight.new == 0)
        })
        .await;
        assert_eq!(self.finished.len(), count, "{:#?}", self.finished);
        self.finished.clone()
    }

    /// The one outcome there is.
    pub(super) async fn outcome(&mut self) -> Finished {
        self.outcomes(1).await[0]
    }
}

/// Endpoints for both sides.
pub(super) fn sides(old: SocketAddr, new: SocketAddr) -> PerSide<Vec<SocketAddr>> {
    PerSide {
        old: vec![old],
        new: vec![new],
    }
}

/// An address at which nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    socket.local_addr().unwrap()
}

fn table(plan: &Plan, generation: Generation, weight: Weight) -> SplitTable {
    SplitTable {
        generation,
        weight,
        salt: Salt::new([7; 16]),
        edition: 0,
        split: Arc::new(plan.split.clone()),
        routes: Arc::new(RouteTable::new(&plan.routes)),
        withdrawal: None,
    }
}

fn plan(endpoints: PerSide<Vec<SocketAddr>>) -> Plan {
    Plan {
        name: "test".to_owned(),
        store: PathBuf::new(),
        observations: 0,
        admin: AdminPlan::local("127.0.0.1:0".parse().unwrap()),
        listeners: vec![ListenerPlan {
            address: "127.0.0.1:0".parse().unwrap(),
            certificates: Vec::new(),
            proxy_protocol: Vec::new(),
        }],
        upstreams: endpoints.map(|it| upstream(&it)),
        split: SplitPlan {
            sticky: Sticky::None,
            writes: Writes::Split,
            read_your_writes: None,
            reveals_side: true,
            force: Some(ForcePlan {
                header: "x-force".parse().unwrap(),
                secret: Secret::new(b"secret".to_vec()),
            }),
        },
        routes: Vec::new(),
        ramp: RampPlan {
            start: StartMode::Manual,
            advance: AdvanceOn::Bake,
            steps: Vec::new(),
            window: None,
        },
        evidence: EvidencePlan::SILENT,
        triggers: Vec::new(),
        gates: Vec::new(),
        rollback: RollbackPlan {
            both_bad: BothBad::Hold,
            tunnels: Duration::ZERO,
            window: Duration::ZERO,
        },
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: Timeouts {
            tls_handshake: PATIENCE,
            request_head: PATIENCE,
            body_idle: PATIENCE,
            client_idle: PATIENCE,
            connect: PATIENCE,
            response_head: PATIENCE,
            half_closed: Duration::from_millis(100),
            upstream_idle: PATIENCE,
            tunnel_idle: PATIENCE,
            drain: PATIENCE,
            upgrade: PATIENCE,
        },
        limits: limits(),
        workers: 1,
    }
}

fn limits() -> Limits {
    Limits {
        head_bytes: 32 << 10,
        connections: 1000,
        idle_per_endpoint: 16,
        connections_per_endpoint: 64,
        body_rate: 0,
        ..Limits::OF_TESTS
    }
}

fn upstream(endpoints: &[SocketAddr]) -> UpstreamPlan {
    let endpoint = |it: &SocketAddr| EndpointPlan {
        scheme: Scheme::Http,
        host: it.ip().to_string(),
        port: it.port(),
    };
    UpstreamPlan {
        endpoints: endpoints.iter().map(endpoint).collect(),
        health: None,
        ejection: EjectionPlan {
            connect_failures: 1000,
            time: PATIENCE,
            time_max: PATIENCE,
            share_max: Share::WHOLE,
        },
        tls: UpstreamTlsPlan {
            server_name: None,
            ca: None,
            client_certificate: None,
            verification: Verification::Full,
        },
        host: HostHeader::Keep,
        http1: crate::plan::Http1Codec::Native,
    }
}

/// A cookie as the plan may ask for.
pub(super) fn cookie() -> Sticky {
    Sticky::Cookie(CookiePlan {
        name: "changeover".to_owned(),
        lifetime: Duration::from_secs(3600),
    })
}

/// The header that forces a side.
pub(super) fn force(rig: &Rig, side: Side) -> String {
    let setup = rig.shared.setups.load();
    let plan = setup.plan().split.force.as_ref().unwrap();
    let expires = rig.shared.clock.timestamp().after(PATIENCE * 10);
    crate::proxy::head::force_token(&plan.secret, side, expires)
}

/// What is left to read when the data plane has been given away to drain.
pub(super) struct LastWords(mpsc::Receiver<Interval>);

impl Rig {
    /// Gives the data plane away.
    pub(super) fn split(self) -> (RunningProxy, LastWords) {
        // The sender goes with `shared`, so that the channel ends with the workers.
        (self.proxy, LastWords(self.intervals))
    }
}

impl LastWords {
    /// What workers hand over from now on.
    pub(super) fn intervals(self) -> mpsc::Receiver<Interval> {
        self.0
    }

    /// Every outcome until the last worker has ended.
    pub(super) async fn last_words(mut self) -> Vec<Finished> {
        let mut finished = Vec::new();
        while let Some(interval) = self.0.recv().await {
            for measurement in interval.measurements {
                if let Measurement::Finished(it) = measurement {
                    finished.push(it);
                }
            }
        }
        finished
    }
}

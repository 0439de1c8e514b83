//! One plan, one status, some entries, and a fake control loop, for every test that needs them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, mpsc};

use crate::{
    admin::{Journal, JournalError},
    clock::Clock,
    control::{
        BeforeStatus, CommandError, ControlHandle, Done, EndpointStatus, EvidenceStatus,
        GateStatus, LatencyStatus, OutlookStatus, PredecessorStatus, ProcessStatus, RampStatus,
        ReplicationStatus, Request, RollbackStatus, ShadowStatus, SideStatus, Status,
        TriggerStatus,
    },
    cutover::{
        Actor, Change, Command, Entry, Explanation, HoldCause, Phase, RollbackCause, RouteSeen,
        SideSeen, TriggerReading, Verdict,
    },
    plan::{
        AdminPlan, AdvanceOn, BothBad, Edition, EjectionPlan, EndpointPlan, EvidencePlan,
        ForwardingPlan, HostHeader, Limits, Operator, Plan, RampPlan, ResolverPlan, Role,
        RollbackPlan, Scheme, SplitPlan, StartMode, Step, Timeouts, UpstreamPlan, UpstreamTlsPlan,
        Verification,
    },
    units::{Direction, Generation, PerSide, Salt, Share, Side, Timestamp, Weight},
};

/// 2026-03-01T02:00:00Z.
pub(crate) const AT: Timestamp = Timestamp::from_micros(1_772_330_400_000_000);

/// A plan of three steps with one endpoint a side and these operators.
pub(crate) fn plan(operators: Vec<Operator>) -> Plan {
    let second = Duration::from_secs(1);
    let step = |points| Step {
        weight: Weight::from_basis_points(points).unwrap(),
        bake: 60 * second,
        requests: 100,
    };
    Plan {
        name: "shop".into(),
        store: PathBuf::from("changeover.db"),
        observations: 0,
        admin: AdminPlan {
            hosts: vec!["admin.shop.example".into()],
            operators,
            ..AdminPlan::local("127.0.0.1:9700".parse().unwrap())
        },
        listeners: Vec::new(),
        upstreams: PerSide::from_fn(upstream),
        split: SplitPlan::DRAWN,
        routes: Vec::new(),
        ramp: RampPlan {
            start: StartMode::Manual,
            advance: AdvanceOn::Bake,
            steps: vec![step(100), step(2500), step(10_000)],
            window: None,
        },
        evidence: EvidencePlan::SILENT,
        triggers: Vec::new(),
        gates: Vec::new(),
        rollback: RollbackPlan {
            both_bad: BothBad::Hold,
            tunnels: 30 * second,
            window: 72 * 3600 * second,
        },
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: Timeouts {
            tls_handshake: 10 * second,
            request_head: 10 * second,
            body_idle: 30 * second,
            client_idle: 60 * second,
            connect: 5 * second,
            response_head: 60 * second,
            half_closed: 2 * second,
            upstream_idle: 30 * second,
            tunnel_idle: 600 * second,
            drain: 30 * second,
            upgrade: 30 * second,
        },
        limits: limits(),
        workers: 1,
    }
}

fn limits() -> Limits {
    Limits {
        connections: 10_000,
        events_page: 4,
        ..Limits::OF_TESTS
    }
}

/// The plan as the API holds it.
pub(crate) fn in_force(plan: Plan) -> Arc<ArcSwap<Edition>> {
    Arc::new(ArcSwap::from_pointee(Edition::first(Arc::new(plan))))
}

fn upstream(side: Side) -> UpstreamPlan {
    UpstreamPlan {
        endpoints: vec![EndpointPlan {
            scheme: Scheme::Http,
            host: format!("{side}.shop.example"),
            port: 8080,
        }],
        health: None,
        ejection: EjectionPlan {
            connect_failures: 5,
            time: Duration::from_secs(10),
            time_max: Duration::from_secs(300),
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

/// One operator of each role; the token is the name with "-token" behind it.
pub(crate) fn operators() -> Vec<Operator> {
    let roles = [
        ("vera", Role::Viewer),
        ("otto", Role::Operator),
        ("ada", Role::Approver),
    ];
    let operators = roles.map(|(name, role)| Operator {
        name: name.into(),
        token_sha256: Sha256::digest(format!("{name}-token")).into(),
        role,
    });
    operators.into()
}

/// Copies that have found something.
fn copies() -> ShadowStatus {
    ShadowStatus {
        since: AT,
        compared: PerSide { old: 415, new: 430 },
        differing: PerSide { old: 7, new: 212 },
        unexplained: 205,
        dropped: 3,
        differences: vec![
            "catalog: json /items/*/price differs in 212 of 430 copies to new, and in none of 415 to old".into(),
        ],
        difference_count: 1,
        is_given: Some(false),
    }
}

/// A ramp in its second step of five, with some traffic, one breach and an earlier rollback.
pub(crate) fn status() -> Status {
    Status {
        name: "shop".into(),
        version: "0.1.0".into(),
        process: ProcessStatus {
            pid: 4711,
            since: AT,
            predecessor: Some(PredecessorStatus {
                pid: 4700,
                version: "0.0.9".into(),
            }),
        },
        generation: 7,
        phase: Phase::Validate,
        weight: 5.0,
        request_share: Some(0.11),
        busiest_share: Some(0.4),
        ramp: RampStatus {
            state: "baking".into(),
            step: 2,
            steps: 5,
            weights: vec![1.0, 5.0, 25.0, 50.0, 100.0],
            since: Some(AT),
            bake_s: 300.0,
            bake_remaining_s: 120.5,
            evidence_requests_left: Some(520),
            evidence_remaining_s: Some(65.0),
            outlook: outlook(),
            requests: 480,
            requests_needed: 1000,
            waits: vec!["bake: 2 m left".into(), "requests: 480 of 1000".into()],
            reason: None,
        },
        sides: PerSide {
            old: side(41_020, 3, &["http://10.0.0.5:8080", "http://10.0.0.6:8080"]),
            new: side(2159, 31, &["https://203.0.113.9:443"]),
        },
        triggers: triggers(),
        evidence: evidence(),
        gates: gates(),
        dns: None,
        drill: None,
        shadow: Some(copies()),
        replications: replications(),
        before: BeforeStatus {
            requests: 52_000,
            errors: 41,
            error_rate: Some(0.000_788),
            slow_ms: Some(61.5),
        },
        rollbacks: 1,
        last_rollback: Some(RollbackStatus {
            at: AT,
            cause: "trigger:errors".into(),
            detail: "error_rate 12.5% over 2%, 8 of 64 requests".into(),
            reaction_ms: Some(412.0),
            sentence: Some("Everything went back to old from 25% by trigger errors.".into()),
        }),
        warnings: vec!["one endpoint of old is ejected".into()],
        not_ready: Vec::new(),
        connections: 64,
        buffered_bytes: 4_096,
        rejected: 2,
        accept_pauses: 0,
        store: "writable".into(),
        seq: 9,
        at: AT.after(Duration::from_secs(180)),
    }
}

fn gates() -> Vec<GateStatus> {
    vec![GateStatus {
        above_weight: 5.0,
        replication: "shop".into(),
        direction: Direction::Forward,
        lag_below_s: 1.0,
        satisfied: false,
        since: Some(AT),
        observed_s: 170.0,
        needed_s: 86_400.0,
        unobserved_s: 10.0,
        gaps: 1,
        earliest: Some(AT.after(Duration::from_secs(86_410))),
        broken_at: Some(AT),
        broken_by: Some("lag 1.4 s".into()),
    }]
}

fn replications() -> Vec<ReplicationStatus> {
    vec![ReplicationStatus {
        name: "shop".into(),
        direction: Direction::Forward,
        lag_s: Some(0.02),
        lag_max_s: Some(0.5),
        bytes: Some(4096),
        wal_lasts_s: Some(7200.0),
        unknown: None,
        unknown_readings: 2,
        at: Some(AT),
    }]
}

fn outlook() -> Vec<OutlookStatus> {
    let outlook = |weight, takes_s, notices| OutlookStatus {
        weight,
        takes_s,
        notices,
    };
    vec![
        outlook(1.0, None, None),
        outlook(5.0, Some(300.0), Some(0.0041)),
    ]
}

fn side(requests: u64, errors: u64, endpoints: &[&str]) -> SideStatus {
    let endpoint = |address: &&str| EndpointStatus {
        address: (*address).into(),
        healthy: true,
        standing: "usable".into(),
        resolved: Vec::new(),
        name_error: None,
        in_flight: 4,
        requests,
        errors,
    };
    SideStatus {
        requests,
        errors,
        error_rate: 0.0143,
        request_rate: 240.5,
        in_flight: 12,
        tunnels: 3,
        failovers: 1,
        forced: 2,
        pinned: 5,
        kept: 0,
        latency_ms: LatencyStatus {
            p50: 4.2,
            p90: 11.0,
            p99: 38.4,
            p999: 120.0,
        },
        endpoints: endpoints.iter().map(endpoint).collect(),
    }
}

fn evidence() -> Vec<EvidenceStatus> {
    vec![EvidenceStatus {
        name: "errors".into(),
        evidence_log10: Some(1.25),
        threshold_log10: Some(3.602),
        since: Some(AT),
        requests: PerSide {
            old: 2_890,
            new: 310,
        },
        events: PerSide { old: 0, new: 2 },
        latency_ms: PerSide::default(),
        text: "errors: 2 clients in 310 requests on new, 0 in 2890 on old; evidence 18, threshold \
               4000"
            .into(),
    }]
}

fn triggers() -> Vec<TriggerStatus> {
    let trigger = |name: &str, kind: &str, numbers: [Option<f64>; 3], verdict| TriggerStatus {
        name: name.into(),
        kind: kind.into(),
        reading: numbers[0],
        limit: numbers[1],
        old: numbers[2],
        requests: 240,
        verdict,
    };
    vec![
        trigger(
            "errors",
            "error_rate",
            [Some(0.0143), Some(0.02), Some(0.0001)],
            Verdict::Clear,
        ),
        trigger(
            "slower than old",
            "latency_p99",
            [Some(0.0384), Some(0.0306), Some(0.0204)],
            Verdict::Breach,
        ),
        trigger(
            "unreachable",
            "connect_failures",
            [None, Some(5.0), None],
            Verdict::Unknown,
        ),
    ]
}

/// A journal of one ramp that ends in a rollback, numbered from 1.
pub(crate) fn entries() -> Vec<Entry> {
    let salt = Salt::new([0xA5; 16]);
    let plan = Actor::Plan;
    let ada = Actor::Operator("ada".into());
    let weight = |points| Weight::from_basis_points(points).unwrap();
    let began = Change::Began { salt };
    let rolled_back = Change::RolledBack {
        cause: RollbackCause::Trigger("errors".into()),
        salt,
        from: weight(2500),
    };
    let held = Change::Held {
        cause: HoldCause::Operator,
        step: Some(1),
    };
    let weight_set = Change::WeightSet {
        from: weight(2500),
        step: Some(1),
    };
    let changes = [
        (began, 0, plan.clone(), "the journal began"),
        (Change::Started { step: 0 }, 100, ada.clone(), "started"),
        (
            Change::Advanced { from: 0, to: 1 },
            2500,
            plan.clone(),
            "step 1 baked",
        ),
        (held, 2500, ada.clone(), "looking at a log"),
        (weight_set, 2500, ada, "as agreed"),
        (rolled_back, 0, plan, "error_rate 12.5% over 2%"),
    ];
    let entries = (1..)
        .zip(changes)
        .map(|(seq, (change, points, actor, reason))| Entry {
            seq,
            at: AT.after(Duration::from_secs(seq)),
            generation: Generation::new(seq),
            weight: weight(points),
            evidence_since: Generation::new(1),
            plan: "d1".into(),
            change,
            actor,
            reason: reason.into(),
            readings: vec![TriggerReading {
                name: "errors".into(),
                kind: "error_rate".into(),
                reading: Some(0.125),
                limit: Some(0.02),
                old: None,
                requests: 64,
                verdict: Verdict::Breach,
                run: Some(Duration::from_millis(412)),
            }],
            reaction_ms: None,
            overtakes: None,
            explanation: (seq == 6).then(|| Box::new(explanation())),
        });
    entries.collect()
}

/// Why everything went back.
pub(crate) fn explanation() -> Explanation {
    let side = |requests, events| SideSeen {
        requests,
        events: Some(events),
        ..SideSeen::default()
    };
    Explanation {
        check: "evidence:401".into(),
        sides: PerSide {
            old: side(2_890, 0),
            new: side(310, 12),
        },
        limit: None,
        evidence_log10: Some(4.9),
        threshold_log10: Some(4.806),
        since: Some(AT.after(Duration::from_millis(4_700))),
        routes: vec![RouteSeen {
            name: "checkout".into(),
            requests: PerSide { old: 600, new: 64 },
            events: PerSide { old: 0, new: 11 },
        }],
        sentence: "Everything went back to old from 25% by evidence of status 401: 12 of 310 requests on new, \
            0 of 2890 on old within 1.3 s, 11 of 12 requests on route checkout; evidence 79000, threshold 64000."
            .into(),
    }
}

/// A journal in memory, to which tests write.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryJournal {
    pub(crate) entries: Arc<Mutex<Vec<Entry>>>,
}

impl Journal for MemoryJournal {
    fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let entries = self.entries.lock().unwrap();
        let after = entries.iter().filter(|entry| entry.seq > seq);
        Ok(after.take(limit).cloned().collect())
    }
}

/// The other end of a [`ControlHandle`]: it answers every command alike and keeps them.
pub(crate) struct FakeControl {
    pub(crate) handle: ControlHandle,
    pub(crate) status: Arc<ArcSwap<Status>>,
    pub(crate) announcements: broadcast::Sender<Arc<Entry>>,
    pub(crate) commands: Arc<Mutex<Vec<(Command, Actor)>>>,
    pub(crate) answer: Arc<Mutex<Result<Done, CommandError>>>,
    task: tokio::task::JoinHandle<()>,
}

impl FakeControl {
    /// Starts it on the runtime of the test.
    pub(crate) fn start(status: Status) -> Self {
        let (requests, mut asked) = mpsc::channel(16);
        let clock = Clock::starting_at(status.at);
        let status = Arc::new(ArcSwap::from_pointee(status));
        // Small, so that a follower that does not read lags soon.
        let (announcements, _) = broadcast::channel(4);
        let commands = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(Ok(Done {
            generation: 8,
            recorded: true,
        })));
        let (kept, given) = (Arc::clone(&commands), Arc::clone(&answer));
        let task = tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                match request {
                    Request::Command {
                        command,
                        actor,
                        answer,
                    } => {
                        kept.lock().unwrap().push((command, actor));
                        let given = given.lock().unwrap().clone();
                        drop(answer.send(given));
                    }
                    Request::Reload { answer, .. } => drop(answer),
                    Request::Upgraded { answer, .. }
                    | Request::DatabaseStep { answer, .. }
                    | Request::Dns { answer, .. } => {
                        drop(answer);
                    }
                    Request::Fence { .. }
                    | Request::Commit { .. }
                    | Request::TakeBack
                    | Request::Reopen(_)
                    | Request::HandOver { .. }
                    | Request::PredecessorEnded => {}
                    Request::Totals { answer } => drop(answer.send(Arc::default())),
                }
            }
        });
        Self {
            handle: ControlHandle::new(requests, Arc::clone(&status), announcements.clone(), clock),
            status,
            announcements,
            commands,
            answer,
            task,
        }
    }

    /// Ends it, as a control loop that panicked.
    pub(crate) async fn end(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err(), "it was aborted");
    }
}

//! The status document, made anew at each turn.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    control::{
        BeforeStatus, DrillStatus, EndpointStatus, EvidenceStatus, LatencyStatus, Observer,
        OutlookStatus, PredecessorStatus, ProcessStatus, RampStatus, RollbackStatus, ShadowStatus,
        SideStatus, Status, TriggerStatus, apply::Hands, databases, names, observe::STATUS_WINDOW,
        recorder::Recorder, warn,
    },
    cutover::{DrillOutcome, DrillStanding, Ramp, State, StoreState, TriggerReading, Wait, waits},
    evidence::Finding,
    measure::{Population, Standing, Windows},
    plan::{AdvanceOn, Edition, EndpointId, EndpointPlan, Plan},
    shadow::{self, Counts, DifferenceReport},
    units::{PerSide, Percentile, Side, Timestamp},
};

/// What a status is made of.
pub(super) struct Scene<'a> {
    pub(super) edition: &'a Edition,
    pub(super) state: &'a State,
    pub(super) observer: &'a Observer,
    pub(super) recorder: &'a Recorder,
    pub(super) hands: &'a Hands,
    /// The process that this one took over from, while it drains.
    pub(super) predecessor: Option<&'a PredecessorStatus>,
    /// Whether something failed by a fault of the program, since the last turn that went well.
    pub(super) is_faulty: bool,
    pub(super) at: Timestamp,
    pub(super) now: Instant,
    /// Since when this process leads.
    pub(super) since: Timestamp,
    /// How long the loop runs.
    pub(super) running: Duration,
}

impl Scene<'_> {
    /// The plan in force.
    pub(super) fn plan(&self) -> &Plan {
        self.edition.plan()
    }
}

/// The status now.
pub(super) fn status(scene: &Scene<'_>) -> Status {
    let position = &scene.state.position;
    let observer = scene.observer;
    let glance = observer.glance(scene.at);
    let observation = observer.gathered.observation(&glance);
    let waits = waits(scene.plan(), scene.state, &observation, scene.at);
    Status {
        name: scene.plan().name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: ProcessStatus {
            pid: std::process::id(),
            since: scene.since,
            predecessor: scene.predecessor.cloned(),
        },
        generation: position.generation.number(),
        phase: scene.state.phase(),
        weight: position.weight.percent(),
        request_share: request_share(observer),
        busiest_share: observer
            .gathered
            .evidence
            .share_of_busiest(BUSIEST)
            .map(rounded),
        ramp: ramp(scene, &waits),
        sides: PerSide::from_fn(|of| side(scene, of)),
        triggers: scene.state.readings().map(trigger).collect(),
        evidence: observer
            .gathered
            .evidence
            .findings()
            .map(|it| finding(&it))
            .collect(),
        gates: databases::gates(scene),
        replications: databases::replications(scene),
        dns: names::dns(scene),
        drill: drill(scene),
        shadow: copies(observer),
        before: before(observer),
        rollbacks: scene.hands.rollbacks,
        last_rollback: position.last_rollback.as_ref().map(|it| RollbackStatus {
            at: it.at,
            cause: it.cause.to_string(),
            detail: it.detail.clone(),
            reaction_ms: it.reaction_ms,
            sentence: it.sentence.clone(),
        }),
        warnings: warn::warnings(scene),
        not_ready: warn::not_ready(scene),
        connections: observer.totals.connections(),
        buffered_bytes: observer.totals.buffered(),
        rejected: observer.totals.rejections(),
        accept_pauses: observer.totals.pauses.iter().sum(),
        store: match &observer.store {
            StoreState::Writable => "writable".to_owned(),
            StoreState::Failing { error } => format!("failing: {error}"),
        },
        seq: position.seq,
        at: scene.at,
    }
}

/// What copies have shown.
fn copies(observer: &Observer) -> Option<ShadowStatus> {
    const SHOWN: usize = 10;
    let report = observer.copies.as_ref().ok()?;
    let is_one = |it: &&DifferenceReport| it.verdict == shadow::Verdict::Difference;
    let differences = || report.differences.iter().filter(is_one);
    let counts = |it: Counts| PerSide {
        old: it.old,
        new: it.new,
    };
    let dropped = report.dropped;
    Some(ShadowStatus {
        since: report.since,
        compared: counts(report.compared),
        differing: counts(report.differing),
        unexplained: report.unexplained,
        dropped: dropped.busy + dropped.too_long + dropped.incomplete,
        differences: differences().take(SHOWN).map(ToString::to_string).collect(),
        difference_count: differences().count(),
        is_given: report.gate.map(|it| it.is_given),
    })
}

/// The last drill.
fn drill(scene: &Scene<'_>) -> Option<DrillStatus> {
    let position = &scene.state.position;
    let drill = position.drill.as_ref()?;
    let mut status = DrillStatus {
        at: drill.at,
        actor: drill.actor.to_string(),
        fault: drill.injection.fault.to_string(),
        share: drill.injection.share.ratio(),
        state: "running".to_owned(),
        ended_at: None,
        cause: None,
        reaction_ms: None,
        touched: None,
        why: None,
        passed_at: position.drilled.as_ref().map(|it| it.at),
    };
    match &drill.standing {
        DrillStanding::Running => (),
        DrillStanding::Tripped { cause, .. } => {
            status.state = "tripped".to_owned();
            status.cause = Some(cause.to_string());
        }
        DrillStanding::Returning { outcome, .. } => {
            status.state = "returning".to_owned();
            if let DrillOutcome::Passed { cause, .. } = outcome {
                status.cause = Some(cause.to_string());
            }
        }
        DrillStanding::Ended { at, outcome } => {
            status.state = outcome.as_str().to_owned();
            status.ended_at = Some(*at);
            match outcome {
                DrillOutcome::Passed {
                    cause,
                    reaction_ms,
                    touched,
                } => {
                    status.cause = Some(cause.to_string());
                    status.reaction_ms = Some(*reaction_ms);
                    status.touched = Some(*touched);
                }
                DrillOutcome::NotNoticed { touched } => status.touched = Some(*touched),
                DrillOutcome::BrokenOff { by } => status.why = Some(by.clone()),
            }
        }
    }
    Some(status)
}

/// Slots whose share of the traffic is shown.
const BUSIEST: usize = 3;

fn request_share(observer: &Observer) -> Option<f64> {
    let on = |side| {
        observer
            .recent
            .tally(side, Population::Drawn, STATUS_WINDOW)
    };
    let (old, new) = (on(Side::Old).requests(), on(Side::New).requests());
    (old + new > 0).then(|| rounded(ratio(new, old + new)))
}

/// To a hundredth of a percent.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

fn ramp(scene: &Scene<'_>, waits: &[Wait]) -> RampStatus {
    let State {
        position, progress, ..
    } = scene.state;
    let steps = &scene.plan().ramp.steps;
    let step = match &position.ramp {
        Ramp::Complete { .. } => steps.len(),
        Ramp::Idle | Ramp::Baking { .. } | Ramp::Holding { .. } | Ramp::RolledBack { .. } => {
            position.ramp.step().map_or(0, |step| step + 1)
        }
    };
    // A plan may have got shorter since the journal named its step.
    let baking = match &position.ramp {
        Ramp::Baking { step, .. } => steps.get(*step),
        Ramp::Holding { step, .. } => step.and_then(|step| steps.get(step)),
        Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => None,
    };
    let remaining = baking.map(|it| it.bake.saturating_sub(progress.baked));
    let requests_left = baking.and_then(|_| evidence_requests_left(scene));
    let rate = request_rate(scene, Side::New);
    RampStatus {
        state: scene.state.shown(waits).to_owned(),
        step,
        steps: steps.len(),
        weights: steps.iter().map(|it| it.weight.percent()).collect(),
        since: position.ramp.since(),
        bake_s: baking.map_or(0.0, |it| it.bake.as_secs_f64()),
        bake_remaining_s: remaining.unwrap_or_default().as_secs_f64(),
        requests: progress.requests,
        requests_needed: baking.map_or(0, |it| it.requests),
        evidence_requests_left: requests_left,
        evidence_remaining_s: requests_left
            .filter(|left| *left == 0 || rate > 0.0)
            .map(|left| if left == 0 { 0.0 } else { display(left) / rate }),
        outlook: outlook(scene),
        waits: waits.iter().map(Wait::to_string).collect(),
        reason: hold_reason(&position.ramp),
    }
}

fn outlook(scene: &Scene<'_>) -> Vec<OutlookStatus> {
    let rate = request_rate(scene, Side::Old) + request_rate(scene, Side::New);
    if rate <= 0.0 {
        return Vec::new();
    }
    let (evidence, ramp) = (&scene.observer.gathered.evidence, &scene.plan().ramp);
    let steps = ramp.steps.iter().map(|step| {
        let outlook = evidence.outlook(step.weight, rate);
        let on_new = rate * step.weight.percent() / 100.0;
        let requests = Duration::try_from_secs_f64(display(step.requests) / on_new).ok();
        let evidence_takes = match ramp.advance {
            AdvanceOn::Evidence => outlook.evidence_takes(),
            AdvanceOn::Bake => Some(Duration::ZERO),
        };
        let takes = evidence_takes.zip(requests);
        let takes = takes.map(|(evidence, requests)| step.bake.max(evidence).max(requests));
        let within = takes.unwrap_or(step.bake);
        OutlookStatus {
            weight: step.weight.percent(),
            takes_s: takes.map(|it| it.as_secs_f64().round()),
            notices: outlook
                .noticed_within(evidence.settings(), within)
                .map(|it| (it * 1e6).round() / 1e6),
        }
    });
    steps.collect()
}

fn before(observer: &Observer) -> BeforeStatus {
    let before = observer.gathered.evidence.before();
    BeforeStatus {
        requests: before.requests,
        errors: before.errors,
        error_rate: (before.requests > 0)
            .then(|| (ratio(before.errors, before.requests) * 1e6).round() / 1e6),
        slow_ms: before.slow.map(in_ms),
    }
}

fn evidence_requests_left(scene: &Scene<'_>) -> Option<u64> {
    match scene.plan().ramp.advance {
        AdvanceOn::Evidence => Some(scene.observer.gathered.evidence.permit().requests_left),
        AdvanceOn::Bake => None,
    }
}

fn hold_reason(ramp: &Ramp) -> Option<String> {
    match ramp {
        Ramp::Holding { cause, .. } => Some(cause.to_string()),
        Ramp::Idle | Ramp::Baking { .. } | Ramp::RolledBack { .. } | Ramp::Complete { .. } => None,
    }
}

fn side(scene: &Scene<'_>, side: Side) -> SideStatus {
    let observer = scene.observer;
    let totals = &observer.totals;
    let since_start = &totals.sides[side];
    let recent = observer.recent.tally(side, Population::All, STATUS_WINDOW);
    SideStatus {
        requests: since_start.tally.requests(),
        errors: since_start.tally.errors(),
        error_rate: ratio(recent.errors(), recent.requests()),
        request_rate: request_rate(scene, side),
        in_flight: totals.in_flight(side),
        tunnels: totals.tunnels(side),
        failovers: since_start.failovers,
        forced: since_start.forced,
        pinned: since_start.pinned,
        kept: since_start.kept,
        latency_ms: latencies(&observer.recent, side),
        endpoints: scene
            .edition
            .endpoints(side)
            .map(|(id, plan)| endpoint(scene, id, plan))
            .collect(),
    }
}

/// Requests per second of late.
fn request_rate(scene: &Scene<'_>, side: Side) -> f64 {
    let recent = &scene.observer.recent;
    let recent = recent.tally(side, Population::All, STATUS_WINDOW);
    let span = scene.running.clamp(Duration::from_secs(1), STATUS_WINDOW);
    display(recent.requests()) / span.as_secs_f64()
}

/// With the requests that still wait, as triggers have it: a side that hangs is seen to.
fn latencies(recent: &Windows, side: Side) -> LatencyStatus {
    let millis = |percentile| {
        let latency = recent.latency_with_waiting(side, Population::All, STATUS_WINDOW, percentile);
        latency.unwrap_or_default().as_secs_f64() * 1000.0
    };
    LatencyStatus {
        p50: millis(Percentile::P50),
        p90: millis(Percentile::P90),
        p99: millis(Percentile::P99),
        p999: millis(Percentile::P999),
    }
}

fn endpoint(scene: &Scene<'_>, id: EndpointId, plan: &EndpointPlan) -> EndpointStatus {
    let totals = &scene.observer.totals;
    let counts = totals.endpoints.get(&id);
    let standing = scene.observer.board.standing(id, scene.at);
    let resolved = scene.observer.board.resolved(id);
    EndpointStatus {
        address: plan.to_string(),
        resolved: resolved.addresses.clone(),
        name_error: resolved.failure.as_ref().map(|it| it.reason.clone()),
        healthy: standing == Standing::Usable,
        standing: match standing {
            Standing::Usable => "usable",
            Standing::Unhealthy => "unhealthy",
            Standing::Ejected(_) => "ejected",
        }
        .to_owned(),
        in_flight: totals.endpoint_in_flight(id),
        requests: counts.map_or(0, |it| it.requests()),
        errors: counts.map_or(0, |it| it.errors()),
    }
}

fn trigger(reading: &TriggerReading) -> TriggerStatus {
    TriggerStatus {
        name: reading.name.clone(),
        kind: reading.kind.clone(),
        reading: reading.reading,
        limit: reading.limit,
        old: reading.old,
        requests: reading.requests,
        verdict: reading.verdict,
    }
}

fn finding(finding: &Finding) -> EvidenceStatus {
    let log10 = |ln: f64| {
        let log10 = ln / std::f64::consts::LN_10;
        log10.is_finite().then(|| (log10 * 1e3).round() / 1e3)
    };
    EvidenceStatus {
        name: finding.name(),
        evidence_log10: log10(finding.ln_evidence),
        threshold_log10: log10(finding.ln_threshold),
        since: finding.since,
        requests: finding.requests,
        events: finding.events(),
        latency_ms: finding.latency().map(|it| it.map(in_ms)),
        text: finding.to_string(),
    }
}

/// To the microsecond.
fn in_ms(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 1e6).round() / 1e3
}

fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => display(part) / display(whole),
    }
}

/// A count as a float, for display: exact up to 2^32, and beyond that nobody reads the last digit.
fn display(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

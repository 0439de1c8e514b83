//! The state as people and scripts see it: the document of `GET /api/v1/status`.

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Phase, Verdict},
    units::{PerSide, Timestamp},
};

/// Everything that `status` shows. Ratios are of 1, latencies in milliseconds, spans in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The plan's name.
    pub name: String,
    /// The binary's version.
    pub version: String,
    /// The generation in force.
    pub generation: u64,
    /// The phase of the move.
    pub phase: Phase,
    /// The weight in force, in percent.
    pub weight: f64,
    /// The ramp.
    pub ramp: RampStatus,
    /// Both sides.
    pub sides: PerSide<SideStatus>,
    /// Every trigger, in the plan's order.
    pub triggers: Vec<TriggerStatus>,
    /// What the sequential tests have gathered against new, each test in a fixed place.
    pub evidence: Vec<EvidenceStatus>,
    /// Rollbacks since the journal began.
    pub rollbacks: u64,
    /// The last rollback.
    pub last_rollback: Option<RollbackStatus>,
    /// What an operator should know, in sentences: a failing store, an unhealthy side, a worker that is silent.
    pub warnings: Vec<String>,
    /// Why this should not be taken as working, for `/readyz`: the store fails, a worker is silent. Empty when ready.
    pub not_ready: Vec<String>,
    /// Client connections open now.
    pub connections: u64,
    /// Requests refused before they were assigned, since start.
    pub rejected: u64,
    /// How often accepting clients has paused since start, for want of connections or descriptors.
    pub accept_pauses: u64,
    /// Whether the journal can be written.
    pub store: String,
    /// The last journal entry's number.
    pub seq: u64,
    /// When this was true.
    pub at: Timestamp,
}

/// The ramp as `status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RampStatus {
    /// `idle`, `baking`, `holding`, `rolled_back` or `complete`.
    pub state: String,
    /// The step, counted from 1; 0 before the first.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// The weight of each step, in percent.
    pub weights: Vec<f64>,
    /// Since when it is in this state.
    pub since: Option<Timestamp>,
    /// Observed time that the bake of the step takes; 0 before the first.
    pub bake_s: f64,
    /// Observed time that the bake still needs.
    pub bake_remaining_s: f64,
    /// Finished requests on new at this step, and how many it needs.
    pub requests: u64,
    /// See `requests`.
    pub requests_needed: u64,
    /// How many more requests on new without an error show that it is good enough for the next step; 0 when it is
    /// shown. Absent where no step is under way, or steps do not end on evidence.
    pub evidence_requests_left: Option<u64>,
    /// How long that takes at the rate of the last 10 s; absent where that is not known.
    pub evidence_remaining_s: Option<f64>,
    /// What an advance waits for, as phrases.
    pub waits: Vec<String>,
    /// For `holding`: why.
    pub reason: Option<String>,
}

/// One side as `status` shows it; rates and latencies are of the last 10 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideStatus {
    /// Requests since start.
    pub requests: u64,
    /// Errors of this side since start.
    pub errors: u64,
    /// Errors per request, last 10 s.
    pub error_rate: f64,
    /// Requests per second, last 10 s.
    pub request_rate: f64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Tunnels open.
    pub tunnels: u64,
    /// Of `requests`: assigned to new, answered by old, since start.
    pub failovers: u64,
    /// Requests by a signed override since start; counted in nothing else.
    pub forced: u64,
    /// Requests that a pinned route sent here since start.
    pub pinned: u64,
    /// Latency to the response head, last 10 s.
    pub latency_ms: LatencyStatus,
    /// The endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyStatus {
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
}

/// One endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// As in the configuration.
    pub address: String,
    /// Whether it is in choice.
    pub healthy: bool,
    /// `usable`, `unhealthy` or `ejected`.
    pub standing: String,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests since start.
    pub requests: u64,
    /// Errors since start.
    pub errors: u64,
}

/// One trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerStatus {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub kind: String,
    /// New's reading: a ratio, seconds or a count.
    pub reading: Option<f64>,
    /// The limit in the same unit.
    pub limit: Option<f64>,
    /// Old's reading.
    pub old: Option<f64>,
    /// Samples on new.
    pub requests: u64,
    /// What it says.
    pub verdict: Verdict,
}

/// What one sequential test has gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceStatus {
    /// The test's name.
    pub name: String,
    /// The decimal logarithm of the evidence; absent while there is none.
    pub evidence_log10: Option<f64>,
    /// What it has to reach for a trip; absent where the plan accepts no false alarm, so that nothing does.
    pub threshold_log10: Option<f64>,
    /// Since when the evidence has been growing; absent while it is not.
    pub since: Option<Timestamp>,
    /// Requests drawn for each side since then; for latencies those that were answered.
    pub requests: PerSide<u64>,
    /// Those of them that count, or with sticky clients the slots that they came from; none where latencies are compared.
    pub events: PerSide<u64>,
    /// For latencies: how long answers typically took, as geometric mean; absent where there were none.
    pub latency_ms: PerSide<Option<f64>>,
    /// The same in words.
    pub text: String,
}

/// A rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollbackStatus {
    /// When.
    pub at: Timestamp,
    /// `trigger:NAME`, `evidence:NAME` or `operator:NAME`.
    pub cause: String,
    /// The numbers, in words.
    pub detail: String,
    /// From the first sample of the run that tripped to publication.
    pub reaction_ms: Option<f64>,
}

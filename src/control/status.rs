//! The state as people and scripts see it: the document of `GET /api/v1/status`.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{DnsPurpose, Leads, Names, Phase, Verdict},
    plan::dns::{Change, RecordSet, Ttl},
    units::{Direction, PerSide, Timestamp},
};

/// Everything that `status` shows. Ratios are of 1, latencies in milliseconds, spans in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The plan's name.
    pub name: String,
    /// The binary's version.
    pub version: String,
    /// The process that leads.
    pub process: ProcessStatus,
    /// The generation in force.
    pub generation: u64,
    /// The phase of the move.
    pub phase: Phase,
    /// The weight in force, in percent.
    pub weight: f64,
    /// Of the requests that the weight decided on, the share drawn for new, last 10 s; absent without any. With sticky clients it
    /// may differ from the weight: a client with many requests is one client.
    pub request_share: Option<f64>,
    /// The share of all requests that the three busiest slots of clients make, about the last minute; absent without sticky
    /// clients.
    pub busiest_share: Option<f64>,
    /// The ramp.
    pub ramp: RampStatus,
    /// Both sides.
    pub sides: PerSide<SideStatus>,
    /// Every trigger, in the plan's order.
    pub triggers: Vec<TriggerStatus>,
    /// What the sequential tests have gathered against new, each test in a fixed place.
    pub evidence: Vec<EvidenceStatus>,
    /// Every gate that asks for a lag, in the plan's order.
    #[serde(default)]
    pub gates: Vec<GateStatus>,
    /// Each direction of each replication.
    #[serde(default)]
    pub replications: Vec<ReplicationStatus>,
    /// What was seen on old before anything went to new: what new is held against.
    pub before: BeforeStatus,
    /// Rollbacks since the journal began.
    pub rollbacks: u64,
    /// The last rollback.
    pub last_rollback: Option<RollbackStatus>,
    /// What an operator should know, in sentences: a failing store, an unhealthy side, a worker that is silent.
    pub warnings: Vec<String>,
    /// Names in DNS; absent where the configuration has none.
    pub dns: Option<DnsStatus>,
    /// The last drill; absent before the first.
    #[serde(default)]
    pub drill: Option<DrillStatus>,
    /// What copies of requests have shown; absent where the configuration has no `[shadow]`, and before the first report.
    #[serde(default)]
    pub shadow: Option<ShadowStatus>,
    /// Why this should not be taken as working, for `/readyz`: the store fails, a worker is silent. Empty when ready.
    pub not_ready: Vec<String>,
    /// Client connections open now.
    pub connections: u64,
    /// Bytes that wait for their other end now, of clients and for them.
    #[serde(default)]
    pub buffered_bytes: u64,
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

/// What copies of requests have shown; `GET /api/v1/shadow` has all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowStatus {
    /// Since when.
    pub since: Timestamp,
    /// Copies that were compared, by where they were sent.
    pub compared: PerSide<u64>,
    /// Of these, those that differ anywhere.
    pub differing: PerSide<u64>,
    /// Of those to new, those that differ at a place that was not known to be noise.
    pub unexplained: u64,
    /// Requests that were drawn and not compared.
    pub dropped: u64,
    /// Places at which new is shown to differ, in sentences, what is worst first; ten at most.
    pub differences: Vec<String>,
    /// How many such places there are.
    pub difference_count: usize,
    /// Whether `max_difference` is shown to be kept; absent where the configuration has none.
    pub is_given: Option<bool>,
}

/// A drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillStatus {
    /// When it was ordered.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// The fault, in words.
    pub fault: String,
    /// The share of requests that it is injected into.
    pub share: f64,
    /// `running`, `tripped`, `returning`, `passed`, `not_noticed` or `broken_off`.
    pub state: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What tripped.
    pub cause: Option<String>,
    /// From the first moment of the fault to weight 0, in ms.
    pub reaction_ms: Option<f64>,
    /// Requests that the fault was injected into; known once it has ended.
    pub touched: Option<u64>,
    /// What broke it off.
    pub why: Option<String>,
    /// When the last drill ended that was passed.
    pub passed_at: Option<Timestamp>,
}

/// Names in DNS as `status` shows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsStatus {
    /// Where clients may be led.
    pub leads: Leads,
    /// The last order; absent before the first.
    pub order: Option<DnsOrderStatus>,
    /// What the last order waits for while it is carried out, in words.
    pub progress: Option<String>,
    /// All that the journal says of names; not a part of the document.
    #[serde(skip)]
    pub names: Option<Names>,
    /// Whether everything that is in force is in the journal.
    #[serde(rename = "recorded")]
    pub is_recorded: bool,
    /// What is due without anybody's asking.
    pub due: Option<DnsPurpose>,
    /// The lowered TTL; absent where it was not lowered, or is restored.
    pub ttl: Option<LoweredStatus>,
    /// What keeps names from moving, as phrases; empty once they have moved.
    pub waits: Vec<String>,
    /// Every address of every server of the zone, as of the last look.
    pub servers: Vec<ServerStatus>,
    /// Why no server could be asked, or what they say counts for nothing.
    pub unknown: Option<String>,
    /// Every resolver of the plan, as of the last look.
    #[serde(default)]
    pub resolvers: Vec<ResolverStatus>,
    /// What still arrives at this process.
    #[serde(default)]
    pub arrivals: ArrivalsStatus,
    /// How quiet it is here; absent while names have not moved.
    #[serde(default)]
    pub quiet: Option<QuietStatus>,
}

/// One resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverStatus {
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it says of the names that move, each set with the TTL that is left.
    pub says: Vec<RecordSet>,
    /// Why that is not known.
    pub fault: Option<String>,
}

/// What arrives at this process, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalsStatus {
    /// The listeners, in the plan's order.
    pub listeners: Vec<SocketAddr>,
    /// Minutes that have ended, oldest first; an hour's at most.
    pub minutes: Vec<MinuteStatus>,
    /// Who came most within the last of them.
    pub busiest: Vec<VisitorStatus>,
}

/// What arrived within a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinuteStatus {
    /// When it began.
    pub at: Timestamp,
    /// Whether every worker reported all the time; else there may have been more.
    pub whole: bool,
    /// Requests, by listener in the order of `listeners`.
    pub requests: Vec<u64>,
    /// Addresses that they came from, by listener.
    pub clients: Vec<u64>,
    /// Whether there were more clients than were told apart.
    pub more_clients: bool,
}

/// A client and how often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorStatus {
    /// Its address.
    pub address: IpAddr,
    /// Its requests within the minute.
    pub requests: u64,
}

/// How quiet it is at the old address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuietStatus {
    /// Since when every server of the zone has led clients to new.
    pub moved_at: Timestamp,
    /// Requests a minute that arrive now, about the last minute or the plan's span where that is shorter.
    pub per_minute: f64,
    /// It is quiet where there are fewer than this.
    pub under: u32,
    /// For how long it has to be quiet.
    pub needed_s: f64,
    /// For how long it was.
    pub observed_s: f64,
    /// How much of the time since then was not observed.
    pub unobserved_s: f64,
    /// Since when it is quiet.
    pub since: Option<Timestamp>,
    /// Whether it has been quiet for long enough, and is.
    pub satisfied: bool,
    /// When it first was quiet for long enough.
    pub reached_at: Option<Timestamp>,
    /// When the last quiet ended, and what ended it.
    pub broken_at: Option<Timestamp>,
    /// See `broken_at`.
    pub broken_by: Option<String>,
    /// When there will be few enough requests, by how they become fewer.
    pub estimate: Option<EstimateStatus>,
    /// Why there is no estimate.
    pub no_estimate: Option<String>,
}

/// When few enough requests will arrive, by a fit of the last hour's minutes since resolvers may know of the move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimateStatus {
    /// In how many minutes half of the requests are gone.
    pub half_life_min: f64,
    /// When fewer than the limit arrive.
    pub below_at: Timestamp,
    /// That time for the fastest fall within two standard errors.
    pub earliest: Timestamp,
    /// The same for the slowest one.
    pub latest: Timestamp,
    /// When it will have been quiet for long enough, counted from `below_at`.
    pub quiet_at: Timestamp,
}

/// An order about names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsOrderStatus {
    /// What for.
    pub purpose: DnsPurpose,
    /// The change.
    pub change: Change,
    /// What TTLs are lowered to after that, in seconds.
    pub then: Vec<Ttl>,
    /// When it was given.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// `ordered`, `served` or `stopped`.
    pub state: String,
    /// Why it was stopped.
    pub why: Option<String>,
    /// When every server was first seen to say so.
    pub served_at: Option<Timestamp>,
    /// Until when resolvers that keep to TTLs may still say what was before it; known once it is served.
    pub stale_until: Option<Timestamp>,
}

/// A lowered TTL, and how long it has been given out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoweredStatus {
    /// What it was lowered to, in seconds.
    pub ttl: Ttl,
    /// How long every server has to be seen to give it out before names may move.
    pub needed_s: f64,
    /// For how long they were.
    pub observed_s: f64,
    /// How much of the time since then was not observed, and how often.
    pub unobserved_s: f64,
    /// See `unobserved_s`.
    pub gaps: u32,
    /// Since when; absent while some server gives out another one.
    pub since: Option<Timestamp>,
    /// Whether it was long enough.
    pub satisfied: bool,
    /// When it is, if nothing breaks it.
    pub earliest: Option<Timestamp>,
    /// When it was broken last, if ever, and by what.
    pub broken_at: Option<Timestamp>,
    /// See `broken_at`.
    pub broken_by: Option<String>,
}

/// One address of one server of the zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's name.
    pub name: String,
    /// The address.
    pub address: SocketAddr,
    /// What it says of the names that move.
    pub says: Vec<RecordSet>,
    /// Why that is not known.
    pub fault: Option<String>,
}

/// The process that leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its id.
    pub pid: u32,
    /// Since when it leads.
    pub since: Timestamp,
    /// The process that it took over from, while that drains.
    pub predecessor: Option<PredecessorStatus>,
}

/// A process that drains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredecessorStatus {
    /// Its id.
    pub pid: u32,
    /// Its version.
    pub version: String,
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
    /// What each step takes and shows at the rate of the last 10 s; empty where nothing is requested.
    pub outlook: Vec<OutlookStatus>,
    /// What an advance waits for, as phrases.
    pub waits: Vec<String>,
    /// For `holding`: why.
    pub reason: Option<String>,
}

/// What one step takes and shows, with every count at its mean: about half of the time it is sooner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutlookStatus {
    /// The step's weight, in percent.
    pub weight: f64,
    /// How long it takes in all: its bake, its requests and its evidence; absent where that hardly ever ends.
    pub takes_s: Option<f64>,
    /// The smallest share of errors on new that takes everything back meanwhile; absent where none does.
    pub notices: Option<f64>,
}

/// What was seen on old before anything went to new (A/A).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeforeStatus {
    /// Requests that ended well or failed; of late, where there were very many.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Errors per request; absent without requests.
    pub error_rate: Option<f64>,
    /// What is slow takes at least this long on new; absent before the first step, and where too little is known.
    pub slow_ms: Option<f64>,
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
    /// Reads of clients that had just written, kept here since start.
    #[serde(default)]
    pub kept: u64,
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
    /// Where its name leads, in the order in which addresses are tried; empty where it has an address itself.
    #[serde(default)]
    pub resolved: Vec<IpAddr>,
    /// Why its name cannot be resolved now; its last addresses are used meanwhile.
    #[serde(default)]
    pub name_error: Option<String>,
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

/// One gate that asks for a lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateStatus {
    /// Steps above this weight, in percent, wait for it.
    pub above_weight: f64,
    /// The replication's name.
    pub replication: String,
    /// `forward` or `reverse`.
    pub direction: Direction,
    /// The lag that it must be below.
    pub lag_below_s: f64,
    /// Whether it is satisfied now.
    pub satisfied: bool,
    /// Since when it has held; absent while it does not.
    pub since: Option<Timestamp>,
    /// How much of that was observed, and how much has to be.
    pub observed_s: f64,
    /// See `observed_s`.
    pub needed_s: f64,
    /// How much of it was not observed, and in how many gaps.
    pub unobserved_s: f64,
    /// See `unobserved_s`.
    pub gaps: u32,
    /// When it will be satisfied at the earliest; absent while it does not hold, and once it is.
    pub earliest: Option<Timestamp>,
    /// When it was broken last, and by what.
    pub broken_at: Option<Timestamp>,
    /// See `broken_at`.
    pub broken_by: Option<String>,
}

/// One direction of one replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicationStatus {
    /// Its name.
    pub name: String,
    /// `forward` or `reverse`; what is not set up is not shown in reverse.
    pub direction: Direction,
    /// The lag; absent while it is not known.
    pub lag_s: Option<f64>,
    /// The longest lag known of the last minute.
    pub lag_max_s: Option<f64>,
    /// Bytes of WAL that the target has not confirmed.
    pub bytes: Option<u64>,
    /// How long the source keeps the slot's WAL at the present rate; absent where nothing limits it.
    pub wal_lasts_s: Option<f64>,
    /// Why the lag is not known.
    pub unknown: Option<String>,
    /// Readings of the last minute that were not known.
    pub unknown_readings: usize,
    /// When it was read last.
    pub at: Option<Timestamp>,
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
    /// Why, in a sentence; absent where an earlier version recorded it.
    pub sentence: Option<String>,
}

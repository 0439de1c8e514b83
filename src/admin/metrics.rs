//! `GET /metrics`: the status and the counts since start in Prometheus' text format.
//!
//! Every name stands in [`table`]. Labels are bounded by the plan: sides, routes, endpoints, triggers, classes; and by the servers
//! of the zone that it names. A route gets its histograms with its first request; its counters are there from the start, so that rates see the first
//! error.

mod families;
mod names;
mod table;

use std::sync::LazyLock;

use prometheus::{TextEncoder, core::Collector, process_collector::ProcessCollector};

use crate::{
    admin::metrics::families::{Families, Family},
    control::Status,
    cutover::Verdict,
    measure::{Class, PartTotals, Pause, Rejection, Totals},
    plan::{Edition, RouteId},
    units::{PerSide, Side},
};

/// The content type of what [`render`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The ramp's states, as in the status.
const RAMP_STATES: [&str; 5] = ["idle", "baking", "holding", "rolled_back", "complete"];

/// One for the process, which is what it measures.
static PROCESS: LazyLock<ProcessCollector> = LazyLock::new(ProcessCollector::for_self);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The text could not be written.
    #[error("the metrics could not be written as text")]
    Encode(#[from] prometheus::Error),
}

/// The metrics as text.
///
/// # Errors
/// See [`MetricsError`].
pub fn render(edition: &Edition, status: &Status, totals: &Totals) -> Result<String, MetricsError> {
    let mut families = Families::default();
    add_position(&mut families, status);
    add_triggers(&mut families, status);
    add_evidence(&mut families, status);
    add_replications(&mut families, status);
    names::add_names(&mut families, edition, status);
    add_copies(&mut families, status);
    add_requests(&mut families, edition, totals);
    add_sides(&mut families, totals);
    add_durations(&mut families, edition, totals);
    add_load(&mut families, edition, totals);
    add_endpoints(&mut families, edition, status, totals);
    families.extend(PROCESS.collect());
    Ok(TextEncoder::new().encode_to_string(families.as_slice())?)
}

fn add_position(families: &mut Families, status: &Status) {
    let build = Family::of(table::BUILD_INFO).with(&[("version", &status.version)], 1.0);
    families.add(build);
    families.single(table::WEIGHT, status.weight / 100.0);
    families.single(table::GENERATION, count(status.generation));
    let mut states = Family::of(table::RAMP_STATE);
    for state in RAMP_STATES {
        states.push(&[("state", state)], truth(status.ramp.state == state));
    }
    families.add(states);
    families.single(table::RAMP_STEP, size(status.ramp.step));
    families.single(table::RAMP_STEPS, size(status.ramp.steps));
    families.single(table::BAKE_REMAINING, status.ramp.bake_remaining_s);
    families.single(table::ROLLBACKS, count(status.rollbacks));
    families.single(table::STORE_WRITABLE, truth(status.store == "writable"));
}

/// Adds what copies have shown; nothing where none are sent.
fn add_copies(families: &mut Families, status: &Status) {
    let Some(shadow) = &status.shadow else {
        return;
    };
    let mut copies = Family::of(table::SHADOW_COPIES);
    let mut differing = Family::of(table::SHADOW_DIFFERING);
    for side in Side::ALL {
        let labels = [("side", side.as_str())];
        copies.push(&labels, count(shadow.compared[side]));
        differing.push(&labels, count(shadow.differing[side]));
    }
    families.add(copies);
    families.add(differing);
    families.single(table::SHADOW_UNEXPLAINED, count(shadow.unexplained));
    families.single(table::SHADOW_DROPPED, count(shadow.dropped));
    families.single(table::SHADOW_DIFFERENCES, size(shadow.difference_count));
}

fn add_triggers(families: &mut Families, status: &Status) {
    let mut breach = Family::of(table::TRIGGER_BREACH);
    let mut unknown = Family::of(table::TRIGGER_UNKNOWN);
    let mut reading = Family::of(table::TRIGGER_READING);
    let mut limit = Family::of(table::TRIGGER_LIMIT);
    for trigger in &status.triggers {
        let labels = [
            ("trigger", trigger.name.as_str()),
            ("reading", trigger.kind.as_str()),
        ];
        breach.push(&labels, truth(trigger.verdict == Verdict::Breach));
        unknown.push(&labels, truth(trigger.verdict == Verdict::Unknown));
        if let Some(value) = trigger.reading {
            reading.push(&labels, value);
        }
        if let Some(value) = trigger.limit {
            limit.push(&labels, value);
        }
    }
    for family in [breach, unknown, reading, limit] {
        families.add(family);
    }
}

fn add_evidence(families: &mut Families, status: &Status) {
    let mut evidence = Family::of(table::EVIDENCE);
    let mut threshold = Family::of(table::EVIDENCE_THRESHOLD);
    for test in &status.evidence {
        let labels = [("test", test.name.as_str())];
        if let Some(value) = test.evidence_log10 {
            evidence.push(&labels, value);
        }
        if let Some(value) = test.threshold_log10 {
            threshold.push(&labels, value);
        }
    }
    for family in [evidence, threshold] {
        families.add(family);
    }
}

fn add_replications(families: &mut Families, status: &Status) {
    let mut lag = Family::of(table::LAG);
    let mut bytes = Family::of(table::LAG_BYTES);
    let mut known = Family::of(table::LAG_KNOWN);
    let mut lasts = Family::of(table::WAL_LASTS);
    for it in &status.replications {
        let direction = it.direction.as_str();
        let labels = [("name", it.name.as_str()), ("direction", direction)];
        known.push(&labels, truth(it.lag_s.is_some()));
        if let Some(value) = it.lag_s {
            lag.push(&labels, value);
        }
        if let Some(value) = it.bytes {
            bytes.push(&labels, count(value));
        }
        if let Some(value) = it.wal_lasts_s {
            lasts.push(&labels, value);
        }
    }
    let mut satisfied = Family::of(table::GATE_SATISFIED);
    for (place, it) in (1..).zip(&status.gates) {
        let place: usize = place;
        let (gate, direction) = (place.to_string(), it.direction.as_str());
        let labels = [
            ("gate", gate.as_str()),
            ("name", it.replication.as_str()),
            ("direction", direction),
        ];
        satisfied.push(&labels, truth(it.satisfied));
    }
    for family in [lag, bytes, known, lasts, satisfied] {
        families.add(family);
    }
}

fn add_requests(families: &mut Families, edition: &Edition, totals: &Totals) {
    let mut requests = Family::of(table::REQUESTS);
    let mut errors = Family::of(table::ERRORS);
    let mut sent = Family::of(table::REQUEST_BYTES);
    let mut received = Family::of(table::RESPONSE_BYTES);
    for (id, route) in routes(edition) {
        let counts = totals.routes.get(&id).copied().unwrap_or_default();
        for side in Side::ALL {
            let counts: &PartTotals = &counts[side];
            let labels = [("side", side.as_str()), ("route", route)];
            for class in Class::ALL {
                let [side, route] = labels;
                let labels = [side, route, ("class", class.as_str())];
                requests.push(&labels, count(counts.count(class)));
            }
            errors.push(&labels, count(counts.errors()));
            sent.push(&labels, count(counts.bytes_up));
            received.push(&labels, count(counts.bytes_down));
        }
    }
    for family in [requests, errors, sent, received] {
        families.add(family);
    }
}

fn add_sides(families: &mut Families, totals: &Totals) {
    let mut assignments = Family::of(table::ASSIGNMENTS);
    let mut attempts = Family::of(table::ATTEMPTS);
    let mut failovers = Family::of(table::FAILOVERS);
    for side in Side::ALL {
        let counts = &totals.sides[side];
        let label = ("side", side.as_str());
        for (cause, requests) in [
            ("weighted", counts.weighted),
            ("pinned", counts.pinned),
            ("writes", counts.by_writes),
            ("kept", counts.kept),
            ("forced", counts.forced),
        ] {
            assignments.push(&[label, ("cause", cause)], count(requests));
        }
        attempts.push(&[label], count(counts.attempts));
        failovers.push(&[label], count(counts.failovers));
    }
    for family in [assignments, attempts, failovers] {
        families.add(family);
    }
}

fn add_durations(families: &mut Families, edition: &Edition, totals: &Totals) {
    let mut durations = Family::of(table::DURATION);
    let mut heads = Family::of(table::RESPONSE_HEAD);
    for (id, route) in routes(edition) {
        let Some(counts) = totals.routes.get(&id) else {
            continue;
        };
        for side in Side::ALL {
            let labels = [("side", side.as_str()), ("route", route)];
            durations.push_buckets(&labels, &counts[side].durations);
            heads.push_buckets(&labels, &counts[side].heads);
        }
    }
    families.add(durations);
    families.add(heads);
}

fn add_load(families: &mut Families, edition: &Edition, totals: &Totals) {
    let mut in_flight = Family::of(table::IN_FLIGHT);
    let mut tunnels = Family::of(table::TUNNELS);
    for side in Side::ALL {
        for (id, route) in routes(edition) {
            let labels = [("side", side.as_str()), ("route", route)];
            in_flight.push(&labels, count(totals.route_in_flight(id, side)));
        }
        tunnels.push(&[("side", side.as_str())], count(totals.tunnels(side)));
    }
    families.add(in_flight);
    families.add(tunnels);
    families.single(table::CONNECTIONS, count(totals.connections()));
    families.single(table::BUFFERED, count(totals.buffered()));
    let mut rejected = Family::of(table::REJECTED);
    for reason in Rejection::ALL {
        let requests = totals.rejected[reason.index()];
        rejected.push(&[("reason", reason.as_str())], count(requests));
    }
    families.add(rejected);
    let mut pauses = Family::of(table::ACCEPT_PAUSES);
    for cause in Pause::ALL {
        let labels = [("cause", cause.as_str())];
        pauses.push(&labels, count(totals.pauses[cause.index()]));
    }
    families.add(pauses);
    families.single(table::LOST, count(totals.lost));
}

fn add_endpoints(families: &mut Families, edition: &Edition, status: &Status, totals: &Totals) {
    let mut usable = Family::of(table::ENDPOINT_USABLE);
    let mut requests = Family::of(table::ENDPOINT_REQUESTS);
    let mut in_flight = Family::of(table::ENDPOINT_IN_FLIGHT);
    let mut heads = Family::of(table::ENDPOINT_RESPONSE_HEAD);
    let names = PerSide::from_fn(|side| endpoint_names(edition, side));
    for side in Side::ALL {
        let states = &status.sides[side].endpoints;
        let ids = edition.endpoints(side).map(|(id, _)| id);
        for ((id, name), place) in ids.zip(&names[side]).zip(0..) {
            let labels = [("side", side.as_str()), ("endpoint", name.as_str())];
            if let Some(state) = states.get::<usize>(place) {
                usable.push(&labels, truth(state.healthy));
            }
            in_flight.push(&labels, count(totals.endpoint_in_flight(id)));
            let Some(counts) = totals.endpoints.get(&id) else {
                continue;
            };
            for class in Class::ALL {
                let [side, endpoint] = labels;
                let labels = [side, endpoint, ("class", class.as_str())];
                requests.push(&labels, count(counts.count(class)));
            }
            heads.push_buckets(&labels, &counts.heads);
        }
    }
    for family in [usable, requests, in_flight, heads] {
        families.add(family);
    }
}

/// Every route's id and name, that of the rest last.
fn routes(edition: &Edition) -> impl Iterator<Item = (RouteId, &str)> {
    let named = edition.routes();
    let named = named.map(|(id, route)| (id, route.name.as_str()));
    named.chain([(RouteId::REST, RouteId::REST_NAME)])
}

/// The endpoints' addresses; one that is named twice has its place behind it, since no two samples may share their
/// labels.
fn endpoint_names(edition: &Edition, side: Side) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (place, (_, endpoint)) in edition.endpoints(side).enumerate() {
        let name = endpoint.to_string();
        let name = match names.contains(&name) {
            true => format!("{name}#{place}"),
            false => name,
        };
        names.push(name);
    }
    names
}

/// The text format knows floats only: counts beyond 2^53 lose their last digits.
#[expect(
    clippy::cast_precision_loss,
    reason = "the text format knows floats only"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the text format knows floats only"
)]
const fn size(number: usize) -> f64 {
    number as f64
}

const fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests;

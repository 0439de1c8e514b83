//! Every metric of ours: name, kind and help. A name ends in its unit, and a counter's in `_total`.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Declares each metric as a constant, and all of them as a table.
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal $help:literal;)*) => {
        $(pub(crate) const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            help: $help,
        };)*

        /// Every metric of ours, in the order in which they are shown; those of the process follow.
        #[cfg(test)]
        pub(crate) const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = Gauge "changeover_build_info"
        "1, with the version that runs as a label.";
    WEIGHT = Gauge "changeover_weight_ratio"
        "Share of the traffic for new, from 0 to 1.";
    GENERATION = Gauge "changeover_generation"
        "Number of the split table in force; rises with each change of weight.";
    RAMP_STATE = Gauge "changeover_ramp_state"
        "1 for the state that the ramp is in, 0 for the others.";
    RAMP_STEP = Gauge "changeover_ramp_step"
        "The ramp's step, counted from 1; 0 before the first.";
    RAMP_STEPS = Gauge "changeover_ramp_steps"
        "How many steps the ramp has.";
    BAKE_REMAINING = Gauge "changeover_bake_remaining_seconds"
        "Observed time that the present step still needs.";
    ROLLBACKS = Counter "changeover_rollbacks_total"
        "Rollbacks since the journal began.";
    STORE_WRITABLE = Gauge "changeover_store_writable"
        "Whether the journal can be written.";
    TRIGGER_BREACH = Gauge "changeover_trigger_breach"
        "Whether the trigger's reading is above its limit.";
    TRIGGER_UNKNOWN = Gauge "changeover_trigger_unknown"
        "Whether the trigger has too few samples to say anything.";
    TRIGGER_READING = Gauge "changeover_trigger_reading"
        "What the trigger reads on new: a ratio, seconds or a count, as its reading says; absent without samples.";
    TRIGGER_LIMIT = Gauge "changeover_trigger_limit"
        "The trigger's limit, in the unit of its reading; absent where old has no reading to compare with.";
    EVIDENCE = Gauge "changeover_evidence_log10"
        "Decimal logarithm of the evidence that the test has against new; absent while it has none.";
    EVIDENCE_THRESHOLD = Gauge "changeover_evidence_threshold_log10"
        "What the evidence has to reach for a trip; absent where no false alarm is accepted.";
    LAG = Gauge "changeover_replication_lag_seconds"
        "How far the target trails the source; absent while it is not known.";
    LAG_BYTES = Gauge "changeover_replication_lag_bytes"
        "Bytes of WAL that the target has not confirmed; absent while the lag is not known.";
    LAG_KNOWN = Gauge "changeover_replication_lag_known"
        "Whether the lag is known.";
    WAL_LASTS = Gauge "changeover_replication_wal_lasts_seconds"
        "How long the source keeps the slot's WAL at the present rate; absent where nothing limits it.";
    GATE_SATISFIED = Gauge "changeover_gate_satisfied"
        "Whether a gate that asks for a lag is satisfied.";
    DNS_MOVED = Gauge "changeover_dns_moved"
        "Whether names may lead clients to new: from the order to move on, until every server says again what was before.";
    DNS_ORDER = Gauge "changeover_dns_order_state"
        "1 for the last order about names and the state that it is in, 0 for the others.";
    DNS_TTL_REMAINING = Gauge "changeover_dns_ttl_remaining_seconds"
        "How long every server still has to give out the lowered TTL before names may move; absent where none is lowered.";
    DNS_SERVERS_KNOWN = Gauge "changeover_dns_servers_known"
        "Whether the zone's servers were found, and asked of late.";
    DNS_SERVER_ANSWERS = Gauge "changeover_dns_server_answers"
        "Whether the server answered when it was asked last.";
    DNS_SERVER_EXPECTED = Gauge "changeover_dns_server_as_expected"
        "Whether the server says what was ordered last, or what from has where nothing was; absent while it does not answer.";
    DNS_SERVER_TTL = Gauge "changeover_dns_server_ttl_seconds"
        "The longest TTL that the server gives out for names that move; absent while it does not answer.";
    SHADOW_COPIES = Counter "changeover_shadow_copies_total"
        "Copies of requests that were compared, by where they were sent.";
    SHADOW_DIFFERING = Counter "changeover_shadow_differing_total"
        "Copies that were answered otherwise than old answered the client, noise included.";
    SHADOW_UNEXPLAINED = Counter "changeover_shadow_unexplained_total"
        "Copies to new that differ at a place that was not known to be noise.";
    SHADOW_DROPPED = Counter "changeover_shadow_dropped_total"
        "Requests that were drawn to be copied and were not compared.";
    SHADOW_DIFFERENCES = Gauge "changeover_shadow_differences"
        "Places at which new is shown to differ beyond noise.";
    REQUESTS = Counter "changeover_requests_total"
        "Requests by the side that owns the outcome, forced ones not counted.";
    ERRORS = Counter "changeover_errors_total"
        "Requests that were an error of their side: classes 5xx, grpc, connect, timeout and reset.";
    ASSIGNMENTS = Counter "changeover_assignments_total"
        "Finished requests by the reason for which they got their side, forced ones included.";
    ATTEMPTS = Counter "changeover_attempts_total"
        "Requests sent to endpoints, retries included and refused connections not.";
    FAILOVERS = Counter "changeover_failovers_total"
        "Requests drawn for a side that could not be reached, answered by the other one.";
    DURATION = Histogram "changeover_request_duration_seconds"
        "From the request head's arrival to the end of the response.";
    RESPONSE_HEAD = Histogram "changeover_response_head_seconds"
        "From the request head's arrival, or its last body byte sent if that is later, to the response head.";
    REQUEST_BYTES = Counter "changeover_request_body_bytes_total"
        "Request body bytes sent to endpoints.";
    RESPONSE_BYTES = Counter "changeover_response_body_bytes_total"
        "Response body bytes sent to clients.";
    IN_FLIGHT = Gauge "changeover_in_flight_requests"
        "Requests in flight, forced ones included.";
    TUNNELS = Gauge "changeover_tunnels"
        "Open tunnels: WebSockets and other upgraded connections.";
    CONNECTIONS = Gauge "changeover_connections"
        "Open client connections.";
    BUFFERED = Gauge "changeover_buffered_bytes"
        "Bytes that wait for their other end, of clients and for them.";
    REJECTED = Counter "changeover_rejected_total"
        "Requests refused before they were assigned to a side.";
    ACCEPT_PAUSES = Counter "changeover_accept_pauses_total"
        "How often accepting clients has paused, by what was used up.";
    LOST = Counter "changeover_measurements_lost_total"
        "Measurements that were dropped because nobody took them in time.";
    ENDPOINT_USABLE = Gauge "changeover_endpoint_usable"
        "Whether the endpoint is in choice: healthy and not ejected.";
    ENDPOINT_REQUESTS = Counter "changeover_endpoint_requests_total"
        "Requests by the last endpoint of their side that was tried.";
    ENDPOINT_IN_FLIGHT = Gauge "changeover_endpoint_in_flight_requests"
        "Requests in flight at the endpoint.";
    ENDPOINT_RESPONSE_HEAD = Histogram "changeover_endpoint_response_head_seconds"
        "As changeover_response_head_seconds, by endpoint.";
}

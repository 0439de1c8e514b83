//! How long anything may take and how much of anything there may be.

use std::time::Duration;

/// The limits on time, each observed where it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A client's TLS handshake, and the wait for its first byte.
    pub tls_handshake: Duration,
    /// From the first byte of a request head to its end.
    pub request_head: Duration,
    /// Between two pieces of a body, in either direction.
    pub body_idle: Duration,
    /// A client's keep-alive connection between two requests.
    pub client_idle: Duration,
    /// Connecting to an endpoint, its TLS handshake included.
    pub connect: Duration,
    /// From the request's last byte (or its head, if its body is still going on) to the response head.
    pub response_head: Duration,
    /// How long a request goes on whose client has shut down its sending side: it may wait for the answer, or be gone.
    pub half_closed: Duration,
    /// An idle pooled connection to an endpoint; shorter than endpoints keep theirs.
    pub upstream_idle: Duration,
    /// A tunnel without a byte in either direction.
    pub tunnel_idle: Duration,
    /// From the signal to stop until what still runs is cut.
    pub drain: Duration,
    /// How long a process that is to take over may take to load what it needs, and for each word after it at most.
    pub upgrade: Duration,
}

/// Whether header names may hold underscores, which some servers read as hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// They are refused.
    Refuse,
    /// They pass.
    Accept,
}

/// The limits on amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request head, and of one response head.
    pub head_bytes: usize,
    /// Bytes of a request line's target.
    pub target_bytes: usize,
    /// Bytes of one header field's line in a request.
    pub header_bytes: usize,
    /// Header fields of one head.
    pub headers: usize,
    /// Whether requests may have underscores in header names.
    pub underscores: Underscores,
    /// Client connections open at once, over all workers; beyond it the accept waits.
    pub connections: usize,
    /// Client connections open at once from one address, over all workers; more are turned away. `None`: as many as there
    /// may be in all.
    pub connections_per_client: Option<usize>,
    /// Requests in flight on one side, over all workers; more are answered with 503.
    pub requests_per_side: usize,
    /// Frames without content that one HTTP/2 connection may send within a second.
    pub control_frames: u32,
    /// Streams at once on one HTTP/2 connection, from clients and to endpoints.
    pub streams: u32,
    /// Idle pooled connections per endpoint and worker.
    pub idle_per_endpoint: usize,
    /// Connections per endpoint and worker, idle or not; beyond it a request waits up to the connect time-out.
    pub connections_per_endpoint: usize,
    /// Bytes buffered per direction of one stream.
    pub buffer_bytes: usize,
    /// Bytes buffered in all, over all workers; beyond it requests are answered with 503.
    pub buffered_bytes: usize,
    /// Bytes a second that a body moves at least, from a client or to one, while the client is waited for; 0 is no limit.
    pub body_rate: u64,
    /// Entries that one page of the journal returns.
    pub events_page: usize,
}

#[cfg(test)]
impl Limits {
    /// What tests begin with.
    pub(crate) const OF_TESTS: Self = Self {
        head_bytes: 64 << 10,
        target_bytes: 8 << 10,
        header_bytes: 8 << 10,
        headers: 100,
        underscores: Underscores::Refuse,
        connections: 100,
        connections_per_client: None,
        requests_per_side: 10_000,
        control_frames: 1_000,
        streams: 100,
        idle_per_endpoint: 8,
        connections_per_endpoint: 100,
        buffer_bytes: 64 << 10,
        buffered_bytes: 1 << 30,
        body_rate: 240,
        events_page: 100,
    };
}

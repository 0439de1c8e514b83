//! What an origin has done so far.
//!
//! Reading the counters is not counted: a connection begins to count with its first request for something else.

use std::cell::Cell;

/// Counters of one origin, which runs on one thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that have carried a request.
    pub connections: Cell<u64>,
    /// Requests answered in full, but for copies that a proxy makes of them.
    pub requests: Cell<u64>,
    /// Body bytes of requests.
    pub bytes_in: Cell<u64>,
    /// Body bytes of answers.
    pub bytes_out: Cell<u64>,
}

impl Counters {
    /// Adds to one of them.
    pub fn add(counter: &Cell<u64>, count: u64) {
        counter.set(counter.get().wrapping_add(count));
    }

    /// As they are read over HTTP.
    pub fn json(&self) -> String {
        serde_json::json!({
            "connections": self.connections.get(),
            "requests": self.requests.get(),
            "bytes_in": self.bytes_in.get(),
            "bytes_out": self.bytes_out.get(),
        })
        .to_string()
    }
}

//! Follows a client's byte stream from head to body to head, byte for byte.
//!
//! ```text
//!        ┌────────────────────── the message is over ──────────────────────┐
//!        ▼                                                                 │
//!      Head ──complete──► Sized | Chunked ──► Trailers ──► (asked for an upgrade?) ──► Undecided ──granted──► Tunnel
//!        └──► Refused        └──► Refused
//! ```
//!
//! Heads and trailer sections pass only whole and in order; body bytes pass as they come.

use super::{
    chunked::{Chunked, Chunks},
    request_head::{Body, RequestHead, Verdict},
    scan::{Scan, Scanned},
};
use crate::{measure::Rejection, proxy::head::GuardLimits};

/// The reader of one connection's stream.
#[derive(Debug)]
pub(super) struct Framing {
    limits: GuardLimits,
    state: State,
    /// Heads that have passed.
    heads: u64,
    /// Whether the message being read asks for an upgrade.
    asks_upgrade: bool,
}

#[derive(Debug)]
enum State {
    Head(Scan, RequestHead),
    Sized(u64),
    Chunked(Chunks),
    Trailers(Scan),
    Undecided,
    Tunnel,
    Refused,
}

/// What became of the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// So many may pass; the rest is to be given again, with more behind it.
    pub(super) passed: usize,
    /// Why nothing may pass after those, if so.
    pub(super) fault: Option<Fault>,
}

/// Why the stream ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The next head is refused.
    Head(Rejection),
    /// The body under way breaks its framing.
    Body,
}

impl Framing {
    /// Before the first head.
    pub(super) fn new(limits: GuardLimits) -> Self {
        Self {
            limits,
            state: State::head(),
            heads: 0,
            asks_upgrade: false,
        }
    }

    /// Reads on: `bytes` begins with those that the last call did not let pass.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Progress {
        let mut passed = 0;
        loop {
            let rest = &bytes[passed..];
            let step = self.step(rest);
            match step {
                Step::Passed(count) => passed += count,
                Step::Wait => {
                    return Progress {
                        passed,
                        fault: None,
                    };
                }
                Step::Fault(count, fault) => {
                    self.state = State::Refused;
                    return Progress {
                        passed: passed + count,
                        fault: Some(fault),
                    };
                }
            }
        }
    }

    /// Heads that have passed.
    pub(super) const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a head.
    pub(super) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head(..))
    }

    /// Whether it is still to be told if the bytes to come are a tunnel's.
    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// The upgrade was granted: everything passes.
    pub(super) fn tunnel(&mut self) {
        self.state = State::Tunnel;
    }

    /// The upgrade was not granted: a head follows.
    pub(super) fn decline(&mut self) {
        self.state = State::head();
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        match &mut self.state {
            State::Head(scan, head) => match scan.head(rest, head, &self.limits) {
                Ok(Scanned::Partial) => Step::Wait,
                Ok(Scanned::Complete(length, verdict)) => {
                    self.heads += 1;
                    self.begin_body(verdict);
                    Step::Passed(length)
                }
                Err(rejection) => Step::Fault(0, Fault::Head(rejection)),
            },
            State::Sized(_) | State::Chunked(_) if rest.is_empty() => Step::Wait,
            State::Sized(left) => {
                let taken = usize::try_from(*left).map_or(rest.len(), |it| it.min(rest.len()));
                // At most `left` was taken, so the difference cannot be negative.
                *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.end_message();
                }
                Step::Passed(taken)
            }
            State::Chunked(chunks) => match chunks.advance(rest) {
                Chunked::More => Step::Passed(rest.len()),
                Chunked::Last(length) => {
                    self.state = State::Trailers(Scan::default());
                    Step::Passed(length)
                }
                Chunked::Fault(length) => Step::Fault(length, Fault::Body),
            },
            State::Trailers(scan) => match scan.trailers(rest, &self.limits) {
                Ok(Scanned::Partial) => Step::Wait,
                Ok(Scanned::Complete(length, ())) => {
                    self.end_message();
                    Step::Passed(length)
                }
                Err(_) => Step::Fault(0, Fault::Body),
            },
            State::Tunnel if !rest.is_empty() => Step::Passed(rest.len()),
            State::Undecided | State::Tunnel | State::Refused => Step::Wait,
        }
    }

    fn begin_body(&mut self, verdict: Verdict) {
        self.asks_upgrade = verdict.asks_upgrade;
        match verdict.body {
            Body::Sized(0) => self.end_message(),
            Body::Sized(length) => self.state = State::Sized(length),
            Body::Chunked => self.state = State::Chunked(Chunks::new()),
        }
    }

    fn end_message(&mut self) {
        self.state = if self.asks_upgrade {
            State::Undecided
        } else {
            State::head()
        };
    }
}

impl State {
    fn head() -> Self {
        Self::Head(Scan::default(), RequestHead::default())
    }
}

/// What one state made of the bytes.
enum Step {
    /// So many pass, and the state may be another one.
    Passed(usize),
    /// Nothing more can be said without more bytes, or a decision.
    Wait,
    /// So many pass, and then comes a fault.
    Fault(usize, Fault),
}

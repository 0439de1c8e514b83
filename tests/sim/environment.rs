//! One environment of the simulated world: how it answers, and how it fails.

use std::time::Duration;

use changeover::{
    measure::Class,
    units::{Share, Timestamp},
};
use fastrand::Rng;

/// How an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All well.
    Fine,
    /// It answers this share of requests with a 5xx.
    Errors(Share),
    /// It takes this many times as long.
    Slow(u32),
    /// It refuses connections.
    Refusing,
    /// It takes requests and never answers.
    Hanging,
    /// One of its endpoints fails its health check; the others answer.
    OneDown,
    /// All well, but every health check fails: it asks for what is not there.
    Misjudged,
}

/// What becomes of a request that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The connection is refused.
    Refused,
    /// It is answered after a while.
    Answered(Duration, Class),
    /// It is not answered before the time-out.
    Unanswered,
}

/// One environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) mode: Mode,
    /// Since when it is in this mode.
    pub(crate) since: Timestamp,
    /// The usual latency.
    pub(crate) latency: Duration,
}

/// How many endpoints each environment has.
pub(crate) const ENDPOINTS: u16 = 2;

impl Environment {
    pub(crate) fn fine(latency: Duration) -> Self {
        Self {
            mode: Mode::Fine,
            since: Timestamp::default(),
            latency,
        }
    }

    pub(crate) fn set(&mut self, mode: Mode, now: Timestamp) {
        if self.mode != mode {
            self.mode = mode;
            self.since = now;
        }
    }

    /// Sends it a request.
    pub(crate) fn answer(&self, rng: &mut Rng) -> Fate {
        // Half to one and a half times the usual latency.
        let usual = self.latency.mul_f64(0.5 + rng.f64());
        match self.mode {
            Mode::Fine | Mode::OneDown | Mode::Misjudged => Fate::Answered(usual, Class::Success),
            Mode::Errors(share) => {
                let is_error = rng.u32(..1_000_000) < share.parts_per_million();
                let class = match is_error {
                    true => Class::ServerError,
                    false => Class::Success,
                };
                Fate::Answered(usual, class)
            }
            Mode::Slow(factor) => Fate::Answered(usual * factor, Class::Success),
            Mode::Refusing => Fate::Refused,
            Mode::Hanging => Fate::Unanswered,
        }
    }

    /// Whether an endpoint passes its health check.
    pub(crate) fn is_healthy(&self, endpoint: u16) -> bool {
        match self.mode {
            Mode::Fine | Mode::Errors(_) | Mode::Slow(_) => true,
            Mode::Refusing | Mode::Hanging | Mode::Misjudged => false,
            Mode::OneDown => endpoint > 0,
        }
    }
}

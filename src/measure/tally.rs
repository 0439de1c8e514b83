//! Counts and latencies of one side over some stretch of time.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{
    measure::{Class, Finished},
    units::{Percentile, Share},
};

/// The longest latency that is told apart; longer ones count as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// Outcomes and latencies to the response head, from 1 µs to 1 h with three significant digits.
#[derive(Clone, Debug)]
pub struct Tally {
    classes: [u64; Class::ALL.len()],
    heads: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let max = micros(LATENCY_MAX);
        Self {
            classes: Default::default(),
            heads: Histogram::new_with_bounds(1, max, 3).expect("the bounds are valid"),
        }
    }
}

impl Tally {
    /// Adds an outcome.
    pub fn add_finished(&mut self, finished: &Finished) {
        self.classes[finished.class.index()] += 1;
    }

    /// Adds `count` latencies to the response head.
    pub fn add_heads(&mut self, latency: Duration, count: u64) {
        self.heads.saturating_record_n(micros(latency), count);
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.classes.iter_mut().zip(other.classes) {
            *count += more;
        }
        self.heads
            .add(&other.heads)
            .expect("both have the same bounds");
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.classes = Default::default();
        self.heads.reset();
    }

    /// Finished requests: all but the ones that the client broke off and the ones that the proxy refused, which
    /// say nothing about the side.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let all: u64 = self.classes.iter().sum();
        all - self.count(Class::ClientAbort) - self.count(Class::Proxy)
    }

    /// Errors of the side among them.
    #[must_use]
    pub fn errors(&self) -> u64 {
        let errors = Class::ALL.into_iter().filter(|class| class.is_error());
        errors.map(|class| self.count(class)).sum()
    }

    /// Outcomes of one class.
    #[must_use]
    pub const fn count(&self, class: Class) -> u64 {
        self.classes[class.index()]
    }

    /// Latencies recorded.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads.len()
    }

    /// A percentile of the latency to the response head; zero without any.
    #[must_use]
    pub fn latency(&self, percentile: Percentile) -> Duration {
        Duration::from_micros(self.latency_micros(percentile.share()))
    }

    fn latency_micros(&self, share: Share) -> u64 {
        if self.heads.is_empty() {
            return 0;
        }
        self.heads.value_at_quantile(share.ratio())
    }

    /// Latencies above `limit`, to the histogram's resolution.
    #[must_use]
    pub fn heads_above(&self, limit: Duration) -> u64 {
        let limit = micros(limit).min(micros(LATENCY_MAX));
        let covered = self.heads.count_between(0, limit);
        self.heads.len().saturating_sub(covered)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

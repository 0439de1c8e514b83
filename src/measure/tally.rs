//! Counts and latencies of one side over some stretch of time.

use std::time::Duration;

use crate::{
    measure::{Class, Finished, Latencies},
    units::Percentile,
};

/// Outcomes and latencies to the response head; 184 KiB at most, see [`Latencies`].
#[derive(Clone, Debug, Default)]
pub struct Tally {
    classes: [u64; Class::ALL.len()],
    heads: Latencies,
}

impl Tally {
    /// Adds an outcome.
    pub fn add_finished(&mut self, finished: &Finished) {
        self.add_outcomes(finished.class, 1);
    }

    /// Adds `count` outcomes of one class.
    pub fn add_outcomes(&mut self, class: Class, count: u64) {
        self.classes[class.index()] += count;
    }

    /// Adds `count` latencies to the response head.
    pub fn add_heads(&mut self, latency: Duration, count: u64) {
        self.heads.add(latency, count);
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.classes.iter_mut().zip(other.classes) {
            *count += more;
        }
        self.heads.merge(&other.heads);
    }

    /// Takes away a tally that was added before.
    ///
    /// # Panics
    /// If it was not: the counts would be false from then on.
    pub fn subtract(&mut self, other: &Self) {
        for (count, less) in self.classes.iter_mut().zip(other.classes) {
            *count = count
                .checked_sub(less)
                .expect("what is taken away was added before");
        }
        self.heads.subtract(&other.heads);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.classes = Default::default();
        self.heads.clear();
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads() == 0 && self.classes.iter().all(|count| *count == 0)
    }

    /// Finished requests: all but the ones that the client broke off and the ones that the proxy refused, which
    /// say nothing about the side.
    #[must_use]
    pub fn requests(&self) -> u64 {
        requests(&self.classes)
    }

    /// Errors of the side among them.
    #[must_use]
    pub fn errors(&self) -> u64 {
        errors(&self.classes)
    }

    /// Requests among them that could not get a connection.
    #[must_use]
    pub const fn connect_failures(&self) -> u64 {
        self.count(Class::Connect)
    }

    /// Outcomes of one class.
    #[must_use]
    pub const fn count(&self, class: Class) -> u64 {
        self.classes[class.index()]
    }

    /// Latencies recorded.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads.count()
    }

    /// A percentile of the latency to the response head; zero without any.
    #[must_use]
    pub fn latency(&self, percentile: Percentile) -> Duration {
        self.heads.percentile(percentile)
    }

    /// Latencies above `limit`, as [`Latencies::above`] tells them apart.
    #[must_use]
    pub fn heads_above(&self, limit: Duration) -> u64 {
        self.heads.above(limit)
    }

    pub(super) const fn latencies(&mut self) -> &mut Latencies {
        &mut self.heads
    }
}

/// See [`Tally::requests`].
#[must_use]
pub(super) fn requests(classes: &[u64; Class::ALL.len()]) -> u64 {
    let counted = Class::ALL.into_iter().filter(|class| class.is_request());
    counted.map(|class| classes[class.index()]).sum()
}

/// See [`Tally::errors`].
#[must_use]
pub(super) fn errors(classes: &[u64; Class::ALL.len()]) -> u64 {
    let errors = Class::ALL.into_iter().filter(|class| class.is_error());
    errors.map(|class| classes[class.index()]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborts_and_refusals_are_no_requests_of_the_side() {
        let mut tally = Tally::default();
        for class in Class::ALL {
            tally.add_outcomes(class, 1);
        }
        assert_eq!(tally.requests(), 9);
        assert_eq!(tally.errors(), 5);
        assert_eq!(tally.connect_failures(), 1);
    }

    #[test]
    fn outcomes_are_added_and_taken_away_by_class() {
        let mut tally = Tally::default();
        tally.add_outcomes(Class::Success, 5);
        let mut other = Tally::default();
        other.add_outcomes(Class::Success, 2);
        other.add_outcomes(Class::Reset, 1);
        other.add_heads(Duration::from_millis(3), 2);
        tally.add(&other);
        assert_eq!((tally.requests(), tally.errors(), tally.heads()), (8, 1, 2));
        tally.subtract(&other);
        assert_eq!((tally.requests(), tally.errors(), tally.heads()), (5, 0, 0));
        tally.clear();
        assert!(tally.is_empty());
    }
}

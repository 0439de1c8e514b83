//! When a run of bad samples began: for the reaction time of a rollback.
//!
//! Of all stretches that end now, the run is the one in which bad samples exceed the tolerated share by most (the
//! usual estimate of a change point): samples before it were as good as tolerated, samples in it were not. It
//! begins with its first bad sample. A few stray errors long before a fault do not lengthen the run, and a few good
//! answers during it do not cut it.

use std::collections::BTreeMap;

use crate::units::{Share, Timestamp};

/// Samples by granule of time.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<i64, Granule>);

#[derive(Debug, Default)]
struct Granule {
    samples: u64,
    bad: u64,
    /// When the first bad one was.
    first_bad: Option<Timestamp>,
}

impl Samples {
    pub(super) fn good(&mut self, granule: i64, count: u64) {
        self.0.entry(granule).or_default().samples += count;
    }

    /// Bad samples, the first of them at `first`.
    pub(super) fn bad(&mut self, granule: i64, count: u64, first: Timestamp) {
        if count == 0 {
            return;
        }
        let granule = self.0.entry(granule).or_default();
        granule.samples += count;
        granule.bad += count;
        granule.first_bad = Some(granule.first_bad.map_or(first, |it| it.min(first)));
    }

    /// When the present run began; `None` while bad samples do not exceed the tolerated share in any stretch that
    /// ends now.
    pub(super) fn run(&self, tolerated: Share) -> Option<Timestamp> {
        let whole = i128::from(Share::WHOLE.parts_per_million());
        let parts = i128::from(tolerated.parts_per_million());
        let mut excess = 0_i128;
        let mut most = 0_i128;
        let mut began = None;
        for granule in self.0.values().rev() {
            excess += i128::from(granule.bad) * whole - i128::from(granule.samples) * parts;
            if excess > most && granule.first_bad.is_some() {
                most = excess;
                began = granule.first_bad;
            }
        }
        began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_PERCENT: u32 = 20_000;

    fn run(granules: &[(u64, u64)], tolerated: u32) -> Option<i64> {
        let mut samples = Samples::default();
        for (granule, (good, bad)) in (0..).zip(granules) {
            samples.good(granule, *good);
            samples.bad(granule, *bad, Timestamp::from_micros(granule));
        }
        let tolerated = Share::from_parts_per_million(tolerated).expect("it is a share");
        samples.run(tolerated).map(Timestamp::micros)
    }

    #[test]
    fn there_is_no_run_without_an_excess() {
        assert_eq!(run(&[], TWO_PERCENT), None);
        assert_eq!(run(&[(10, 0), (10, 0)], TWO_PERCENT), None);
        assert_eq!(run(&[(99, 1), (99, 1)], TWO_PERCENT), None);
    }

    #[test]
    fn stray_errors_before_a_fault_do_not_lengthen_the_run() {
        let granules = [(100, 0), (99, 1), (100, 0), (100, 0), (2, 8), (0, 10)];
        assert_eq!(run(&granules, TWO_PERCENT), Some(4));
    }

    #[test]
    fn good_answers_during_a_fault_do_not_cut_the_run() {
        let granules = [(100, 0), (90, 10), (40, 0), (90, 10), (45, 0)];
        assert_eq!(run(&granules, TWO_PERCENT), Some(1));
    }

    #[test]
    fn a_recovery_ends_the_run() {
        assert_eq!(run(&[(0, 10), (1000, 0)], TWO_PERCENT), None);
    }

    #[test]
    fn where_nothing_is_tolerated_the_run_begins_with_the_first_bad_sample() {
        assert_eq!(run(&[(5, 0), (5, 1), (500, 0), (5, 1)], 0), Some(1));
    }
}

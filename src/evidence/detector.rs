//! One Shiryaev-Roberts statistic without an end, in logarithms.
//!
//! For each alternative d, from W = 0, with e-values L whose mean given the past is at most 1:
//!
//! ```text
//! W ← L · (W + γ)        R = mean of W
//! ```
//!
//! R less the γs spent is a supermartingale, and so bounds false alarms however long it goes on; a change at any
//! moment is found as if one had begun to look there, at the price of that moment's γ (Shin, Ramdas and Rinaldo,
//! "E-detectors: a nonparametric framework for sequential change detection"). A tick without events has L = 1 and
//! only adds γ, so γs are summed up until something happens; how long ticks are is immaterial.
//!
//! Units are taken for drawn apart, which requests that wait for the same pause of one process are in name only. What such a
//! pause brings is therefore taken in steps ([`Pace`]): W is cut down to a ceiling, which can only lower R.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::stored::{Exact, array, ln_sum},
    units::{PerSide, Timestamp},
};

/// The statistic for `N` alternatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Detector<const N: usize> {
    #[serde(with = "array")]
    alternatives: [Alternative; N],
    /// γs spent since the last update.
    gamma: Exact,
    /// The rise under way, if evidence may rise in steps only.
    #[serde(default)]
    rise: Option<Rise>,
}

/// How fast evidence may rise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as it comes.
    AtOnce,
    /// By a third of the way to its threshold at most, until it has risen for [`PAUSE`].
    InSteps {
        /// The logarithm of the threshold.
        ln_threshold: f64,
    },
}

/// What becomes known within this much time may be of a single pause.
const PAUSE: Duration = Duration::from_millis(600);

/// A rise of evidence: of one pause, or of new being slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Rise {
    began: Timestamp,
    /// When something raised it last; one that nothing has raised for [`PAUSE`] is over.
    latest: Timestamp,
    /// How high W may get before it has lasted for so long.
    ln_most: Exact,
}

/// One alternative's statistic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Alternative {
    ln_w: Exact,
    /// The stretch that speaks most for this alternative (a cumulative sum), if any does: what is shown, and never
    /// what decides.
    stretch: Option<Stretch>,
}

/// A stretch of time in which evidence grew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stretch {
    ln_evidence: Exact,
    since: Mark,
}

/// What had been seen up to a moment. Two of them tell what was seen between.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) at: Timestamp,
    /// Drawn requests; for latencies those that were answered.
    pub(super) requests: PerSide<u64>,
    /// Events among them, or slots with events; for latencies the sum of their logarithms.
    pub(super) events: PerSide<u64>,
    /// The logarithm of the evidence for the largest risk ratio relative to old, as a plain product.
    pub(super) ln_relative: Exact,
}

impl<const N: usize> Detector<N> {
    pub(super) fn new() -> Self {
        let nothing = Alternative {
            ln_w: Exact::LN_ZERO,
            stretch: None,
        };
        Self {
            alternatives: [nothing; N],
            gamma: Exact::ZERO,
            rise: None,
        }
    }

    /// Adds γ: the chance, in parts of the test's share, that a change is looked for here.
    pub(super) fn spend(&mut self, gamma: f64) {
        self.gamma.0 += gamma;
    }

    /// Takes in a tick's e-values, by their logarithms; `before` is what had been seen before it.
    pub(super) fn update(&mut self, ln_likelihoods: &[f64; N], before: Mark, pace: Pace) {
        let rise = match pace {
            Pace::AtOnce => None,
            Pace::InSteps { ln_threshold } => Some(self.rise_at(before.at, ln_threshold)),
        };
        let ln_most = rise
            .filter(|it| before.at.since(it.began) < PAUSE)
            .map_or(f64::INFINITY, |it| it.ln_most.0);
        let ln_before = self.strongest();
        let mut ln_wanted = f64::NEG_INFINITY;
        let ln_gamma = std::mem::replace(&mut self.gamma, Exact::ZERO).0.ln();
        for (it, ln_l) in self.alternatives.iter_mut().zip(ln_likelihoods) {
            let ln_w = ln_sum(it.ln_w.0, ln_gamma) + ln_l;
            ln_wanted = ln_wanted.max(ln_w);
            it.ln_w = Exact(ln_w.min(ln_most));
            let (ln_before, since) = it
                .stretch
                .map_or((0.0, before), |it| (it.ln_evidence.0, it.since));
            let ln_evidence = Exact(ln_before + ln_l);
            it.stretch = (ln_evidence.0 > 0.0).then_some(Stretch { ln_evidence, since });
        }
        if ln_wanted > ln_before {
            self.rise = rise.map(|it| Rise {
                latest: before.at,
                ..it
            });
        }
    }

    /// The rise that goes on in a tick that began then, or begins with it.
    fn rise_at(&self, at: Timestamp, ln_threshold: f64) -> Rise {
        let going_on = self.rise.filter(|it| at.since(it.latest) <= PAUSE);
        going_on.unwrap_or_else(|| {
            // Of one alternative alone R is an N-th.
            let third = (ln_threshold + (N as f64).ln()) / 3.0;
            Rise {
                began: at,
                latest: at,
                ln_most: Exact(self.strongest() + third),
            }
        })
    }

    /// The logarithm of the largest W, or of 1: what is below it is no evidence.
    fn strongest(&self) -> f64 {
        let of_all = self.alternatives.iter().map(|it| it.ln_w.0);
        of_all.fold(0.0, f64::max)
    }

    /// Forgets everything: W = 0, which can only lower R.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// ln R.
    pub(super) fn ln_evidence(&self) -> f64 {
        let all = self.alternatives.iter().map(|it| it.ln_w.0);
        let sum = all.fold(f64::NEG_INFINITY, ln_sum);
        // At most ten alternatives: exact as a float.
        let mean = sum - (N as f64).ln();
        ln_sum(mean, self.gamma.0.ln())
    }

    /// Where the stretch began that carries the evidence; `None` where none does.
    pub(super) fn since(&self) -> Option<Mark> {
        let stretches = self.alternatives.iter();
        let growing = stretches.filter_map(|it| it.stretch.map(|stretch| (it.ln_w.0, stretch)));
        let most = growing.max_by(|(one, _), (other, _)| one.total_cmp(other));
        most.map(|(_, stretch)| stretch.since)
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self {
            at: Timestamp::default(),
            requests: PerSide::default(),
            events: PerSide::default(),
            ln_relative: Exact::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "bit for bit is meant")]

    use super::*;

    fn at(micros: i64) -> Mark {
        Mark {
            at: Timestamp::from_micros(micros),
            ..Mark::default()
        }
    }

    /// The mean of R over every way that `ticks` coins of chance `p` can fall, by e-values that are exact for it.
    fn mean_evidence(ticks: u32, p: f64, gamma: f64, pace: Pace) -> f64 {
        let odds = [2.0, 0.5 / p.max(0.5)];
        let mut mean = 0.0;
        for way in 0..1_u32 << ticks {
            let mut detector = Detector::<2>::new();
            let mut chance = 1.0;
            for tick in 0..ticks {
                let falls = way >> tick & 1 == 1;
                chance *= if falls { p } else { 1.0 - p };
                let ln_l = odds.map(|it: f64| {
                    let normaliser = 1.0 + p * (it - 1.0);
                    (if falls { it } else { 1.0 }).ln() - normaliser.ln()
                });
                detector.spend(gamma);
                detector.update(&ln_l, at(i64::from(tick) * 200_000), pace);
            }
            mean += chance * detector.ln_evidence().exp();
        }
        mean
    }

    #[test]
    fn the_mean_of_the_evidence_is_what_was_spent() {
        for p in [0.01, 0.3, 0.9] {
            let mean = mean_evidence(8, p, 0.01, Pace::AtOnce);
            assert!((mean - 0.08).abs() < 1e-12, "{p}: {mean}");
        }
    }

    #[test]
    fn the_mean_of_the_evidence_is_at_most_that_where_it_rises_in_steps() {
        let pace = Pace::InSteps { ln_threshold: 1.0 };
        for p in [0.01, 0.3, 0.9] {
            let mean = mean_evidence(8, p, 0.01, pace);
            assert!(mean > 0.0 && mean <= 0.08 + 1e-12, "{p}: {mean}");
        }
    }

    #[test]
    fn what_a_pause_brings_is_a_third_of_the_way_at_most() {
        let ln_threshold = 9.7;
        let of_both = 2.0_f64.ln();
        let mut detector = Detector::<2>::new();
        detector.spend(0.1);
        let mut update = |millis: i64| {
            let pace = Pace::InSteps { ln_threshold };
            detector.update(&[80.0, 0.0], at(millis * 1_000), pace);
            detector.ln_evidence()
        };
        let third = (ln_threshold + of_both) / 3.0;
        for millis in [400, 450, 999] {
            assert!(
                (update(millis) - (third - of_both)).abs() < 0.05,
                "{millis}"
            );
        }
        // Another one, before what the first one brought is gone.
        for millis in [5_000, 5_500] {
            assert!(
                (update(millis) - (2.0 * third - of_both)).abs() < 0.05,
                "{millis}"
            );
        }
        assert!(update(5_600) > ln_threshold, "this is no pause");
    }

    #[test]
    fn what_rises_slowly_does_not_notice_the_steps() {
        let (mut one, mut other) = (Detector::<2>::new(), Detector::<2>::new());
        for tick in 0..100 {
            let before = at(tick * 700_000);
            for (detector, pace) in [
                (&mut one, Pace::AtOnce),
                (&mut other, Pace::InSteps { ln_threshold: 9.7 }),
            ] {
                detector.spend(0.01);
                detector.update(&[2.0, -1.0], before, pace);
            }
            assert_eq!(one.ln_evidence(), other.ln_evidence());
        }
    }

    #[test]
    fn how_long_quiet_ticks_are_is_immaterial() {
        let (mut one, mut many) = (Detector::<1>::new(), Detector::<1>::new());
        one.spend(0.5);
        for _ in 0..64 {
            many.spend(0.5 / 64.0);
        }
        assert_eq!(one.ln_evidence(), many.ln_evidence());
        one.update(&[3.0], Mark::default(), Pace::AtOnce);
        many.update(&[3.0], Mark::default(), Pace::AtOnce);
        assert_eq!(one.ln_evidence(), many.ln_evidence());
        assert!((one.ln_evidence() - (0.5_f64.ln() + 3.0)).abs() < 1e-12);
    }

    #[test]
    fn evidence_far_beyond_a_float_is_kept() {
        let mut detector = Detector::<2>::new();
        detector.spend(1e-6);
        for _ in 0..200 {
            detector.update(&[500.0_f64.ln(), 0.0], Mark::default(), Pace::AtOnce);
        }
        let expected = 200.0 * 500.0_f64.ln() + 1e-6_f64.ln() - 2.0_f64.ln();
        assert!((detector.ln_evidence() - expected).abs() < 1e-9);
    }

    #[test]
    fn the_stretch_begins_where_the_evidence_began_to_grow() {
        let mut detector = Detector::<1>::new();
        detector.spend(0.1);
        detector.update(&[2.0], at(1), Pace::AtOnce);
        detector.update(&[-3.0], at(2), Pace::AtOnce);
        assert_eq!(detector.since(), None);
        detector.update(&[-1.0], at(3), Pace::AtOnce);
        detector.update(&[1.0], at(4), Pace::AtOnce);
        detector.update(&[-0.5], at(5), Pace::AtOnce);
        detector.update(&[1.0], at(6), Pace::AtOnce);
        assert_eq!(detector.since(), Some(at(4)));
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let mut detector = Detector::<1>::new();
        detector.spend(0.1);
        detector.update(&[9.0], at(1), Pace::AtOnce);
        detector.spend(0.1);
        detector.clear();
        assert_eq!(detector.ln_evidence(), f64::NEG_INFINITY);
        assert_eq!(detector.since(), None);
    }
}

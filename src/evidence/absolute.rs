//! Errors against a fixed limit: for weights at which old has too little left to be compared with.
//!
//! With p the share of errors that is accepted and q > p, for e errors and o requests without one:
//!
//! ```text
//! ln L = e·ln(q/p) + o·ln((1 − q)/(1 − p))
//! ```
//!
//! The mean of L is at most 1 if each request fails with a chance of at most p, given the past: the sequential
//! probability ratio of Wald. That is a model and not the draw, and an outage of both sides breaks it; so what it finds
//! is a reason to freeze and to call somebody, and to roll back only where old is better. Errors that are left out,
//! such as a slot's further ones, only lower L.

use serde::{Deserialize, Serialize};

use crate::evidence::detector::{Detector, Mark, Pace};

/// q, in multiples of p.
const MULTIPLES: [f64; 4] = [2.0, 10.0, 40.0, 180.0];

/// The largest q.
const SHARE_MAX: f64 = 0.9;

/// What a side has gathered against the limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AbsoluteTest {
    detector: Detector<4>,
}

/// Requests of one side in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) errors: u64,
    pub(super) fine: u64,
}

impl AbsoluteTest {
    pub(super) fn new() -> Self {
        Self {
            detector: Detector::new(),
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        self.detector.spend(gamma);
    }

    pub(super) fn tick(&mut self, judged: Judged, accepted: f64, before: Mark) {
        if judged != Judged::default() {
            let ln_l = ln_likelihoods(judged, accepted);
            self.detector.update(&ln_l, before, Pace::AtOnce);
        }
    }

    pub(super) const fn detector(&self) -> &Detector<4> {
        &self.detector
    }
}

fn ln_likelihoods(judged: Judged, accepted: f64) -> [f64; 4] {
    MULTIPLES.map(|multiple| {
        let share = (multiple * accepted).min(SHARE_MAX).max(accepted);
        let for_error = (share / accepted).ln();
        let for_fine = (-share).ln_1p() - (-accepted).ln_1p();
        judged.errors as f64 * for_error + judged.fine as f64 * for_fine
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of L over every way that requests with these chances can end; a further error is left out where
    /// `leaves_out` says so.
    fn mean(chances: &[f64], accepted: f64, leaves_out: bool) -> [f64; 4] {
        let mut mean = [0.0; 4];
        for way in 0..1_u32 << chances.len() {
            let (mut chance, mut judged) = (1.0, Judged::default());
            for (index, fails) in chances.iter().enumerate() {
                if way >> index & 1 == 1 {
                    chance *= fails;
                    judged.errors += u64::from(!leaves_out || judged.errors == 0);
                } else {
                    chance *= 1.0 - fails;
                    judged.fine += 1;
                }
            }
            for (mean, ln_l) in mean.iter_mut().zip(ln_likelihoods(judged, accepted)) {
                *mean += chance * ln_l.exp();
            }
        }
        mean
    }

    #[test]
    fn its_mean_is_one_at_the_limit_and_less_below_it() {
        for accepted in [0.001, 0.005, 0.1, 0.45] {
            for mean in mean(&[accepted; 8], accepted, false) {
                assert!((mean - 1.0).abs() < 1e-9, "{accepted}: {mean}");
            }
            let chances: Vec<f64> = (0..8).map(|it| accepted * f64::from(it) / 8.0).collect();
            for mean in mean(&chances, accepted, false) {
                assert!(mean < 1.0, "{accepted}: {mean}");
            }
        }
    }

    #[test]
    fn errors_that_are_left_out_only_lower_it() {
        for mean in mean(&[0.2; 8], 0.2, true) {
            assert!(mean < 1.0, "{mean}");
        }
    }

    #[test]
    fn its_mean_exceeds_one_above_the_limit() {
        assert!(mean(&[0.3; 8], 0.1, false)[0] > 1.0);
    }
}

//! Evidence that new is good enough for the next step.
//!
//! The hypothesis to be given up is that each request on new fails with a chance of at least p, given the past. For
//! q < p, e errors and o requests without one:
//!
//! ```text
//! V ← V · (q/p)^e · ((1 − q)/(1 − p))^o        A = ΣV
//! ```
//!
//! begun anew at each step with ΣV = 1. A is a martingale at most, so that it ever reaches 1/β has a chance of at most
//! β (Ville). It is held at 1/β from there on: without that, old credit hides a new fault for thousands of requests.

use serde::{Deserialize, Serialize};

use crate::evidence::{
    absolute::Judged,
    stored::{Exact, array, ln_sum},
};

/// β: the chance, at each step, of going on though new fails as often as must not be.
const WRONG_ADVANCE: f64 = 0.01;

/// q in multiples of p, and what V begins with.
const BEGINNINGS: [(f64, f64); 4] = [
    (0.0, 1.0 / 2.0),
    (0.1, 1.0 / 6.0),
    (0.25, 1.0 / 6.0),
    (0.5, 1.0 / 6.0),
];

/// How far rounding may take A below the 1/β that it is held at.
const ROUNDING: f64 = 1e-9;

/// What a step has gathered for going on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Advance {
    #[serde(with = "array")]
    ln_v: [Exact; 4],
}

/// Whether there is evidence enough for the next step, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permit {
    /// Whether new is shown to be good enough, now.
    pub is_given: bool,
    /// The share of errors that new is shown to be below.
    pub accepted: f64,
    /// How many more requests without an error on new would do.
    pub requests_left: u64,
    /// The logarithm of what was gathered for going on.
    pub ln_evidence: f64,
    /// What it has to reach.
    pub ln_threshold: f64,
}

impl Advance {
    pub(super) fn new() -> Self {
        Self {
            ln_v: BEGINNINGS.map(|(_, begins)| Exact(begins.ln())),
        }
    }

    pub(super) fn tick(&mut self, judged: Judged, accepted: f64) {
        for (ln_v, (multiple, _)) in self.ln_v.iter_mut().zip(BEGINNINGS) {
            // No error leaves ln 0 out: 0 times minus infinity is no number.
            if judged.errors > 0 {
                ln_v.0 += judged.errors as f64 * f64::ln(multiple);
            }
            ln_v.0 += judged.fine as f64 * ln_of_fine(multiple, accepted);
        }
        let excess = self.ln_evidence() + WRONG_ADVANCE.ln();
        if excess > 0.0 {
            for ln_v in &mut self.ln_v {
                ln_v.0 -= excess;
            }
        }
    }

    pub(super) fn permit(&self, accepted: f64) -> Permit {
        let is_given = self.is_given();
        Permit {
            is_given,
            accepted,
            requests_left: if is_given {
                0
            } else {
                self.requests_left(accepted)
            },
            ln_evidence: self.ln_evidence(),
            ln_threshold: -WRONG_ADVANCE.ln(),
        }
    }

    /// How many requests on new it takes on average to be given, where this share of them fails; `None` where evidence
    /// does not grow.
    pub(super) fn requests_expected(accepted: f64, errors: f64) -> Option<f64> {
        if errors <= 0.0 {
            let left = Self::new().requests_left(accepted);
            return Some(left as f64);
        }
        let of = |(multiple, begins): (f64, f64)| {
            let needed = -(WRONG_ADVANCE * begins).ln();
            let grows =
                errors * f64::ln(multiple) + (1.0 - errors) * ln_of_fine(multiple, accepted);
            (grows > 0.0).then(|| needed / grows)
        };
        BEGINNINGS.into_iter().filter_map(of).min_by(f64::total_cmp)
    }

    fn is_given(&self) -> bool {
        self.ln_evidence() >= -WRONG_ADVANCE.ln() - ROUNDING
    }

    /// The fewest requests that would do, without a further error: A rises with each.
    fn requests_left(&self, accepted: f64) -> u64 {
        let is_enough = |fine: u64| {
            let mut after = self.clone();
            after.tick(Judged { errors: 0, fine }, accepted);
            after.is_given()
        };
        let (mut too_few, mut enough) = (0, 1);
        while !is_enough(enough) {
            too_few = enough;
            let Some(more) = enough.checked_mul(2) else {
                return u64::MAX;
            };
            enough = more;
        }
        while enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            if is_enough(middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        enough
    }

    fn ln_evidence(&self) -> f64 {
        self.ln_v
            .iter()
            .fold(f64::NEG_INFINITY, |sum, it| ln_sum(sum, it.0))
    }
}

fn ln_of_fine(multiple: f64, accepted: f64) -> f64 {
    (-multiple * accepted).ln_1p() - (-accepted).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(ticks: &[(u64, u64)], accepted: f64) -> Advance {
        let mut advance = Advance::new();
        for (errors, fine) in ticks {
            let (errors, fine) = (*errors, *fine);
            advance.tick(Judged { errors, fine }, accepted);
        }
        advance
    }

    #[test]
    fn its_mean_is_one_at_the_limit_and_less_above_it() {
        let mean = |fails: f64, accepted| {
            let ways = (0..1_u32 << 10).map(|way| {
                let errors = way.count_ones();
                let ticks: Vec<_> = (0..10)
                    .map(|it| (u64::from(way >> it & 1), u64::from(!way >> it & 1)))
                    .collect();
                let chance =
                    fails.powf(f64::from(errors)) * (1.0 - fails).powf(f64::from(10 - errors));
                chance * gathered(&ticks, accepted).ln_evidence().exp()
            });
            ways.sum::<f64>()
        };
        assert!((mean(0.2, 0.2) - 1.0).abs() < 1e-9);
        assert!(mean(0.25, 0.2) < 1.0);
        assert!(mean(0.1, 0.2) > 1.0);
    }

    #[test]
    fn a_thousand_requests_without_an_error_show_less_than_half_a_percent() {
        let left = Advance::new().permit(0.005).requests_left;
        assert!((900..1_100).contains(&left), "{left}");
        assert!(!gathered(&[(0, left - 1)], 0.005).permit(0.005).is_given);
        assert!(gathered(&[(0, left)], 0.005).permit(0.005).is_given);
        assert!(gathered(&[(0, left), (0, 7)], 0.005).permit(0.005).is_given);
    }

    #[test]
    fn old_credit_does_not_hide_a_new_fault() {
        let good = (0, 50_000);
        // 2 % errors from here on.
        let bad = [(2, 98); 3];
        let ticks: Vec<_> = std::iter::once(good).chain(bad).collect();
        assert!(gathered(&[good], 0.005).permit(0.005).is_given);
        assert!(!gathered(&ticks, 0.005).permit(0.005).is_given);
    }

    #[test]
    fn errors_early_on_do_not_forbid_an_advance_for_good() {
        let advance = gathered(&[(3, 0), (0, 1_000)], 0.005);
        let left = advance.permit(0.005).requests_left;
        assert!((1..20_000).contains(&left), "{left}");
    }

    #[test]
    fn what_fails_at_the_limit_hardly_ever_goes_on() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut wrong = 0;
        for _ in 0..500 {
            let mut advance = Advance::new();
            let went_on = (0..400).any(|_| {
                let errors = (0..100).filter(|_| rng.f64() < 0.02).count();
                let errors = u64::try_from(errors).expect("few");
                let fine = 100 - errors;
                advance.tick(Judged { errors, fine }, 0.02);
                advance.is_given()
            });
            wrong += u32::from(went_on);
        }
        // β of 500 runs are 5; three standard deviations more are 11.7.
        assert!(wrong <= 11, "{wrong} of 500");
    }
}

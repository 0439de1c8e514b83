//! What a step can show: how long it takes until new is shown to be good enough, and what would be noticed of it meanwhile.
//!
//! Both follow from the formulas of the tests, with every count at its mean: about half of the time it is sooner, and half of
//! the time later. Nothing is decided by it.

use std::time::Duration;

use crate::{
    evidence::{
        Settings, Symptom, Test,
        advance::Advance,
        budget::{gamma_of, gamma_of_rise},
        relative::RATIOS,
    },
    units::Weight,
};

/// What a step is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// The step's weight.
    pub weight: Weight,
    /// Requests a second, on both sides together.
    pub rate: f64,
    /// The share of requests that fails anyway.
    pub errors: f64,
    /// The share of errors that is accepted on new.
    pub accepted: f64,
}

/// Shares of errors are told apart down to this.
const SHARE_MIN: f64 = 1e-6;

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

impl Outlook {
    /// How long it takes to show that new fails less often than is accepted, where it fails as often as old; `None` where that
    /// hardly ever ends.
    #[must_use]
    pub fn evidence_takes(&self) -> Option<Duration> {
        let requests = Advance::requests_expected(self.accepted, self.errors)?;
        let on_new = self.rate * self.weight.ratio();
        let seconds = requests / on_new;
        (seconds <= PATIENCE.as_secs_f64()).then(|| Duration::from_secs_f64(seconds))
    }

    /// The smallest share of errors on new that takes everything back within a span after the step began, by the test of
    /// errors; `None` where not even a side that always fails does, as where nothing is left to compare with.
    ///
    /// Clients that keep their sides count once a minute: it is for errors of as many clients as requests.
    #[must_use]
    pub fn noticed_within(&self, settings: &Settings, span: Duration) -> Option<f64> {
        let is_noticed = |errors: f64| self.evidence_after(settings, span, errors) >= 0.0;
        if !is_noticed(1.0) {
            return None;
        }
        let (mut missed, mut noticed) = (self.errors.max(SHARE_MIN), 1.0_f64);
        // A ratio of a thousandth is nearer than anybody reads.
        while noticed / missed > 1.001 {
            let middle = (missed * noticed).sqrt();
            if is_noticed(middle) {
                noticed = middle;
            } else {
                missed = middle;
            }
        }
        Some(noticed)
    }

    /// ln R less its threshold after a span, with as many errors on new: what its best alternative expects.
    fn evidence_after(&self, settings: &Settings, span: Duration, errors: f64) -> f64 {
        let x = self.weight.ratio();
        if x >= 1.0 {
            return f64::NEG_INFINITY;
        }
        let requests = self.rate * span.as_secs_f64();
        let (on_new, on_old) = (requests * x * errors, requests * (1.0 - x) * self.errors);
        let tolerated = settings.tolerated_errors.ratio();
        let share = x * tolerated / (1.0 - x + x * tolerated);
        let growth = RATIOS.map(|ratio: f64| {
            on_new * ratio.ln() - (on_new + on_old) * (share * (ratio - 1.0)).ln_1p()
        });
        let most = growth.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let spent = gamma_of_rise(settings.rises) + gamma_of(span);
        // Its alternative is one of six.
        let begins = spent.ln() - f64::ln(RATIOS.len() as f64);
        most + begins - settings.ln_threshold(Test::Relative(Symptom::Error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evidence::Unit, plan::EvidencePlan};

    fn settings() -> Settings {
        let plan = EvidencePlan::DEFAULT;
        Settings {
            unit: Unit::Request,
            false_alarms: plan.false_alarms,
            tolerated_errors: plan.tolerated_errors,
            tolerated_latency: plan.tolerated_latency,
            error_limit: plan.error_limit,
            by_route: plan.by_route,
            rises: 5,
        }
    }

    fn outlook(points: u16, rate: f64, errors: f64) -> Outlook {
        Outlook {
            weight: Weight::from_basis_points(points).expect("at most 100 %"),
            rate,
            errors,
            accepted: 0.005,
        }
    }

    #[test]
    fn a_step_takes_as_long_as_its_requests() {
        let takes = |errors| outlook(500, 1_000.0, errors).evidence_takes();
        // 1,001 requests without an error at 50 a second.
        let least = takes(0.0).expect("it ends").as_secs_f64();
        assert!((19.0..22.0).contains(&least), "{least}");
        // The mean with one error in a thousand; the median is less.
        let usual = takes(0.001).expect("it ends").as_secs_f64();
        assert!((40.0..60.0).contains(&usual), "{usual}");
        assert!(takes(0.002) > takes(0.001));
        assert_eq!(takes(0.0049), None);
        assert_eq!(outlook(500, 0.0, 0.0).evidence_takes(), None);
    }

    #[test]
    fn what_is_noticed_shrinks_with_time_and_weight() {
        let noticed = |points, seconds| {
            let outlook = outlook(points, 1_000.0, 0.001);
            outlook.noticed_within(&settings(), Duration::from_secs(seconds))
        };
        let a_minute = noticed(500, 60).expect("it is");
        assert!((0.002..0.02).contains(&a_minute), "{a_minute}");
        assert!(noticed(500, 600) < Some(a_minute));
        assert!(noticed(2_500, 60) < Some(a_minute));
        assert!(noticed(100, 60) > Some(a_minute));
        assert_eq!(noticed(10_000, 60), None, "nothing to compare with");
        assert_eq!(noticed(500, 0), None);
    }

    #[test]
    fn without_a_budget_nothing_is_noticed() {
        let silent = Settings {
            false_alarms: crate::units::Share::from_parts_per_million(0).expect("a share"),
            ..settings()
        };
        let outlook = outlook(500, 1_000.0, 0.001);
        assert_eq!(
            outlook.noticed_within(&silent, Duration::from_secs(60)),
            None
        );
    }

    /// Where the formula says a fault is just noticed within a span, a simulation of the test notices about half of them.
    #[test]
    fn about_half_of_what_is_just_noticed_is() {
        use crate::evidence::{
            detector::{Detector, Mark, Pace},
            relative::ln_likelihoods,
        };
        use crate::units::PerSide;
        let outlook = outlook(1_000, 200.0, 0.002);
        let span = Duration::from_secs(120);
        let fails = outlook
            .noticed_within(&settings(), span)
            .expect("it is noticed");
        let threshold = settings().ln_threshold(Test::Relative(Symptom::Error));
        let mut noticed = 0;
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut detector = Detector::<6>::new();
            detector.spend(gamma_of_rise(5));
            noticed += u32::from((0..120).any(|_| {
                let mut events = PerSide { old: 0, new: 0 };
                for _ in 0..200 {
                    if rng.f64() < 0.1 {
                        events.new += u64::from(rng.f64() < fails);
                    } else {
                        events.old += u64::from(rng.f64() < 0.002);
                    }
                }
                detector.update(
                    &ln_likelihoods(events, 0.1, 1.0),
                    Mark::default(),
                    Pace::AtOnce,
                );
                detector.spend(gamma_of(Duration::from_secs(1)));
                detector.ln_evidence() >= threshold
            }));
        }
        assert!((60..190).contains(&noticed), "{noticed} of 200");
    }
}

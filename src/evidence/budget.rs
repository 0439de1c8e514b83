//! The budget of false alarms: what each test may spend, and when.
//!
//! A test trips when its statistic R reaches 1/α of its own share of the plan's α. R less the γs spent is a
//! supermartingale, so a false trip within a time T of observation has a chance of at most the share times the γs
//! spent in T: T/(2H) for the time, and a half in all for the plan's rises. The shares of all tests together are
//! at most the whole. Their evidence is never added up: where clients keep their sides, one test knows sides that
//! are news to another, so that a sum would be no martingale, while the sum of the chances always holds.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Symptom, detector::Pace},
    plan::{LatencyTolerance, Plan, RouteId, Sticky, Symptoms},
    units::{Factor, Share},
};

/// The time that the budget of false alarms is for.
pub const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// What the tests are to be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What is drawn.
    pub unit: Unit,
    /// The chance of a false trip that is accepted for 24 h of observed time, all tests together. Zero: none trips.
    pub false_alarms: Share,
    /// How many times old's risk of an error is accepted on new.
    pub tolerated_errors: Factor,
    /// How much slower than old new may be.
    pub tolerated_latency: LatencyTolerance,
    /// The share of errors that is accepted on new, whatever old does.
    pub error_limit: Share,
    /// What each named route is tested for by itself.
    pub by_route: Symptoms,
    /// How often the plan raises the weight.
    pub rises: u32,
}

/// What is drawn to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Each request anew.
    Request,
    /// A slot of clients, for good.
    Slot,
}

/// One sequential test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Test {
    /// More of a symptom on new than the draw explains.
    Relative(Symptom),
    /// More errors on new than [`Settings::error_limit`].
    ErrorLimit,
    /// Slower answers on new than [`Settings::tolerated_latency`] allows, by more than the draw explains.
    Latency,
    /// Requests on another side than their slot's, or more or fewer slots on new than the weight says. It speaks of the split
    /// and not of new.
    Split,
    /// More of a symptom on new than the draw explains, on one route alone.
    Route {
        /// The symptom.
        symptom: Symptom,
        /// The route.
        route: RouteId,
        /// Its place in the order in which tests of routes began, from 1.
        rank: u8,
    },
}

impl Test {
    /// Every test of all requests; those of routes begin where there is something to judge.
    pub const ALL: [Self; 10] = [
        Self::Relative(Symptom::Error),
        Self::Relative(Symptom::Redirect),
        Self::Relative(Symptom::Unauthorized),
        Self::Relative(Symptom::Forbidden),
        Self::Relative(Symptom::NotFound),
        Self::Relative(Symptom::Abort),
        Self::Relative(Symptom::Slow),
        Self::ErrorLimit,
        Self::Latency,
        Self::Split,
    ];

    /// Its name in journal, status and configuration; of a route's test the name of its symptom, which stands behind the
    /// route's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relative(symptom) | Self::Route { symptom, .. } => symptom.as_str(),
            Self::ErrorLimit => "error_limit",
            Self::Latency => "latency",
            Self::Split => "split",
        }
    }

    /// One over its share of the budget. Tests of routes have half of it in all, however many they are.
    const fn portion(self) -> u32 {
        match self {
            Self::Route { rank, .. } => {
                let rank = rank as u32;
                2 * rank * (rank + 1)
            }
            Self::Relative(Symptom::Error) => 4,
            Self::Relative(Symptom::Slow) | Self::Latency => 16,
            Self::ErrorLimit => 32,
            Self::Relative(
                Symptom::Redirect
                | Symptom::Unauthorized
                | Symptom::Forbidden
                | Symptom::NotFound
                | Symptom::Abort,
            )
            | Self::Split => 64,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Settings {
    /// What a plan holds its tests against.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            unit: match plan.split.sticky {
                Sticky::None => Unit::Request,
                Sticky::Cookie(_) | Sticky::ClientIp | Sticky::Header(_) => Unit::Slot,
            },
            false_alarms: plan.evidence.false_alarms,
            tolerated_errors: plan.evidence.tolerated_errors,
            tolerated_latency: plan.evidence.tolerated_latency,
            error_limit: plan.evidence.error_limit,
            by_route: plan.evidence.by_route,
            rises: u32::try_from(plan.ramp.steps.len()).unwrap_or(u32::MAX),
        }
    }

    /// What the logarithm of a test's evidence has to reach.
    pub(super) fn ln_threshold(&self, test: Test) -> f64 {
        f64::from(test.portion()).ln() - self.false_alarms.ratio().ln()
    }

    /// How fast a test's evidence may rise. Errors speak for themselves; slow answers in a row may be of one pause.
    pub(super) fn pace(&self, test: Test) -> Pace {
        match test {
            Test::Latency
            | Test::Relative(Symptom::Slow)
            | Test::Route {
                symptom: Symptom::Slow,
                ..
            } => Pace::InSteps {
                ln_threshold: self.ln_threshold(test),
            },
            Test::Relative(_) | Test::Route { .. } | Test::ErrorLimit | Test::Split => Pace::AtOnce,
        }
    }
}

/// What observed time adds to the statistic.
pub(super) fn gamma_of(observed: Duration) -> f64 {
    observed.as_secs_f64() / (2.0 * HORIZON.as_secs_f64())
}

/// What one of the plan's rises adds to it: faults show right after them.
pub(super) fn gamma_of_rise(rises: u32) -> f64 {
    0.5 / f64::from(rises.max(1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "bit for bit is meant")]

    use super::*;
    use crate::plan::EvidencePlan;

    #[test]
    fn the_shares_are_at_most_the_whole() {
        let of_routes = (1..=64).map(|rank| Test::Route {
            symptom: Symptom::Error,
            route: RouteId(0),
            rank,
        });
        let shares = Test::ALL.into_iter().chain(of_routes);
        let shares = shares.map(|it| 1.0 / f64::from(it.portion()));
        let all = shares.sum::<f64>();
        assert!(all <= 1.0 && all > 0.9, "{all}");
    }

    #[test]
    fn a_day_and_all_rises_of_the_plan_spend_one() {
        let rises = f64::from(7_u32) * gamma_of_rise(7);
        assert!((gamma_of(HORIZON) + rises - 1.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_budget_nothing_reaches_its_threshold() {
        let settings = Settings {
            unit: Unit::Slot,
            false_alarms: Share::from_parts_per_million(0).expect("it is a share"),
            tolerated_errors: Factor::from_thousandths(1_000),
            tolerated_latency: EvidencePlan::DEFAULT.tolerated_latency,
            error_limit: Share::WHOLE,
            by_route: EvidencePlan::DEFAULT.by_route,
            rises: 1,
        };
        for test in Test::ALL {
            assert_eq!(settings.ln_threshold(test), f64::INFINITY, "{test}");
        }
    }
}

//! What the sequential tests are held against.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    plan::{Symptom, Symptoms},
    units::{Factor, Share},
};

/// How much evidence it takes to roll back, and what is good enough to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidencePlan {
    /// The chance of a false rollback that is accepted for 24 h of observed time, all tests together. Zero: none trips.
    pub false_alarms: Share,
    /// How many times old's risk of an error is accepted on new.
    pub tolerated_errors: Factor,
    /// How much slower than old new may be.
    pub tolerated_latency: LatencyTolerance,
    /// The share of errors that is accepted on new, whatever old does.
    pub error_limit: Share,
    /// What each named route is tested for by itself.
    pub by_route: Symptoms,
}

/// How much slower a request may be on new than on old: so many times, and so much more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyTolerance {
    /// How many times.
    pub times: Factor,
    /// How much beyond that.
    pub plus: Duration,
}

impl EvidencePlan {
    /// One false rollback in a thousand days, no more errors than old and half a percent of them at most, and little
    /// slower.
    pub const DEFAULT: Self = Self {
        false_alarms: Share::from_parts_per_million(1_000).expect("no more than the whole"),
        tolerated_errors: Factor::from_thousandths(1_000),
        tolerated_latency: LatencyTolerance {
            times: Factor::from_thousandths(1_100),
            plus: Duration::from_millis(5),
        },
        error_limit: Share::from_parts_per_million(5_000).expect("no more than the whole"),
        by_route: Symptoms::NONE.with(Symptom::Error),
    };

    /// No test trips: thresholds alone decide.
    pub const SILENT: Self = Self {
        false_alarms: Share::from_parts_per_million(0).expect("no more than the whole"),
        ..Self::DEFAULT
    };
}

impl LatencyTolerance {
    /// The longest latency that is tolerated where old takes this long.
    #[must_use]
    pub fn of(self, latency: Duration) -> Duration {
        let micros = latency.as_micros() * u128::from(self.times.thousandths()) / 1_000;
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        Duration::from_micros(micros).saturating_add(self.plus)
    }
}

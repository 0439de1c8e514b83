//! What the sequential tests are held against.

use crate::units::{Factor, Share};

/// How much evidence it takes to roll back, and what is good enough to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidencePlan {
    /// The chance of a false rollback that is accepted for 24 h of observed time, all tests together. Zero: none trips.
    pub false_alarms: Share,
    /// How many times old's risk of an error is accepted on new.
    pub tolerated_errors: Factor,
    /// The share of errors that is accepted on new, whatever old does.
    pub error_limit: Share,
}

impl EvidencePlan {
    /// One false rollback in a thousand days, no more errors than old, and half a percent of them at most.
    pub const DEFAULT: Self = Self {
        false_alarms: Share::from_parts_per_million(1_000).expect("no more than the whole"),
        tolerated_errors: Factor::from_thousandths(1_000),
        error_limit: Share::from_parts_per_million(5_000).expect("no more than the whole"),
    };

    /// No test trips: thresholds alone decide.
    pub const SILENT: Self = Self {
        false_alarms: Share::from_parts_per_million(0).expect("no more than the whole"),
        ..Self::DEFAULT
    };
}

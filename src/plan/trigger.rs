//! The conditions that roll back.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::{Direction, Factor, Percentile, Share, Weight};

/// The highest weight, in basis points, at which old gets enough requests to be compared with.
const SEEING_MAX: u16 = 9_900;

/// A watched condition: when its reading breaches its limit, everything goes back to old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The name in journal, status and the rollback's cause; unique.
    pub name: String,
    /// What is measured, on the new side.
    pub reading: Reading,
    /// What it is compared with.
    pub limit: Limit,
    /// The stretch of time that a reading covers. Not used by `in_a_row` and `unhealthy`.
    pub window: Duration,
    /// Fewer requests than this in the window: `Unknown`. Not used by `in_a_row` and `unhealthy`.
    pub requests: u64,
    /// What a breach does.
    pub action: TripAction,
}

impl Trigger {
    /// Whether it sees nothing at this weight: it compares with old, which gets less than 1 % of the requests there,
    /// too few to be compared with. It then neither trips nor holds.
    #[must_use]
    pub fn is_blind_at(&self, weight: Weight) -> bool {
        matches!(self.limit, Limit::TimesOld(_)) && weight.basis_points() > SEEING_MAX
    }
}

/// What the breach of a trigger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripAction {
    /// Takes everything back to old.
    Rollback,
    /// Keeps the ramp from going on for as long as it lasts.
    Hold,
}

/// What a trigger measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Errors per finished request.
    ErrorRate,
    /// A percentile of the latency to the response head; requests that wait for longer than the limit count.
    Latency(Percentile),
    /// Failures to connect: a share of requests, or a number in a row.
    ConnectFailures,
    /// Endpoints that fail their active health check or are ejected, as a share of the side's.
    Unhealthy,
    /// How far a replication trails.
    ReplicationLag {
        /// Its place in [`Plan::replications`](crate::plan::Plan::replications).
        replication: usize,
        /// Which way.
        direction: Direction,
    },
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorRate => f.write_str("error_rate"),
            Self::Latency(percentile) => write!(f, "latency_{percentile}"),
            Self::ConnectFailures => f.write_str("connect_failures"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::ReplicationLag { .. } => f.write_str("replication_lag"),
        }
    }
}

/// What a reading is compared with. A reading breaches when it is strictly above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A fixed share; for error rate, connect failures and unhealthy.
    Share(Share),
    /// A fixed latency, or lag.
    Latency(Duration),
    /// Times old's own reading over the same window; for error rate and latency.
    TimesOld(Factor),
    /// So many in a row trip at once (reached, not exceeded); for connect failures.
    InARow(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compares_with_old_is_blind_where_old_gets_next_to_nothing() {
        let trigger = |limit| Trigger {
            name: "worse".to_owned(),
            reading: Reading::ErrorRate,
            limit,
            window: Duration::from_secs(10),
            requests: 20,
            action: TripAction::Rollback,
        };
        let relative = trigger(Limit::TimesOld(Factor::from_thousandths(2_000)));
        let absolute = trigger(Limit::Share(Share::WHOLE));
        for (points, is_blind) in [(100, false), (9_900, false), (9_901, true), (10_000, true)] {
            let weight = Weight::from_basis_points(points).expect("at most 100 %");
            assert_eq!(relative.is_blind_at(weight), is_blind, "{weight}");
            assert!(!absolute.is_blind_at(weight), "{weight}");
        }
    }
}

//! All that the core sees of the world, besides the time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::Evidence,
    measure::{Arrivals, LagReading, Windows, ZoneLook},
    shadow,
    units::{Direction, PerSide, Timestamp},
};

/// The latest view of the world, built by `control/observe.rs`.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// What the workers measured.
    pub windows: &'a Windows,
    /// What the sequential tests have gathered from it.
    pub evidence: &'a Evidence,
    /// Whether all of them reported lately.
    pub coverage: Coverage,
    /// Failures to connect in a row, by side, as of now.
    pub connects: PerSide<ConnectRun>,
    /// Endpoints in choice, by side.
    pub health: PerSide<HealthCount>,
    /// What is known of the lag of each replication, in the plan's order; one that is not there was not read yet.
    pub lags: &'a [LagReadings],
    /// What the servers of the zone say, or why that is not known; see `[dns]`.
    pub zone: &'a Result<Arc<ZoneLook>, String>,
    /// What copies of requests have shown, or why that is not known; see `[shadow]`.
    pub copies: &'a shadow::View,
    /// What still arrives here, where the plan moves names.
    pub arrivals: &'a Arrivals,
    /// Tunnels that are open, to whichever side.
    pub tunnels: u64,
    /// Requests that drills have touched since the process began.
    pub drilled: u64,
    /// Whether the journal can be written.
    pub store: StoreState,
    /// Finished requests on new since the generation in force was published, forced ones not counted.
    pub requests_on_new: u64,
}

/// What was read at one moment, beside what is [`Gathered`](crate::cutover::Gathered).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Glance {
    /// See [`Observation::coverage`].
    pub coverage: Coverage,
    /// See [`Observation::connects`].
    pub connects: PerSide<ConnectRun>,
    /// See [`Observation::health`].
    pub health: PerSide<HealthCount>,
    /// See [`Observation::lags`].
    pub lags: Vec<LagReadings>,
    /// See [`Observation::zone`].
    pub zone: Result<Arc<ZoneLook>, String>,
    /// See [`Observation::copies`].
    pub copies: shadow::View,
    /// See [`Observation::tunnels`].
    pub tunnels: u64,
    /// See [`Observation::store`].
    pub store: StoreState,
}

/// What is known of one replication's lag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagReadings {
    /// From old to new.
    pub forward: LagReading,
    /// From new back to old.
    pub reverse: LagReading,
}

impl LagReadings {
    /// One of the two.
    #[must_use]
    pub const fn of(&self, direction: Direction) -> &LagReading {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Reverse => &self.reverse,
        }
    }
}

/// Whether the numbers are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coverage {
    /// Every worker reported within the last half second, and nothing was lost.
    Full,
    /// Some worker did not report, or had to drop measurements.
    Partial,
}

/// Failures to connect without a success between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectRun {
    /// How many.
    pub failures: u32,
    /// When the first one of them happened.
    pub since: Timestamp,
}

/// Endpoints of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCount {
    /// All.
    pub endpoints: u16,
    /// Those that pass their active check and are not ejected.
    pub usable: u16,
}

/// The state of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreState {
    /// The last write succeeded.
    Writable,
    /// Writes fail.
    Failing {
        /// What the store said.
        error: String,
    },
}

//! All that the core sees of the world, besides the time.

use crate::{
    evidence::Evidence,
    measure::Windows,
    units::{PerSide, Timestamp},
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
    /// Whether the journal can be written.
    pub store: StoreState,
    /// Finished requests on new since the generation in force was published, forced ones not counted.
    pub requests_on_new: u64,
}

/// Whether the numbers are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every worker reported within the last half second, and nothing was lost.
    Full,
    /// Some worker did not report, or had to drop measurements.
    Partial,
}

/// Failures to connect without a success between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectRun {
    /// How many.
    pub failures: u32,
    /// When the first one of them happened.
    pub since: Timestamp,
}

/// Endpoints of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthCount {
    /// All.
    pub endpoints: u16,
    /// Those that pass their active check and are not ejected.
    pub usable: u16,
}

/// The state of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// The last write succeeded.
    Writable,
    /// Writes fail.
    Failing {
        /// What the store said.
        error: String,
    },
}

//! The heartbeat's table, where it is there.

use std::collections::BTreeSet;

use serde::Deserialize;

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Heartbeat {
    /// The roles that may read it.
    pub(crate) readers: BTreeSet<String>,
    /// The roles that may beat.
    pub(crate) writers: BTreeSet<String>,
    /// Its rows, one for each direction; unknown where the role that asks may not look.
    #[serde(skip)]
    pub(crate) rows: Option<u64>,
}

impl Heartbeat {
    /// One for each direction.
    pub(crate) const ROWS: u64 = 2;
}

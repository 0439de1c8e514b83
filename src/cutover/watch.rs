//! What a restart forgets: the entry that waits for its acknowledgement, the clock's agreement, the last look.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{ConnectRun, Entry, clock_check::ClockCheck, drill::DrillWatch, trigger::Evaluation},
    units::{Generation, Timestamp},
};

/// What lives only as long as the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Digest of the plan that this process runs.
    pub(super) plan: String,
    /// The entry that is being recorded and changes nothing before that.
    pub(super) pending: Option<Entry>,
    /// Entries in force that are not recorded yet, by number.
    pub(super) unrecorded: BTreeSet<u64>,
    /// The highest number given to an entry.
    pub(super) seq: u64,
    /// The highest generation given to an entry.
    pub(super) generation: Generation,
    /// No entry of the plan's own is recorded before then, since the last one could not be.
    pub(super) retry_at: Option<Timestamp>,
    /// Whether the wall clock agrees.
    pub(super) clock: ClockCheck,
    /// The last turn.
    pub(super) turned_at: Option<Timestamp>,
    /// The last change of position, before which no time counts for the bake.
    pub(super) counting_since: Option<Timestamp>,
    /// What every trigger said at the last look, in the plan's order.
    pub(super) evaluations: Vec<Evaluation>,
    /// Finished requests on new at the step, before the count that the observation goes on with.
    pub(super) requests_before: u64,
    /// Of that count, what was there before an entry that begins anew without another generation.
    pub(super) requests_skipped: u64,
    /// New's run of failed connects that was there before the evidence began, and is none of it.
    pub(super) connects_before: ConnectRun,
    /// The last snapshot, and when.
    pub(super) snapshot_at: Option<Timestamp>,
    /// Since when the store fails, and whether somebody was called.
    pub(super) store_failing: Option<StoreFailing>,
    /// The drill that this process began, if it began one.
    pub(super) drill: Option<DrillWatch>,
    /// Somebody was called because something trips and old is no better place to be.
    pub(super) is_held_for_both: bool,
}

/// A store that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreFailing {
    /// Since when.
    pub(super) since: Timestamp,
    /// Whether somebody was called.
    pub(super) is_paged: bool,
}

/// How long a store fails before somebody is called.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// How long the plan waits after an entry of its own could not be recorded.
pub(super) const RECORD_RETRY: Duration = Duration::from_secs(1);

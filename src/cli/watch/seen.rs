//! What the watcher knows: the latest status, the latest entries, and whether the server answers.

use std::{collections::VecDeque, time::Instant};

use crate::{admin::EventDocument, control::Status};

/// Entries that are kept; more than any terminal shows.
pub(super) const ENTRIES_MAX: usize = 100;

/// Everything that a frame is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) link: Link,
    pub(crate) status: Option<Status>,
    /// Oldest first.
    pub(crate) entries: VecDeque<EventDocument>,
}

/// Whether the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// It did, last time.
    Up,
    /// It does not.
    Down {
        /// Since then.
        since: Instant,
        /// What happened.
        why: String,
    },
}

impl Seen {
    /// Takes entries in, as a page of the journal gives them.
    pub(super) fn push(&mut self, entries: Vec<EventDocument>) {
        self.entries.extend(entries);
        let surplus = self.entries.len().saturating_sub(ENTRIES_MAX);
        drop(self.entries.drain(..surplus));
    }
}

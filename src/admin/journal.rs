//! What the API needs of the journal: reading it, page by page.

use std::{error::Error, sync::Arc};

use crate::{admin::Context, cutover::Entry, store::JournalReader};

/// A journal that can be read while others write it.
///
/// Reading may wait for a disk, so that the API calls it on a thread where that is allowed.
pub trait Journal: Send + Sync + 'static {
    /// The entries numbered above `seq`, oldest first, at most `limit` of them.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError>;
}

/// Why the journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be read")]
pub struct JournalError(#[source] pub Box<dyn Error + Send + Sync>);

impl Journal for JournalReader {
    fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let read = self.page_after(seq, limit);
        read.map_err(|error| JournalError(Box::new(error)))
    }
}

impl Context {
    /// One page of the journal: the entries numbered above `seq`, at most `limit` and at most a page of the plan.
    pub(crate) async fn page(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let journal = Arc::clone(&self.journal);
        let limit = limit.min(self.plan().limits.events_page);
        let reading = tokio::task::spawn_blocking(move || journal.entries_after(seq, limit));
        let read = reading.await;
        read.map_err(|panicked| JournalError(panicked.into()))?
    }
}

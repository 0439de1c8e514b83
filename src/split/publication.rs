//! Publication of the table in force: one atomic swap, seen by every worker at its next load. What workers are told beside it
//! is read where it stands.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use crate::{
    plan::Edition,
    split::{Copying, Injected, LeaveBefore, RouteTable, SplitTable, Writers},
    units::{Generation, Timestamp},
};

/// Where the table in force stands, who has just written, and who is to leave. Cloned into whoever reads or publishes it.
#[derive(Clone, Debug)]
pub struct Publication {
    table: Arc<ArcSwap<SplitTable>>,
    writers: Arc<Writers>,
    leave_before: Arc<LeaveBefore>,
    injected: Arc<Injected>,
    copying: Arc<Copying>,
}

impl Publication {
    /// Starts with `table` in force.
    #[must_use]
    pub fn new(table: SplitTable) -> Self {
        Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
            writers: Arc::default(),
            leave_before: Arc::default(),
            injected: Arc::default(),
            copying: Arc::default(),
        }
    }

    /// Puts `table` in force for every request that is assigned, or checked again, from now on.
    ///
    /// # Panics
    /// If the generation does not rise: the one publisher has lost its state.
    pub fn publish(&self, table: SplitTable) {
        assert!(
            table.generation > self.table.load().generation,
            "generations only rise"
        );
        self.table.store(Arc::new(table));
    }

    /// Puts another edition of the plan in force, at the same generation: what a request was drawn for stays.
    pub fn reissue(&self, edition: &Edition, now: Timestamp) {
        let before = self.load();
        if before.split.read_your_writes.is_none() {
            self.writers.forget(now);
        }
        self.table.store(Arc::new(SplitTable {
            edition: edition.number(),
            split: Arc::new(edition.plan().split.clone()),
            routes: Arc::new(RouteTable::of(edition)),
            ..SplitTable::clone(&before)
        }));
    }

    /// The table in force.
    #[must_use]
    pub fn load(&self) -> Arc<SplitTable> {
        self.table.load_full()
    }

    /// Who has just written.
    #[must_use]
    pub const fn writers(&self) -> &Arc<Writers> {
        &self.writers
    }

    /// Which client connections are to leave.
    #[must_use]
    pub const fn leave_before(&self) -> &Arc<LeaveBefore> {
        &self.leave_before
    }

    /// The fault that a drill injects.
    #[must_use]
    pub const fn injected(&self) -> &Arc<Injected> {
        &self.injected
    }

    /// Whether requests may be copied.
    #[must_use]
    pub const fn copying(&self) -> &Arc<Copying> {
        &self.copying
    }

    /// A reader for one worker, which costs one atomic load a request while nothing changes.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Cache::new(Arc::clone(&self.table)))
    }
}

/// One worker's view of the table in force.
#[derive(Clone, Debug)]
pub struct Reader(Cache<Arc<ArcSwap<SplitTable>>, Arc<SplitTable>>);

impl Reader {
    /// The table in force now.
    pub fn table(&mut self) -> &Arc<SplitTable> {
        self.0.load()
    }

    /// Whether `generation` is still in force; asked before the first byte goes upstream.
    pub fn is_in_force(&mut self, generation: Generation) -> bool {
        self.0.load().generation == generation
    }
}

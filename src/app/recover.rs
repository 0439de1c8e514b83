//! From the journal to where the cutover stands, before anybody connects.

use crate::{
    app::ServeError,
    clock::Clock,
    control::fresh_salt,
    cutover::{Change, Decision, Entry, Position, restore},
    evidence::Ledger,
    plan::Plan,
    store::{Snapshot, Store},
};

/// What the journal says.
pub(super) struct Recovery {
    pub(super) store: Store,
    pub(super) restored: Decision,
    pub(super) ledger: Option<Ledger>,
    pub(super) clock: Clock,
    /// Entries found; 0 where the journal was begun now.
    pub(super) entries: usize,
    pub(super) rollbacks: u64,
}

/// Opens the journal, or begins one, and replays it. Time goes on from a clock that there is already.
pub(super) fn recover(plan: &Plan, clock: Option<Clock>) -> Result<Recovery, ServeError> {
    let (mut store, found) = Store::open(&plan.store)?;
    let mut entries = found.entries;
    let count = entries.len();
    // Time goes on from the journal's, should the wall clock have been set back meanwhile.
    let latest = entries.last().map(|it| it.at);
    let clock = clock.unwrap_or_else(|| latest.map_or_else(Clock::start, Clock::start_after));
    if entries.is_empty() {
        let salt = fresh_salt().map_err(ServeError::Random)?;
        let began = Entry::began(plan, salt, clock.timestamp());
        store.append(&began).map_err(|source| ServeError::Begin {
            path: plan.store.clone(),
            source,
        })?;
        entries.push(began);
    }
    let position = Position::replay(&entries).map_err(|source| ServeError::Replay {
        path: plan.store.clone(),
        source,
    })?;
    let rollbacks = entries
        .iter()
        .filter(|it| matches!(it.change, Change::RolledBack { .. }));
    let Snapshot { progress, ledger } = found.snapshot.unwrap_or_default();
    let restored = restore(plan, position, progress, clock.timestamp());
    Ok(Recovery {
        rollbacks: rollbacks.map(|_| 1_u64).sum(),
        store,
        restored,
        ledger,
        clock,
        entries: count,
    })
}

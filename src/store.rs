//! The journal on disk: an embedded SQLite database, a lock file and a rollback marker beside it.
//!
//! ```text
//! changeover.db           the journal, append-only, and one replaced row of what was observed
//! changeover.db.lock      held by the one `serve` that owns the journal; holds its process id
//! changeover.db.rollback  the latest entry in force, written in place: a rollback survives a full disk
//! changeover.db.observations  what decisions rested on, as much of it as the plan keeps; written apart, and lost before
//!                         anything else
//! ```
//!
//! [`Store::open`] recovers what is there; [`Store::start`] moves the writing to a thread of its own, so that a
//! slow disk delays nobody. An entry that must precede its change is recorded once or reported as failed; an
//! entry whose change is already in force is kept and tried again until it is recorded. Nothing here decides:
//! what an entry means is `cutover`'s.

mod journal;
mod lock;
mod marker;
mod observations;
mod open;
mod reader;
mod schema;
mod snapshot;
mod writer;

pub use journal::RecordError;
pub use observations::{Observations, ObservationsError, recorded};
pub use open::{OpenError, Recovered, Store};
pub use reader::{JournalReader, ReadError};
pub use snapshot::Snapshot;
#[cfg(test)]
pub(crate) use writer::SilentStore;
pub use writer::{Report, StoreHandle};

#[cfg(test)]
mod tests;

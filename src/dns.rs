//! DNS: what changes a zone, and what its servers say.
//!
//! `look` asks each server of a zone by itself, so that what it says is known and not guessed from a cache.
//! `provider` is where a zone is changed. It chooses nothing: what to change is handed to it, and it reports what came of it.
//! What stands in a zone, and changes of it, are `plan::dns`'s.

pub mod look;
pub mod provider;

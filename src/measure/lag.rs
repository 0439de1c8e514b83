//! How far new's data trail old's: what was read of it, and what that says.
//!
//! ```text
//! replication ── Signals ──▶ Judge ──▶ LagReading ──▶ LagBoard ──▶ control/observe, status
//! ```
//!
//! Three signals have to agree: the age of heartbeats that were written on the source and cannot be read on the target, the bytes that the slot has not confirmed, and the state of subscription and slot. Where one of them is missing,
//! stale, or contradicts another, the reading is [`LagReading::Unknown`], which holds.

mod board;
mod judge;

pub use board::{LagBoard, LagView};
pub use judge::{Beat, Judge, Signals, Slot, Subscription};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A reading older than this is none: three samples were missed.
pub const STALE_AFTER: Duration = Duration::from_secs(3);

/// What is known about one direction of one replication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LagReading {
    /// All signals are there and agree.
    Known(Lag),
    /// Something is missing, stale or contradictory.
    Unknown {
        /// What, in words.
        why: String,
    },
}

/// How far the target trails the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// How long the newest heartbeat took to arrive. Where one has not: how long ago what is missing was written, at the
    /// middle between that one and the one before it.
    pub span: Duration,
    /// Bytes of WAL that the target has not confirmed.
    pub bytes: u64,
    /// How long the source keeps the slot's WAL if it is written on at the present rate and nothing of it is taken; `None`
    /// where nothing limits it.
    pub wal_lasts: Option<Duration>,
}

impl LagReading {
    /// As [`LagReading::Unknown`].
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }
}

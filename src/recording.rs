//! What decisions rest on, written down so that each of them can be taken again.
//!
//! ```text
//! Start ─ Batch ─ Batch ─ … ─ Keyframe ─ Batch ─ … ─ Gap ─ Batch ─ …
//! ```
//!
//! A [`Keyframe`] is everything that the control loop knows; the [`Item`]s after it are everything that it is told, in order,
//! each decision with what came of it. [`Replay`] begins with a keyframe and takes every decision after it once more, by the
//! same [`decide`](crate::cutover::decide()). Pure: `store` writes it down and reads it, `control` says what.
//!
//! Nothing of a request is kept but its time, route, slot, side, class, status and latency: no path, no header, no address.

mod batch;
mod keyframe;
mod measured;
mod replay;

pub use batch::{Batch, Considered, Heard, Item, Verdict};
pub use keyframe::{Follows, Keyframe};
pub use replay::{Compared, Derived, Progress, ReadPlan, Replay, ReplayError};

/// What is written at once.
#[derive(Debug)]
pub enum Row {
    /// Everything that is known.
    Keyframe(Box<Keyframe>),
    /// What was told after it.
    Batch(Batch),
}

#[cfg(test)]
mod tests;

/// Why something cannot be written down, or read again.
#[derive(Debug, thiserror::Error)]
pub enum CodingError {
    /// A part that is kept as JSON.
    #[error("a part of it is not what this version writes")]
    Json(#[from] serde_json::Error),
    /// A part that is kept in binary form.
    #[error("it is damaged, or of another version")]
    Binary(#[from] postcard::Error),
    /// It is compressed.
    #[error("it cannot be unpacked")]
    Packed(#[from] std::io::Error),
}

//! Whether copies of requests may be sent, as workers see it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether requests may be copied now. The control loop sets it, every worker reads it; nothing is copied before it has.
#[derive(Debug, Default)]
pub struct Copying(AtomicBool);

impl Copying {
    /// Has requests copied, or no more of them.
    pub fn set(&self, may: bool) {
        self.0.store(may, Ordering::Relaxed);
    }

    /// Whether they may be.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! Which client connections are to leave: those that were opened too long ago for what their name says now.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::units::Timestamp;

/// Client connections that were opened before this moment are to leave, at their next answer. The control loop sets it,
/// every worker reads it.
#[derive(Debug)]
pub struct LeaveBefore(AtomicI64);

/// Before everything: nobody is to leave.
const NOBODY: i64 = i64::MIN;

impl LeaveBefore {
    /// Has those leave that were opened before `moment`, or nobody.
    pub fn set(&self, moment: Option<Timestamp>) {
        let micros = moment.map_or(NOBODY, Timestamp::micros);
        self.0.store(micros, Ordering::Relaxed);
    }

    /// Whether a connection that was opened then is to leave.
    #[must_use]
    pub fn is_after(&self, opened: Timestamp) -> bool {
        self.0.load(Ordering::Relaxed) > opened.micros()
    }
}

impl Default for LeaveBefore {
    fn default() -> Self {
        Self(AtomicI64::new(NOBODY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_opened_before_the_moment_are_to_leave() {
        let at = Timestamp::from_micros;
        let leave = LeaveBefore::default();
        assert!(!leave.is_after(at(i64::MIN)) && !leave.is_after(at(0)));
        leave.set(Some(at(10)));
        assert!(leave.is_after(at(9)) && !leave.is_after(at(10)));
        leave.set(None);
        assert!(!leave.is_after(at(9)));
    }
}

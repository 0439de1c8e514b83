//! Whether the wall clock agrees with the time that decisions are made by. A jump holds the cutover until the
//! two have agreed for a while; it never advances it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;

/// A wall clock that moves by more than this against our time has jumped.
const JUMP: Duration = Duration::from_secs(2);

/// So long it must agree before the ramp may go on.
const AGREEMENT: Duration = Duration::from_secs(60);

/// The wall clock, compared with our time at every turn.
///
/// Both are compared with where they stood when the stretch of agreement began, so that many small steps in a
/// row are a jump as well; a drift that takes longer than a stretch to add up is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ClockCheck {
    /// Wall minus our time when the stretch began, in microseconds.
    reference: i64,
    /// Wall minus our time at the last turn.
    latest: i64,
    /// How much of the agreement is still to come; absent while all is well.
    remaining: Option<Duration>,
    /// How long the stretch has lasted.
    agreed: Duration,
}

/// What a look at the clock showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockLook {
    /// It agrees.
    Agrees,
    /// It has just jumped by so many microseconds.
    Jumped(i64),
}

impl ClockCheck {
    /// Compares the clocks; `passed` is the time since the last look.
    pub(super) fn look(&mut self, now: Timestamp, wall: Timestamp, passed: Duration) -> ClockLook {
        self.latest = wall.micros().saturating_sub(now.micros());
        let moved = self.latest.saturating_sub(self.reference);
        if Duration::from_micros(moved.unsigned_abs()) > JUMP {
            self.reference = self.latest;
            self.remaining = Some(AGREEMENT);
            self.agreed = Duration::ZERO;
            return ClockLook::Jumped(moved);
        }
        self.agreed = self.agreed.saturating_add(passed);
        if let Some(remaining) = self.remaining {
            let left = remaining.saturating_sub(passed);
            self.remaining = (left > Duration::ZERO).then_some(left);
        }
        if self.agreed >= AGREEMENT {
            self.reference = self.latest;
            self.agreed = Duration::ZERO;
        }
        ClockLook::Agrees
    }

    /// How much agreement is still to come; `None` while all is well.
    pub(super) const fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    /// The wall clock's word for `now`, as of the last look: what weekly windows are read on.
    pub(super) const fn wall(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_add(self.latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Looks once a second at a wall clock that is off by each of `offsets` (in seconds) in turn.
    fn looked(offsets: impl IntoIterator<Item = i64>) -> (ClockCheck, usize) {
        let (mut check, mut jumps) = (ClockCheck::default(), 0);
        for (second, offset) in (0_i64..).zip(offsets) {
            let now = Timestamp::from_micros(second * SECOND);
            let wall = Timestamp::from_micros((second + offset) * SECOND);
            let look = check.look(now, wall, Duration::from_secs(1));
            jumps += usize::from(look != ClockLook::Agrees);
        }
        (check, jumps)
    }

    #[test]
    fn a_jump_holds_for_a_minute_of_agreement() {
        assert_eq!(looked([0, 2, -2]).1, 0);
        let jumped = |seconds| [0, 3].into_iter().chain(std::iter::repeat_n(3, seconds));
        assert_eq!(looked(jumped(0)).0.remaining(), Some(AGREEMENT));
        assert_eq!(
            looked(jumped(59)).0.remaining(),
            Some(Duration::from_secs(1))
        );
        assert_eq!(looked(jumped(60)).0.remaining(), None);
        assert_eq!(looked(jumped(60)).1, 1);
    }

    #[test]
    fn small_steps_in_a_row_are_a_jump_and_slow_drift_is_none() {
        assert_eq!(looked(0..4).1, 1);
        assert_eq!(looked((0..600).map(|second| second / 100)).1, 0);
    }

    #[test]
    fn a_clock_behind_the_journal_at_start_has_jumped() {
        let (check, jumps) = looked([-3600]);
        assert_eq!((jumps, check.remaining()), (1, Some(AGREEMENT)));
    }
}

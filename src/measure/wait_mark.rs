//! How long a request has waited, in doublings of an eighth of a second: enough to tell of a hang while it lasts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The first mark; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(125);

/// The last mark is at 128 s.
const LAST: u8 = 11;

/// The longest mark that a wait has passed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "u8", into = "u8")]
pub struct WaitMark(u8);

/// The mark of that number, or the last one.
impl From<u8> for WaitMark {
    fn from(number: u8) -> Self {
        Self(number.min(LAST))
    }
}

impl From<WaitMark> for u8 {
    fn from(mark: WaitMark) -> Self {
        mark.0
    }
}

impl WaitMark {
    /// A wait that has passed no mark.
    pub const NONE: Self = Self(0);

    /// The longest mark up to `age`.
    #[must_use]
    pub fn passed(age: Duration) -> Self {
        let times = age.as_millis() / FIRST.as_millis();
        let doublings = times.checked_ilog2().map_or(0, |it| it + 1);
        Self(u8::try_from(doublings).map_or(LAST, |it| it.min(LAST)))
    }

    /// How long a wait has to be to pass it.
    #[must_use]
    pub const fn age(self) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            mark => FIRST.saturating_mul(1 << (mark - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_passes_a_mark_at_each_doubling() {
        let check = |millis, expected| {
            let age = WaitMark::passed(Duration::from_millis(millis)).age();
            assert_eq!(age, Duration::from_millis(expected), "{millis}");
        };
        check(0, 0);
        check(124, 0);
        check(125, 125);
        check(249, 125);
        check(250, 250);
        check(3_999, 2_000);
        check(4_000, 4_000);
        check(128_000, 128_000);
        check(u64::MAX, 128_000);
    }

    #[test]
    fn marks_are_in_the_order_of_their_ages() {
        let marks: Vec<WaitMark> = (0..=LAST).map(WaitMark).collect();
        assert!(marks.is_sorted());
        assert!(marks.is_sorted_by_key(|it| it.age()));
        assert_eq!(marks[0], WaitMark::NONE);
    }
}

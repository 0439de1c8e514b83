//! How long something has held that has to hold for a while, with what of it was not observed.
//!
//! ```text
//!            holds                    not observed for longer than the tolerance
//! broken ───────────▶ holding ──────────────────────────────────────────────────▶ broken
//!    ▲                  │  ▲
//!    └── does not hold ─┘  └── holds again after a gap: the gap is counted, and is no part of the time
//! ```
//!
//! Only observed time counts. A restart is a gap like any other, however short; what was observed before it is kept in the
//! snapshot.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;

/// Looks further apart than this left something unobserved between them.
const LOOK_GAP_MAX: Duration = Duration::from_secs(1);

/// One thing that has to hold for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Since when it has held; `None` while it does not.
    pub since: Option<Timestamp>,
    /// How much of that was observed.
    pub observed: Duration,
    /// How much of it was not, and how often.
    pub unobserved: Duration,
    /// See `unobserved`.
    pub gaps: u32,
    /// When it was last seen to hold.
    pub seen_at: Option<Timestamp>,
    /// What ended the stretch before, and when.
    pub broken: Option<Broken>,
    /// Whether the last look saw it hold; a restart has not looked yet.
    #[serde(skip)]
    pub holds: bool,
}

/// What ended a stretch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub by: String,
}

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It holds.
    Holds,
    /// It does not.
    Fails(String),
    /// Nothing is known.
    Nothing(String),
}

impl Stretch {
    /// Takes in one look; a gap longer than `tolerance` starts it anew.
    pub(super) fn look(&mut self, seen: Seen, tolerance: Duration, now: Timestamp) {
        let held = std::mem::replace(&mut self.holds, seen == Seen::Holds);
        let gap = match (self.since, self.seen_at) {
            (Some(_), Some(at)) => now.since(at),
            _ => Duration::ZERO,
        };
        let is_over = gap > tolerance.max(LOOK_GAP_MAX);
        match seen {
            Seen::Fails(by) => self.end(by, now),
            Seen::Nothing(why) if is_over => self.end(why, now),
            Seen::Nothing(_) => (),
            Seen::Holds => {
                if is_over {
                    self.end(format!("not observed for {} s", gap.as_secs()), now);
                }
                self.go_on(gap, held, now);
            }
        }
    }

    fn go_on(&mut self, gap: Duration, held: bool, now: Timestamp) {
        if self.since.is_none() {
            self.since = Some(now);
        } else if held && gap <= LOOK_GAP_MAX {
            self.observed = self.observed.saturating_add(gap);
        } else {
            self.unobserved = self.unobserved.saturating_add(gap);
            self.gaps = self.gaps.saturating_add(1);
        }
        self.seen_at = Some(now);
    }

    fn end(&mut self, by: String, now: Timestamp) {
        // What was never looked at was not broken either.
        *self = Self {
            broken: Some(Broken { at: now, by }),
            holds: self.holds,
            ..Self::default()
        };
    }

    /// Whether it has held for `needed`, and holds now.
    #[must_use]
    pub fn is_satisfied(&self, needed: Duration) -> bool {
        self.holds && self.since.is_some() && self.observed >= needed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_millis(millis))
    }

    /// Holds from `from` to `to`, looked at ten times a second.
    fn hold(stretch: &mut Stretch, from: u64, to: u64) {
        for look in from * 10..=to * 10 {
            stretch.look(Seen::Holds, TOLERANCE, at(look * 100));
        }
    }

    #[test]
    fn it_is_satisfied_once_it_has_held_for_long_enough() {
        let mut stretch = Stretch::default();
        hold(&mut stretch, 0, 5);
        assert_eq!(
            (stretch.since, stretch.observed),
            (Some(at(0)), Duration::from_secs(5))
        );
        assert!(stretch.is_satisfied(Duration::from_secs(5)));
        assert!(!stretch.is_satisfied(Duration::from_secs(6)));
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(5_100));
        assert!(
            !stretch.is_satisfied(Duration::from_secs(5)),
            "it is not known to hold"
        );
    }

    #[test]
    fn what_fails_starts_it_anew() {
        let mut stretch = Stretch::default();
        hold(&mut stretch, 0, 5);
        stretch.look(Seen::Fails("lag 3 s".into()), TOLERANCE, at(5_100));
        assert_eq!((stretch.since, stretch.observed), (None, Duration::ZERO));
        hold(&mut stretch, 6, 8);
        assert_eq!(stretch.observed, Duration::from_secs(2));
        let broken = stretch.broken.expect("it was");
        assert_eq!((broken.at, broken.by.as_str()), (at(5_100), "lag 3 s"));
    }

    #[test]
    fn a_gap_is_no_part_of_the_time_and_a_long_one_starts_it_anew() {
        let mut stretch = Stretch::default();
        hold(&mut stretch, 0, 5);
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(9_000));
        hold(&mut stretch, 15, 16);
        assert_eq!(
            (stretch.gaps, stretch.unobserved),
            (1, Duration::from_secs(10))
        );
        assert_eq!(
            (stretch.since, stretch.observed),
            (Some(at(0)), Duration::from_secs(6))
        );
        // Nobody looked, as while the program does not run.
        hold(&mut stretch, 27, 28);
        assert_eq!(
            (stretch.since, stretch.observed),
            (Some(at(27_000)), Duration::from_secs(1))
        );
        assert_eq!(
            stretch.broken.as_ref().map(|it| it.by.as_str()),
            Some("not observed for 11 s")
        );
        // Somebody looked, and saw nothing for too long.
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(38_100));
        assert_eq!(stretch.since, None);
        assert_eq!(stretch.broken.map(|it| it.by), Some("down".into()));
    }

    #[test]
    fn a_restart_keeps_what_was_observed() {
        let mut stretch = Stretch::default();
        hold(&mut stretch, 0, 5);
        let text = serde_json::to_string(&stretch).expect("it is data");
        let mut after: Stretch = serde_json::from_str(&text).expect("it was written so");
        assert!(
            !after.is_satisfied(Duration::from_secs(5)),
            "nobody has looked since"
        );
        hold(&mut after, 8, 9);
        assert_eq!(
            (after.observed, after.unobserved),
            (Duration::from_secs(6), Duration::from_secs(3))
        );
        assert!(after.is_satisfied(Duration::from_secs(5)));
    }

    #[test]
    fn a_gap_is_one_however_short() {
        let mut stretch = Stretch::default();
        hold(&mut stretch, 0, 5);
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(5_100));
        stretch.look(Seen::Holds, TOLERANCE, at(5_200));
        assert_eq!(
            (stretch.observed, stretch.unobserved, stretch.gaps),
            (Duration::from_secs(5), Duration::from_millis(200), 1)
        );
        // As by a restart.
        stretch.holds = false;
        stretch.look(Seen::Holds, TOLERANCE, at(5_300));
        assert_eq!(
            (stretch.observed, stretch.gaps),
            (Duration::from_secs(5), 2)
        );
    }

    proptest! {
        /// Observed time is never more than the time between looks that saw it hold, whatever happens besides.
        #[test]
        fn observed_time_is_never_made_up(
            looks in proptest::collection::vec((0_u64..15_000, 0_u8..8), 1..100),
        ) {
            let mut stretch = Stretch::default();
            let (mut now, mut held, mut held_at) = (0, 0, None::<u64>);
            for (passed, what) in looks {
                now += passed;
                let seen = match what {
                    0 => Seen::Fails("lag".into()),
                    1 => Seen::Nothing("down".into()),
                    _ => Seen::Holds,
                };
                match what {
                    0 => (held, held_at) = (0, None),
                    1 => (),
                    _ => {
                        held += held_at.map(|it| now - it).filter(|it| *it <= 1_000).unwrap_or(0);
                        held_at = Some(now);
                    }
                }
                stretch.look(seen, TOLERANCE, at(now));
                prop_assert!(stretch.observed <= Duration::from_millis(held));
                prop_assert!(stretch.since.is_some() || stretch.observed == Duration::ZERO);
            }
        }
    }
}

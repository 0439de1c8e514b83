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

    /// When it will be satisfied at the earliest: if it holds from now on. `None` while it does not hold, and once it is
    /// satisfied.
    #[must_use]
    pub fn earliest(&self, needed: Duration, now: Timestamp) -> Option<Timestamp> {
        self.since.filter(|_| !self.is_satisfied(needed))?;
        let left = needed.saturating_sub(self.observed);
        // From the last look on time counts only where that saw it hold.
        let counted = self.seen_at.filter(|_| self.holds).unwrap_or(now);
        Some(counted.after(left).max(now))
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
    fn it_is_satisfied_at_the_earliest_once_what_is_missing_is_observed() {
        let needed = Duration::from_secs(60);
        let mut stretch = Stretch::default();
        let earliest = |stretch: &Stretch, now| stretch.earliest(needed, at(now));
        assert_eq!(earliest(&stretch, 0), None, "nobody has looked");
        hold(&mut stretch, 0, 20);
        assert_eq!(earliest(&stretch, 20_000), Some(at(60_000)));
        assert_eq!(
            earliest(&stretch, 20_050),
            Some(at(60_000)),
            "between two looks"
        );
        // What is not observed is waited for as well.
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(23_000));
        assert_eq!(earliest(&stretch, 23_000), Some(at(63_000)));
        assert_eq!(earliest(&stretch, 25_000), Some(at(65_000)));
        hold(&mut stretch, 26, 66);
        assert_eq!(stretch.observed, needed);
        assert_eq!(earliest(&stretch, 66_000), None, "it is satisfied");
        stretch.look(Seen::Nothing("down".into()), TOLERANCE, at(66_100));
        assert_eq!(
            earliest(&stretch, 66_100),
            Some(at(66_100)),
            "as soon as it is known"
        );
        stretch.look(Seen::Fails("lag 3 s".into()), TOLERANCE, at(66_200));
        assert_eq!(earliest(&stretch, 66_200), None, "it does not hold");
        hold(&mut stretch, 67, 68);
        assert_eq!(
            earliest(&stretch, 68_000),
            Some(at(127_000)),
            "all of it, anew"
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

    /// What a look of a property saw.
    fn saw(what: u8) -> Seen {
        match what {
            0 => Seen::Fails("lag".into()),
            1 => Seen::Nothing("down".into()),
            _ => Seen::Holds,
        }
    }

    proptest! {
        /// Whatever has happened: it is never satisfied before the time that was told, and just then if it holds from now on.
        #[test]
        fn it_is_satisfied_no_sooner_than_was_told_and_just_then_if_it_holds(
            looks in proptest::collection::vec((0_u64..1_500, 0_u8..8), 1..60),
            more in proptest::collection::vec((0_u64..1_500, 0_u8..8), 0..60),
        ) {
            let needed = Duration::from_secs(10);
            let mut stretch = Stretch::default();
            let mut now = 0;
            for (passed, what) in looks {
                now += passed;
                stretch.look(saw(what), TOLERANCE, at(now));
            }
            let Some(earliest) = stretch.earliest(needed, at(now)) else {
                return Ok(());
            };
            let (mut other, mut later) = (stretch.clone(), now);
            for (passed, what) in more {
                later += passed;
                other.look(saw(what), TOLERANCE, at(later));
                prop_assert!(!other.is_satisfied(needed) || at(later) >= earliest);
            }
            let mut first = true;
            while !stretch.is_satisfied(needed) {
                // The first look that sees it hold comes at once.
                now += if first { 0 } else { 1 };
                first = false;
                stretch.look(Seen::Holds, TOLERANCE, at(now));
            }
            prop_assert_eq!(at(now), earliest);
        }

        /// Observed time is never more than the time between looks that saw it hold, whatever happens besides.
        #[test]
        fn observed_time_is_never_made_up(
            looks in proptest::collection::vec((0_u64..15_000, 0_u8..8), 1..100),
        ) {
            let mut stretch = Stretch::default();
            let (mut now, mut held, mut held_at) = (0, 0, None::<u64>);
            for (passed, what) in looks {
                now += passed;
                match what {
                    0 => (held, held_at) = (0, None),
                    1 => (),
                    _ => {
                        held += held_at.map(|it| now - it).filter(|it| *it <= 1_000).unwrap_or(0);
                        held_at = Some(now);
                    }
                }
                stretch.look(saw(what), TOLERANCE, at(now));
                prop_assert!(stretch.observed <= Duration::from_millis(held));
                prop_assert!(stretch.since.is_some() || stretch.observed == Duration::ZERO);
            }
        }
    }
}

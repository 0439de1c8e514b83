//! How much of the traffic each slot makes, over about the last minute.
//!
//! A level for each slot rises with each of its requests and loses a sixth every ten seconds, which weighs the past
//! with a mean age of a minute. It serves to see whether one side's slots are used up faster than the other's, and
//! can only make a test more careful.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::slot_set::SlotSet,
    units::{PerSide, Slot, Timestamp},
};

/// What one request adds, so that a single one is forgotten after a minute and not at once.
const REQUEST: u16 = 8;

/// From one loss to the next.
const INTERVAL_MICROS: i64 = 10_000_000;

/// What is left of a level after each.
const KEPT: (u32, u32) = (5, 6);

/// Losses after which every level is zero.
const FORGOTTEN_AFTER: i64 = 64;

/// The level of every slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Activity {
    interval: i64,
    levels: Vec<u16>,
}

/// How levels are stored: the slots that are not at zero.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    interval: i64,
    slots: u16,
    levels: Vec<(u16, u16)>,
}

/// How active both sides are, and how much of that comes from slots that a test has not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Uncounted {
    /// The share of a side's requests that comes from slots not counted; `None` without requests.
    pub(super) share: PerSide<Option<f64>>,
    /// Slots with requests, on new.
    pub(super) active_on_new: usize,
}

impl Activity {
    pub(super) fn new(slots: u16) -> Self {
        Self {
            interval: 0,
            levels: vec![0; usize::from(slots)],
        }
    }

    /// Lets time pass.
    pub(super) fn roll(&mut self, now: Timestamp) {
        let interval = now.micros().div_euclid(INTERVAL_MICROS);
        let passed = interval.saturating_sub(self.interval);
        if passed >= FORGOTTEN_AFTER {
            self.levels.fill(0);
        } else {
            for _ in 0..passed {
                for level in &mut self.levels {
                    let kept = u32::from(*level) * KEPT.0 / KEPT.1;
                    *level = u16::try_from(kept).unwrap_or(u16::MAX);
                }
            }
        }
        self.interval = self.interval.max(interval);
    }

    /// Counts a request.
    pub(super) fn add(&mut self, slot: Slot) {
        if let Some(level) = self.levels.get_mut(usize::from(slot.number())) {
            *level = level.saturating_add(REQUEST);
        }
    }

    /// The share of all requests that the busiest slots make, at most eight of them; `None` without requests.
    pub(super) fn share_of_busiest(&self, slots: usize) -> Option<f64> {
        let mut busiest = [0_u16; 8];
        let mut all = 0_u64;
        for level in &self.levels {
            all += u64::from(*level);
            if *level > busiest[0] {
                busiest[0] = *level;
                busiest.sort_unstable();
            }
        }
        let most = busiest.iter().rev().take(slots);
        let most: u64 = most.map(|it| u64::from(*it)).sum();
        (all > 0).then(|| most as f64 / all as f64)
    }

    /// What the slots outside `counted` make of the traffic, where those below `limit` are on new.
    pub(super) fn uncounted(&self, counted: &SlotSet, limit: u16) -> Uncounted {
        let mut all = PerSide { old: 0, new: 0 };
        let mut open = PerSide { old: 0, new: 0 };
        let mut active_on_new = 0;
        for (slot, level) in (0_u16..).zip(&self.levels).filter(|(_, it)| **it > 0) {
            let level = u64::from(*level);
            let (all, open) = if slot < limit {
                active_on_new += 1;
                (&mut all.new, &mut open.new)
            } else {
                (&mut all.old, &mut open.old)
            };
            *all += level;
            if !counted.contains(slot) {
                *open += level;
            }
        }
        let share = |open: u64, all: u64| (all > 0).then(|| open as f64 / all as f64);
        Uncounted {
            share: PerSide {
                old: share(open.old, all.old),
                new: share(open.new, all.new),
            },
            active_on_new,
        }
    }
}

impl From<Stored> for Activity {
    fn from(stored: Stored) -> Self {
        let mut activity = Self::new(stored.slots);
        activity.interval = stored.interval;
        for (slot, stored) in stored.levels {
            if let Some(level) = activity.levels.get_mut(usize::from(slot)) {
                *level = stored;
            }
        }
        activity
    }
}

impl From<Activity> for Stored {
    fn from(activity: Activity) -> Self {
        let levels = (0_u16..).zip(activity.levels.iter().copied());
        Self {
            interval: activity.interval,
            slots: u16::try_from(activity.levels.len()).unwrap_or(u16::MAX),
            levels: levels.filter(|(_, level)| *level > 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn slot(number: u64) -> Slot {
        Slot::from_hash(number)
    }

    #[test]
    fn shares_are_of_requests_and_not_of_slots() {
        let mut activity = Activity::new(10);
        for number in [0, 1, 1, 1, 7, 8] {
            activity.add(slot(number));
        }
        let mut counted = SlotSet::new(10);
        counted.insert(1);
        counted.insert(9);
        let seen = activity.uncounted(&counted, 5);
        assert_eq!(seen.share.new, Some(0.25));
        assert_eq!(seen.share.old, Some(1.0));
        assert_eq!(seen.active_on_new, 2);
        assert_eq!(activity.uncounted(&counted, 0).share.new, None);
    }

    #[test]
    fn the_busiest_are_found_wherever_they_are() {
        let mut activity = Activity::new(20);
        assert_eq!(activity.share_of_busiest(3), None);
        for number in 0..20 {
            activity.add(slot(number));
        }
        for number in [3, 3, 3, 19, 19, 0] {
            activity.add(slot(number));
        }
        assert_eq!(activity.share_of_busiest(1), Some(4.0 / 26.0));
        assert_eq!(activity.share_of_busiest(3), Some(9.0 / 26.0));
    }

    #[test]
    fn a_request_is_forgotten_after_about_a_minute() {
        let mut activity = Activity::new(2);
        activity.roll(second(1_000));
        activity.add(slot(1));
        let is_active = |activity: &Activity| activity.uncounted(&SlotSet::new(2), 2).active_on_new;
        activity.roll(second(1_040));
        assert_eq!(is_active(&activity), 1);
        activity.roll(second(1_090));
        assert_eq!(is_active(&activity), 0);
        activity.add(slot(1));
        activity.roll(second(1_000_000_000));
        assert_eq!(is_active(&activity), 0);
    }

    #[test]
    fn levels_come_back_as_they_were() {
        let mut activity = Activity::new(3);
        activity.roll(second(77));
        activity.add(slot(2));
        let text = serde_json::to_string(&activity).expect("it can be stored");
        let back: Activity = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(back, activity);
    }
}

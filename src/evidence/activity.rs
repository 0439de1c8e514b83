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

/// How active each side is, where the slots below a limit are on new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    pub(super) limit: u16,
    /// Slots with requests, on new.
    pub(super) active_on_new: usize,
    /// The sum of a side's levels.
    sums: PerSide<u64>,
    activity: &'a Activity,
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

    /// How active each side is, where the slots below `limit` are on new.
    pub(super) fn sides(&self, limit: u16) -> Sides<'_> {
        let new = usize::from(limit).min(self.levels.len());
        let (on_new, on_old) = self.levels.split_at(new);
        let sum = |levels: &[u16]| levels.iter().map(|it| u64::from(*it)).sum();
        Sides {
            limit,
            active_on_new: on_new.iter().filter(|it| **it > 0).count(),
            sums: PerSide {
                old: sum(on_old),
                new: sum(on_new),
            },
            activity: self,
        }
    }
}

impl Sides<'_> {
    /// The share of each side's requests that comes from slots outside `counted`; `None` without requests.
    ///
    /// Of ten thousand slots few are counted as a rule, so those are taken off rather than the others added up.
    pub(super) fn uncounted(&self, counted: &SlotSet) -> PerSide<Option<f64>> {
        let mut left = self.sums;
        for slot in counted.iter() {
            let level = self.activity.levels.get(usize::from(slot));
            let left = if slot < self.limit {
                &mut left.new
            } else {
                &mut left.old
            };
            *left -= level.map_or(0, |it| u64::from(*it));
        }
        let share = |left: u64, all: u64| (all > 0).then(|| left as f64 / all as f64);
        PerSide {
            old: share(left.old, self.sums.old),
            new: share(left.new, self.sums.new),
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
        let sides = activity.sides(5);
        assert_eq!(sides.active_on_new, 2);
        let (new, old) = (Some(0.25), Some(1.0));
        assert_eq!(sides.uncounted(&counted), PerSide { old, new });
        assert_eq!(activity.sides(0).uncounted(&counted).new, None);
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
        let is_active = |activity: &Activity| activity.sides(2).active_on_new;
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

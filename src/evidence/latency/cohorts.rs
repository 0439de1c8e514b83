//! What is known of each slot's latency before the first step (A/A): how slow its clients are, on old.
//!
//! Two stretches of time are kept, the earlier one never the shorter. How a slot differs from itself between them is
//! what it may drift by. With σ² the variance of requests of one slot, τ² that between slots, and k0 latencies with the
//! mean y0 of a slot among others with the mean y:
//!
//! ```text
//! h = τ² / (τ² + σ²/k0)        predicted = h·y0 + (1 − h)·y        variance of k latencies = τ²·(1 − h) + drift² + σ²/k
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::latency::scale::{Spread, UNIT},
    units::{SLOTS, Slot, Timestamp},
};

/// The first stretch; each further one is as long as all before it, up to the longest.
const STRETCH_MIN: Duration = Duration::from_secs(60);
const STRETCH_MAX: Duration = Duration::from_secs(8 * 60);

/// Fewer latencies than this say too little.
const LATENCIES_MIN: u64 = 1_000;

/// Slots with fewer latencies are left out where variances are estimated.
const LATENCIES_OF_SLOT_MIN: u64 = 3;

/// With fewer such slots the least variances are taken.
const SLOTS_MIN: u32 = 30;

/// The least variances that are believed: slots differ by 5 %, and drift by 2 %.
const BETWEEN_MIN: f64 = 0.0025;
const DRIFT_MIN: f64 = 0.0004;

/// What was seen of each slot before the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cohorts {
    /// The stretch under way ends when it is this long.
    stretch: Duration,
    begun: Option<Timestamp>,
    earlier: Stretch,
    later: Stretch,
}

/// One stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
struct Stretch {
    slots: Vec<Spread>,
    /// The sum of the squares of all logarithms.
    squares: u64,
}

/// How a stretch is stored: only the slots that had latencies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    slots: Vec<(u16, u64, u64)>,
    squares: u64,
}

/// What is common to all slots, in natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Profile {
    mean: f64,
    /// σ², τ² and what a slot may drift by.
    within: f64,
    between: f64,
    drift: f64,
}

/// What is expected of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Cohorts {
    pub(super) fn new() -> Self {
        Self {
            stretch: STRETCH_MIN,
            begun: None,
            earlier: Stretch::new(),
            later: Stretch::new(),
        }
    }

    /// Lets time pass while everything is on old.
    pub(super) fn roll(&mut self, now: Timestamp) {
        let begun = *self.begun.get_or_insert(now);
        if now.since(begun) < self.stretch {
            return;
        }
        self.begun = Some(now);
        let is_first = self.earlier.is_empty();
        if is_first || self.stretch < STRETCH_MAX {
            self.earlier.absorb(&mut self.later);
        } else {
            std::mem::swap(&mut self.earlier, &mut self.later);
            self.later.clear();
        }
        if !is_first {
            self.stretch = (self.stretch * 2).min(STRETCH_MAX);
        }
    }

    pub(super) fn add(&mut self, slot: Slot, units: u32) {
        self.later.add(slot, units);
    }

    /// What is common to all slots; `None` while too little is known.
    pub(super) fn profile(&self) -> Option<Profile> {
        let slots = || (0..SLOTS).map(|it| self.of(it));
        let all = slots().fold(Spread::default(), Spread::plus);
        if all.count() < LATENCIES_MIN {
            return None;
        }
        let within = self.within();
        let known = || slots().filter(|it| it.count() >= LATENCIES_OF_SLOT_MIN);
        let (count, sum, noise) = known().fold((0_u32, 0.0, 0.0), |(count, sum, noise), it| {
            (
                count + 1,
                sum + it.mean(),
                noise + within / it.count() as f64,
            )
        });
        if count < SLOTS_MIN {
            return Some(Profile {
                mean: all.mean(),
                within,
                between: BETWEEN_MIN,
                drift: DRIFT_MIN,
            });
        }
        let slots = f64::from(count);
        let mean = sum / slots;
        let spread: f64 = known().map(|it| (it.mean() - mean).powi(2)).sum();
        Some(Profile {
            mean,
            within,
            between: ((spread - noise) / slots).max(BETWEEN_MIN),
            drift: self.drift(within).unwrap_or(0.0).max(DRIFT_MIN),
        })
    }

    /// What is expected of `count` latencies of a slot.
    pub(super) fn expected(&self, slot: u16, count: u64, profile: &Profile) -> Expected {
        let seen = self.of(slot);
        let trust = match seen.count() {
            0 => 0.0,
            known => profile.between / (profile.between + profile.within / known as f64),
        };
        let own = if seen.count() == 0 { 0.0 } else { seen.mean() };
        Expected {
            mean: trust * own + (1.0 - trust) * profile.mean,
            variance: profile.between * (1.0 - trust)
                + profile.drift
                + profile.within / count as f64,
        }
    }

    fn of(&self, slot: u16) -> Spread {
        let index = usize::from(slot);
        self.earlier.slots[index].plus(self.later.slots[index])
    }

    /// σ²: how latencies of one slot in one stretch scatter.
    fn within(&self) -> f64 {
        let (mut squares, mut freedom) = (0.0, 0.0);
        for stretch in [&self.earlier, &self.later] {
            squares += stretch.squares as f64;
            for slot in stretch.slots.iter().filter(|it| it.count > 0) {
                let (count, sum) = (slot.count as f64, slot.sum as f64);
                squares -= sum * sum / count;
                freedom += count - 1.0;
            }
        }
        // No two latencies of one slot: nothing is known, and a slot's mean of one latency has it all.
        (squares.max(0.0) / f64::max(freedom, 1.0)) * UNIT * UNIT
    }

    /// How slots changed between both stretches beyond their noise; `None` where too few are known in both.
    fn drift(&self, within: f64) -> Option<f64> {
        let both = || {
            let pairs = self.earlier.slots.iter().zip(&self.later.slots);
            let known = |it: &Spread| it.count() >= LATENCIES_OF_SLOT_MIN;
            pairs.filter(move |(one, other)| known(one) && known(other))
        };
        let (mut count, mut sum) = (0_u32, 0.0);
        for (earlier, later) in both() {
            count += 1;
            sum += later.mean() - earlier.mean();
        }
        if count < SLOTS_MIN {
            return None;
        }
        // What they all share is no drift of a slot.
        let common = sum / f64::from(count);
        let beyond = both().map(|(earlier, later)| {
            let noise = within / earlier.count() as f64 + within / later.count() as f64;
            (later.mean() - earlier.mean() - common).powi(2) - noise
        });
        Some(beyond.sum::<f64>() / f64::from(count))
    }
}

impl Stretch {
    fn new() -> Self {
        Self {
            slots: vec![Spread::default(); usize::from(SLOTS)],
            squares: 0,
        }
    }

    fn add(&mut self, slot: Slot, units: u32) {
        self.slots[usize::from(slot.number())].add(units);
        let square = u64::from(units) * u64::from(units);
        self.squares = self.squares.saturating_add(square);
    }

    /// Takes in another stretch, and leaves that one empty.
    fn absorb(&mut self, other: &mut Self) {
        for (slot, more) in self.slots.iter_mut().zip(&other.slots) {
            *slot = slot.plus(*more);
        }
        self.squares = self.squares.saturating_add(other.squares);
        other.clear();
    }

    fn is_empty(&self) -> bool {
        self.squares == 0 && self.slots.iter().all(|it| it.count == 0)
    }

    fn clear(&mut self) {
        self.slots.fill(Spread::default());
        self.squares = 0;
    }
}

impl From<Stored> for Stretch {
    fn from(stored: Stored) -> Self {
        let mut stretch = Self::new();
        stretch.squares = stored.squares;
        for (slot, count, sum) in stored.slots {
            if let Some(spread) = stretch.slots.get_mut(usize::from(slot)) {
                *spread = Spread { count, sum };
            }
        }
        stretch
    }
}

impl From<Stretch> for Stored {
    fn from(stretch: Stretch) -> Self {
        let slots = (0_u16..).zip(&stretch.slots);
        let known = slots.filter(|(_, it)| it.count > 0);
        Self {
            slots: known.map(|(slot, it)| (slot, it.count, it.sum)).collect(),
            squares: stretch.squares,
        }
    }
}

//! A relative test where clients keep their sides: its unit is the slot, once an epoch, on three scales.
//!
//! A slot is on new if it is below the weight; clients fall into slots by a keyed hash, so that the next slot with an
//! event is any of those that were not counted yet with the same chance. With c slots counted, c1 of them below the
//! limit m, that is on new with the chance (m − c1)/(B − c), exactly, whatever the weight did before: up, down, to 0
//! and back. Several new slots of one tick are drawn without replacement, which is no worse than with (Hoeffding,
//! "Probability inequalities for sums of bounded random variables", 1963).
//!
//! A slot counts once an epoch, or clients that fail always would be new evidence at each of their requests. At an
//! epoch's end W = 0 and the set is emptied. Epochs are joined by the union bound, so the same clients may count in
//! the next one. Three scales, each with a third of the γs: a minute finds what is sudden, an hour what is rare.
//!
//! An outage of old alone uses up old's slots and not new's, after which equal sides would look unequal. So x is at
//! least what the requests of slots not yet counted say, and where old is used up much faster W = 0. A larger x and
//! W = 0 can only lower R.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        activity::{Activity, Sides},
        detector::{Detector, Mark, Pace},
        relative,
        slot_set::SlotSet,
    },
    units::{PerSide, Slot, Timestamp},
};

/// How epochs lie in time: every `length`, first at `shift` after the Unix epoch, in microseconds. Shifted so that
/// no two scales begin at the same moment.
struct Grid {
    length_micros: i64,
    shift_micros: i64,
}

const MINUTE: i64 = 60_000_000;

/// 60 s, 10 min and 60 min.
const GRIDS: [Grid; 3] = [
    Grid {
        length_micros: MINUTE,
        shift_micros: 0,
    },
    Grid {
        length_micros: 10 * MINUTE,
        shift_micros: 5 * MINUTE,
    },
    Grid {
        length_micros: 60 * MINUTE,
        shift_micros: 30 * MINUTE,
    },
];

/// Below this many times new's share of requests from uncounted slots, old is used up too fast to be compared with.
const USED_UP: f64 = 0.6;

/// With fewer slots than this on new the shares are too rough to say so.
const ACTIVE_MIN: usize = 30;

/// What one symptom of slots has gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SlotTest {
    scales: [Scale; 3],
}

/// One scale of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    epoch: i64,
    counted: SlotSet,
    detector: Detector<6>,
    /// Slots with the symptom, by the side that they were on.
    events: PerSide<u64>,
    /// The tick under way.
    #[serde(skip)]
    tick: Tick,
}

/// A tick under way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tick {
    /// Slots below it are on new.
    limit: u16,
    chance: Chance,
    /// Slots with events that were not counted before.
    fresh: PerSide<u64>,
}

/// The chance that a slot with an event is on new.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Chance {
    /// No fair comparison until the next epoch.
    #[default]
    UsedUp,
    Of(f64),
}

/// What a tick was worth on the shortest scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Worth {
    /// Slots with events, not counted in this epoch before.
    pub(super) fresh: PerSide<u64>,
    /// The logarithm of the evidence for the largest ratio.
    pub(super) ln_largest: f64,
}

impl SlotTest {
    pub(super) fn new(slots: u16) -> Self {
        Self {
            scales: [(); 3].map(|()| Scale::new(slots)),
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        for scale in &mut self.scales {
            scale.detector.spend(gamma / 3.0);
        }
    }

    /// Lets time pass: ends epochs.
    pub(super) fn roll(&mut self, now: Timestamp) {
        for (scale, grid) in self.scales.iter_mut().zip(&GRIDS) {
            scale.enter((now.micros() - grid.shift_micros).div_euclid(grid.length_micros));
        }
    }

    /// Begins a tick in which slots below `limit` are on new.
    pub(super) fn begin(&mut self, limit: u16, activity: &Activity) {
        let sides = activity.sides(limit);
        for scale in &mut self.scales {
            scale.begin(&sides);
        }
    }

    /// A slot had an event in this tick.
    pub(super) fn see(&mut self, slot: Slot) {
        for scale in &mut self.scales {
            scale.see(slot.number());
        }
    }

    /// Ends the tick.
    pub(super) fn end(&mut self, tolerated: f64, before: Mark, pace: Pace) -> Worth {
        let [shortest, longer @ ..] = &mut self.scales;
        let ln_l = shortest.end(tolerated, before, pace);
        for scale in longer {
            scale.end(tolerated, before, pace);
        }
        Worth {
            fresh: shortest.tick.fresh,
            ln_largest: ln_l[relative::LARGEST],
        }
    }

    /// The scale with the most evidence, and the slots that it has seen.
    pub(super) fn detector(&self) -> (&Detector<6>, PerSide<u64>) {
        let [first, rest @ ..] = &self.scales;
        let most = rest.iter().fold(first, |most, it| {
            let is_more = it.detector.ln_evidence() > most.detector.ln_evidence();
            if is_more { it } else { most }
        });
        (&most.detector, most.events)
    }
}

impl Scale {
    fn new(slots: u16) -> Self {
        Self {
            epoch: i64::MIN,
            counted: SlotSet::new(slots),
            detector: Detector::new(),
            events: PerSide::default(),
            tick: Tick::default(),
        }
    }

    fn enter(&mut self, epoch: i64) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.counted.clear();
            self.detector.clear();
        }
    }

    fn begin(&mut self, sides: &Sides<'_>) {
        self.tick = Tick {
            limit: sides.limit,
            chance: self.chance(sides),
            fresh: PerSide::default(),
        };
    }

    /// x, by what was known before the tick.
    fn chance(&self, sides: &Sides<'_>) -> Chance {
        let limit = sides.limit;
        if limit == 0 || limit >= self.counted.slots() {
            return Chance::Of(exact_chance(limit, &self.counted));
        }
        let uncounted = sides.uncounted(&self.counted);
        let (new, old) = (uncounted.new.unwrap_or(1.0), uncounted.old.unwrap_or(1.0));
        if old < USED_UP * new && sides.active_on_new >= ACTIVE_MIN {
            return Chance::UsedUp;
        }
        let weight = f64::from(limit) / f64::from(self.counted.slots());
        let (on_new, on_old) = (weight * new, (1.0 - weight) * old);
        let by_requests = if on_new > 0.0 {
            on_new / (on_new + on_old)
        } else {
            0.0
        };
        Chance::Of(exact_chance(limit, &self.counted).max(by_requests))
    }

    fn see(&mut self, slot: u16) {
        if self.counted.insert(slot) {
            if slot < self.tick.limit {
                self.tick.fresh.new += 1;
            } else {
                self.tick.fresh.old += 1;
            }
        }
    }

    fn end(&mut self, tolerated: f64, before: Mark, pace: Pace) -> [f64; 6] {
        let fresh = self.tick.fresh;
        let before = Mark {
            events: self.events,
            ..before
        };
        self.events.old += fresh.old;
        self.events.new += fresh.new;
        match self.tick.chance {
            Chance::UsedUp => {
                self.detector.clear();
                [0.0; 6]
            }
            Chance::Of(chance) => {
                let ln_l = relative::ln_likelihoods(fresh, chance, tolerated);
                self.detector.update(&ln_l, before, pace);
                ln_l
            }
        }
    }
}

/// (m − c1)/(B − c): of the slots not counted yet, the share on new. All of them counted is as good as all on new:
/// nothing more can be told.
fn exact_chance(limit: u16, counted: &SlotSet) -> f64 {
    let left = counted.slots() - counted.len();
    let on_new = limit - counted.count_below(limit);
    if left == 0 {
        return 1.0;
    }
    f64::from(on_new) / f64::from(left)
}

#[cfg(test)]
mod tests;

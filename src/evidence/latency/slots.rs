//! Latencies where clients keep their sides.
//!
//! A cohort of clients is a fixed sample: it may be slower by itself, and then is so at each request. So the unit is the
//! slot, with the mean of its latencies in a window, less what is expected of it by what was seen before the first step
//! ([`cohorts`](super::cohorts)). With r that excess, v its variance, both sides' common part taken out, and a slowdown δ:
//!
//! ```text
//! ln LR = δ·(r − δ/2)/v        E = mean over δ of  Π LR of new's slots / (its mean over every choice of as many slots)
//! ```
//!
//! E has a mean of at most 1 at each window's end, for any clients, drift or incident: which slots are on new was drawn.
//! Windows of three lengths are joined by the union bound: each has its share of the budget.
//!
//! A window that a restart interrupts begins anew, since a snapshot leaves it out; what was seen before the first step survives.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Answer,
        budget::HORIZON,
        latency::{
            Reading,
            cohorts::{Cohorts, Profile},
            requests::counted,
            scale::{self, Spread},
            symmetric::ln_mean_product,
        },
        stored::{Exact, ln_sum},
    },
    plan::LatencyTolerance,
    units::{PerSide, SLOTS, Timestamp, Weight},
};

/// How a window's lengths lie in time: every `length`, first at `shift` after the Unix epoch. Shifted so that no two of
/// them end in the same turn.
struct Grid {
    length_micros: i64,
    shift_micros: i64,
}

const SECOND: i64 = 1_000_000;

/// 10 s, 30 s and 120 s.
const GRIDS: [Grid; 3] = [
    Grid {
        length_micros: 10 * SECOND,
        shift_micros: 0,
    },
    Grid {
        length_micros: 30 * SECOND,
        shift_micros: 3 * SECOND,
    },
    Grid {
        length_micros: 120 * SECOND,
        shift_micros: 7 * SECOND,
    },
];

/// exp(δ): the slowdowns that are looked for.
const SLOWDOWNS: [f64; 4] = [1.1, 1.2, 1.4, 2.0];

/// No slot counts for more than so many standard deviations.
const CLIPPED_AT: f64 = 4.0;

/// What latencies of slots have gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::evidence) struct SlotLatencies {
    cohorts: Cohorts,
    /// What is common to all slots, once it is asked for; the cohorts change only while everything is on old.
    #[serde(skip)]
    profile: Option<Profile>,
    windows: [Window; 3],
    /// Memory for a window's end; empty between two of them.
    #[serde(skip)]
    excesses: Vec<Excess>,
    #[serde(skip)]
    ln_ratios: Vec<f64>,
}

/// One window under way, and what the last one found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Window {
    index: i64,
    /// The lowest and the highest number of slots on new, of the tables that latencies came of, and since when. Slots
    /// between them changed sides, and are left out.
    #[serde(default)]
    compared: Option<(u16, u16, Timestamp)>,
    #[serde(with = "occupied", default = "no_latencies")]
    slots: Vec<Spread>,
    /// As they were, for people.
    #[serde(default)]
    seen: PerSide<Spread>,
    found: Option<Found>,
}

/// What a window found at its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    ln_evidence: Exact,
    seen: PerSide<Spread>,
    begun: Timestamp,
}

/// How much slower a slot was than expected.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Excess {
    excess: f64,
    variance: f64,
}

fn no_latencies() -> Vec<Spread> {
    vec![Spread::default(); usize::from(SLOTS)]
}

impl SlotLatencies {
    pub(super) fn new() -> Self {
        Self {
            cohorts: Cohorts::new(),
            profile: None,
            windows: [(); 3].map(|()| Window::new()),
            excesses: Vec::new(),
            ln_ratios: Vec::new(),
        }
    }

    /// Leaves the windows under way out, which would make most of a snapshot.
    pub(super) fn leave_windows_out(&mut self) {
        for window in &mut self.windows {
            window.enter(window.index);
        }
    }

    pub(super) fn roll(&mut self, now: Timestamp, is_all_on_old: bool) {
        if is_all_on_old {
            self.cohorts.roll(now);
            self.profile = None;
        }
        for (index, grid) in GRIDS.iter().enumerate() {
            let entered = (now.micros() - grid.shift_micros).div_euclid(grid.length_micros);
            if entered != self.windows[index].index {
                self.end(index);
                self.windows[index].enter(entered);
            }
        }
    }

    pub(super) fn tick(
        &mut self,
        answers: impl Iterator<Item = Answer>,
        (weight, is_in_force): (Weight, bool),
        tolerance: LatencyTolerance,
        from: Timestamp,
    ) {
        let limit = weight.basis_points();
        for answer in answers {
            let units = scale::units(counted(answer, tolerance));
            if weight == Weight::NONE {
                if is_in_force {
                    self.cohorts.add(answer.slot, units);
                }
                continue;
            }
            for window in &mut self.windows {
                window.add(answer, units, limit, from);
            }
        }
    }

    pub(super) fn reading(&self) -> Reading {
        let readings = self.windows.iter().zip(&GRIDS).map(|(window, grid)| {
            let found = window.found.as_ref();
            Reading {
                ln_evidence: found.map_or(f64::NEG_INFINITY, |it| it.ln_evidence.0),
                ln_looks: grid.ln_looks(),
                since: found.filter(|it| it.ln_evidence.0 > 0.0).map(|it| it.begun),
                spread: found.map(|it| it.seen).unwrap_or_default(),
            }
        });
        let nothing = Reading {
            ln_evidence: f64::NEG_INFINITY,
            ln_looks: GRIDS[0].ln_looks(),
            since: None,
            spread: PerSide::default(),
        };
        readings.fold(nothing, |most, it| {
            let is_more = it.ln_evidence - it.ln_looks > most.ln_evidence - most.ln_looks;
            if is_more { it } else { most }
        })
    }

    fn end(&mut self, index: usize) {
        let Self {
            cohorts,
            profile,
            windows,
            excesses,
            ln_ratios,
        } = self;
        let window = &mut windows[index];
        let begun = window.compared.map(|(_, _, begun)| begun);
        // All at once, so that no later window allocates.
        excesses.reserve(usize::from(SLOTS));
        ln_ratios.reserve(usize::from(SLOTS));
        // A window without an answer at a weight has nothing to be held against.
        if window.compared.is_some() && profile.is_none() {
            *profile = cohorts.profile();
        }
        let on_new = profile.and_then(|profile| window.excesses(cohorts, &profile, excesses));
        window.found = on_new.zip(begun).map(|(on_new, begun)| Found {
            ln_evidence: Exact(ln_evidence(excesses, on_new, ln_ratios)),
            seen: window.seen,
            begun,
        });
        excesses.clear();
        ln_ratios.clear();
    }
}

impl Grid {
    fn ln_looks(&self) -> f64 {
        let horizon = HORIZON.as_secs_f64() * 1e6;
        (GRIDS.len() as f64 * horizon / self.length_micros as f64).ln()
    }
}

impl Window {
    fn new() -> Self {
        Self {
            index: i64::MIN,
            compared: None,
            slots: no_latencies(),
            seen: PerSide::default(),
            found: None,
        }
    }

    fn enter(&mut self, index: i64) {
        self.index = index;
        self.seen = PerSide::default();
        if self.compared.take().is_some() {
            self.slots.fill(Spread::default());
        }
    }

    fn add(&mut self, answer: Answer, units: u32, limit: u16, from: Timestamp) {
        let (least, most, begun) = self.compared.unwrap_or((limit, limit, from));
        self.compared = Some((least.min(limit), most.max(limit), begun));
        self.slots[usize::from(answer.slot.number())].add(units);
        self.seen[answer.side].add(scale::units(answer.latency));
    }

    /// The excess of every slot that had latencies and kept its side, new's first; how many are new's. `None` where
    /// only one side has any.
    fn excesses(
        &self,
        cohorts: &Cohorts,
        profile: &Profile,
        excesses: &mut Vec<Excess>,
    ) -> Option<usize> {
        let (least, most, _) = self.compared?;
        let mut on_new = 0;
        for (slot, seen) in (0_u16..).zip(&self.slots) {
            let is_left_out = (least..most).contains(&slot);
            if seen.count() == 0 || is_left_out {
                continue;
            }
            let expected = cohorts.expected(slot, seen.count(), profile);
            excesses.push(Excess {
                excess: seen.mean() - expected.mean,
                variance: expected.variance,
            });
            on_new += usize::from(slot < least);
        }
        (0 < on_new && on_new < excesses.len()).then_some(on_new)
    }
}

/// ln E of slots of which the first so many are on new.
fn ln_evidence(excesses: &mut [Excess], on_new: usize, ln_ratios: &mut Vec<f64>) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for it in excesses.iter() {
        sum += it.excess / it.variance;
        weights += 1.0 / it.variance;
    }
    let common = sum / weights;
    for it in excesses.iter_mut() {
        let most = CLIPPED_AT * it.variance.sqrt();
        it.excess = (it.excess - common).clamp(-most, most);
    }
    let of_slowdown = SLOWDOWNS.map(|slowdown: f64| {
        let slowdown = slowdown.ln();
        ln_ratios.clear();
        ln_ratios.extend(
            excesses
                .iter()
                .map(|it| slowdown * (it.excess - slowdown / 2.0) / it.variance),
        );
        let product: f64 = ln_ratios[..on_new].iter().sum();
        product - ln_mean_product(ln_ratios, on_new)
    });
    let sum = of_slowdown.into_iter().fold(f64::NEG_INFINITY, ln_sum);
    sum - (SLOWDOWNS.len() as f64).ln()
}

/// The slots that have latencies, with their numbers.
mod occupied {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Spread, no_latencies};

    pub(super) fn serialize<S: Serializer>(
        slots: &[Spread],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let numbered = (0_u16..).zip(slots);
        serializer.collect_seq(numbered.filter(|(_, it)| it.count() > 0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Spread>, D::Error> {
        let mut slots = no_latencies();
        for (slot, spread) in <Vec<(u16, Spread)>>::deserialize(deserializer)? {
            if let Some(place) = slots.get_mut(usize::from(slot)) {
                *place = spread;
            }
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests;

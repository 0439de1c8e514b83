//! Whether the split itself is right: each drawn request on the side of its slot, and as many slots on new as the weight
//! says.
//!
//! A request whose side is not its slot's is a fault of the program; one is enough. Whether the hash spreads clients evenly
//! is asked at the end of each hour: of the slots seen in it (where each request is drawn anew, of the draws), how many
//! lie below the weight? With x the share of slots that do, and for each of ten d up and down:
//!
//! ```text
//! ln L = d·k1 − k·ln(1 + x·(exp(d) − 1))        E = mean of L
//! ```
//!
//! A slot is seen by any of its requests, and on whichever side: judged at the end, so that a slow side is not taken for an
//! unfair draw. Slots are drawn without replacement, which is no worse than with (Hoeffding). Nothing is kept across a restart:
//! the hour begins anew.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Outcome, Unit, slot_set::SlotSet, stored::ln_sum},
    units::{SLOTS, Side, Timestamp, Weight},
};

/// How much more or less likely on new: exp(d) − 1 is about this, either way.
const SHIFTS: [f64; 5] = [0.02, 0.05, 0.1, 0.3, 1.0];

/// An epoch, in microseconds.
const LENGTH: i64 = 3_600_000_000;

/// Epochs in the time that the budget is for: each look has its part of the share.
pub(super) const LOOKS: f64 = 24.0;

/// The check of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SplitCheck {
    unit: Unit,
    epoch: Option<i64>,
    /// Slots seen in the epoch.
    seen: SlotSet,
    /// Draws in the epoch, and those of them on new by their slots.
    draws: u64,
    draws_on_new: u64,
    /// The logarithms of the e-values of draws, summed up.
    ln_l: [f64; 2 * SHIFTS.len()],
    strays: u64,
    last: Option<Found>,
}

/// What an epoch showed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) on_new: u64,
    pub(super) of: u64,
    /// The share of slots that the weight put on new then.
    pub(super) expected: f64,
    pub(super) ln_evidence: f64,
    /// When the epoch began.
    pub(super) since: Timestamp,
}

impl SplitCheck {
    pub(super) fn new(unit: Unit) -> Self {
        Self {
            unit,
            epoch: None,
            seen: SlotSet::new(match unit {
                Unit::Request => 0,
                Unit::Slot => SLOTS,
            }),
            draws: 0,
            draws_on_new: 0,
            ln_l: [0.0; 2 * SHIFTS.len()],
            strays: 0,
            last: None,
        }
    }

    /// Lets time pass: an epoch that ends is judged by the weight in force.
    pub(super) fn roll(&mut self, now: Timestamp, weight: Weight) {
        let epoch = now.micros().div_euclid(LENGTH);
        let before = self.epoch.replace(epoch);
        if let Some(before) = before.filter(|it| *it != epoch) {
            self.last = Some(self.judged(weight, Timestamp::from_micros(before * LENGTH)));
            self.begin();
        }
    }

    /// Takes in the requests of one table that ended.
    pub(super) fn take(&mut self, outcomes: impl Iterator<Item = Outcome>, weight: Weight) {
        let (mut draws, mut on_new) = (0_u64, 0_u64);
        for outcome in outcomes {
            let is_on_new = weight.includes(outcome.slot);
            self.strays += u64::from(is_on_new != (outcome.side == Side::New));
            draws += 1;
            on_new += u64::from(is_on_new);
            self.seen.insert(outcome.slot.number());
        }
        if self.unit == Unit::Request && draws > 0 {
            for (ln_l, more) in self
                .ln_l
                .iter_mut()
                .zip(ln_likelihoods(on_new, draws, weight))
            {
                *ln_l += more;
            }
            self.draws += draws;
            self.draws_on_new += on_new;
        }
    }

    /// Another salt is drawn.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.unit);
    }

    /// Drawn requests that went to another side than their slot's.
    pub(super) const fn strays(&self) -> u64 {
        self.strays
    }

    /// What the last epoch showed.
    pub(super) const fn last(&self) -> Option<Found> {
        self.last
    }

    fn judged(&self, weight: Weight, since: Timestamp) -> Found {
        let (on_new, of, ln_l) = match self.unit {
            Unit::Request => (self.draws_on_new, self.draws, self.ln_l),
            Unit::Slot => {
                let on_new = u64::from(self.seen.count_below(weight.basis_points()));
                let of = u64::from(self.seen.len());
                (on_new, of, ln_likelihoods(on_new, of, weight))
            }
        };
        let sum = ln_l.into_iter().fold(f64::NEG_INFINITY, ln_sum);
        Found {
            on_new,
            of,
            expected: weight.ratio(),
            ln_evidence: sum - f64::ln(2.0 * SHIFTS.len() as f64),
            since,
        }
    }

    fn begin(&mut self) {
        self.seen.clear();
        self.draws = 0;
        self.draws_on_new = 0;
        self.ln_l = [0.0; 2 * SHIFTS.len()];
    }
}

/// ln L for each d, of so many units of which so many are on new.
fn ln_likelihoods(on_new: u64, of: u64, weight: Weight) -> [f64; 2 * SHIFTS.len()] {
    let x = weight.ratio();
    std::array::from_fn(|index| {
        let shift = SHIFTS[index / 2];
        let d = if index % 2 == 0 { shift } else { -shift };
        d * on_new as f64 - of as f64 * (x * d.exp_m1()).ln_1p()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::Says,
        plan::RouteId,
        units::{Generation, Slot},
    };

    fn weight(points: u16) -> Weight {
        Weight::from_basis_points(points).expect("at most 100 %")
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * LENGTH + 1)
    }

    fn outcome(slot: u64, side: Side) -> Outcome {
        Outcome {
            generation: Generation::new(1),
            slot: Slot::from_hash(slot),
            side,
            route: RouteId::REST,
            says: Says::Fine,
        }
    }

    /// An hour of drawn requests of these slots.
    fn judged(unit: Unit, points: u16, slots: impl Iterator<Item = u64>) -> SplitCheck {
        let weight = weight(points);
        let mut check = SplitCheck::new(unit);
        check.roll(hour(5), weight);
        let outcomes = slots.map(|slot| {
            let side = match weight.includes(Slot::from_hash(slot)) {
                true => Side::New,
                false => Side::Old,
            };
            outcome(slot, side)
        });
        check.take(outcomes, weight);
        assert_eq!(check.last(), None, "not before the hour is over");
        check.roll(hour(6), weight);
        check
    }

    #[test]
    fn its_mean_is_one_for_a_fair_draw() {
        for points in [100, 2_500, 9_000] {
            let x = f64::from(points) / 10_000.0;
            let mut means = [0.0; 2 * SHIFTS.len()];
            for on_new in 0..=12_u32 {
                let ways: f64 = (0..on_new)
                    .map(|it| f64::from(12 - it) / f64::from(it + 1))
                    .product();
                let power = |p: f64, n: u32| p.powi(i32::try_from(n).expect("few"));
                let chance = ways * power(x, on_new) * power(1.0 - x, 12 - on_new);
                let ln_l = ln_likelihoods(u64::from(on_new), 12, weight(points));
                for (mean, ln_l) in means.iter_mut().zip(ln_l) {
                    *mean += chance * ln_l.exp();
                }
            }
            for mean in means {
                assert!((mean - 1.0).abs() < 1e-9, "{points}: {mean}");
            }
        }
    }

    #[test]
    fn an_even_spread_says_nothing_and_an_uneven_one_much() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut many = |slots: u64| -> Vec<u64> { (0..5_000).map(|_| rng.u64(..slots)).collect() };
        let (even, crowded) = (many(10_000), many(5_000));
        for unit in [Unit::Request, Unit::Slot] {
            let found = judged(unit, 2_000, even.iter().copied())
                .last()
                .expect("an hour");
            assert!(found.ln_evidence < 3.0, "{unit:?}: {found:?}");
            let found = judged(unit, 2_000, crowded.iter().copied())
                .last()
                .expect("an hour");
            assert!(found.ln_evidence > 30.0, "{unit:?}: {found:?}");
            assert!(
                found.on_new * 10 > found.of * 3 && found.of <= 5_000,
                "{found:?}"
            );
            assert_eq!(found.since, Timestamp::from_micros(5 * LENGTH));
        }
    }

    #[test]
    fn a_busy_client_is_one_slot() {
        let office = std::iter::repeat_n(3, 100_000);
        let found = judged(Unit::Slot, 2_000, office).last().expect("an hour");
        assert_eq!((found.on_new, found.of), (1, 1));
        assert!(found.ln_evidence < 1.0, "{found:?}");
    }

    #[test]
    fn one_request_on_the_wrong_side_is_enough() {
        let mut check = judged(Unit::Slot, 2_000, [3, 9_000].into_iter());
        assert_eq!(check.strays(), 0);
        check.take([outcome(3, Side::Old)].into_iter(), weight(2_000));
        assert_eq!(check.strays(), 1);
        check.take([outcome(9_000, Side::New)].into_iter(), weight(2_000));
        assert_eq!(check.strays(), 2);
        check.clear();
        assert_eq!((check.strays(), check.last()), (0, None));
    }

    #[test]
    fn nothing_or_all_on_new_says_nothing() {
        for points in [0, 10_000] {
            let found = judged(Unit::Slot, points, 0..5_000)
                .last()
                .expect("an hour");
            assert!(found.ln_evidence.abs() < 1e-9, "{found:?}");
        }
    }
}

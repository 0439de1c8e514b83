//! Latencies where each request is drawn anew.
//!
//! With q the share of old's past latencies in each bin, and g a score that rises with latency, new is looked for in
//! LR = exp(d·g) / Σ q·exp(d·g). For c0 and c1 latencies of old and of new in a bin, and w the planned weight:
//!
//! ```text
//! ln L = Σ c1·ln LR − (c0 + c1)·ln(1 + w·(LR − 1))
//! ```
//!
//! The mean of L is 1 whatever latencies the requests have, if the side makes no difference to them: each factor's mean
//! over the draw is. It is at most 1 if each request is no slower on new than is tolerated, since LR rises. That holds
//! for any q that is fixed before the tick; a bad one only costs power. One score is for all of the latencies, one for
//! the slowest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Answer,
        detector::{Detector, Pace},
        latency::{
            Reading, mark,
            scale::{self, BINS, Spread},
        },
    },
    plan::LatencyTolerance,
    units::{PerSide, Side, Timestamp, Weight},
};

/// d, of which each is twice the one before.
const STRENGTHS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// Both scores with each strength.
const ALTERNATIVES: usize = 2 * STRENGTHS.len();

/// The score of the tail is the logarithm of the share that is slower, up to this, and half of that.
const TAIL_MAX: f64 = 7.0;

/// What old's past is halved at, so that what is long ago counts less and less.
const PAST_MAX: u64 = 1 << 17;

/// What latencies of requests have gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::evidence) struct RequestLatencies {
    past: Past,
    detector: Detector<ALTERNATIVES>,
    seen: PerSide<Spread>,
    /// What the turn under way looks for.
    #[serde(skip)]
    sought: Sought,
}

/// Old's latencies so far, as what is tolerated in their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Past {
    bins: Vec<u64>,
    count: u64,
}

/// ln LR by bin, for each alternative; empty before the first turn.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sought(Vec<[f64; ALTERNATIVES]>);

impl RequestLatencies {
    pub(super) fn new() -> Self {
        Self {
            past: Past {
                bins: vec![0; BINS],
                count: 0,
            },
            detector: Detector::new(),
            seen: PerSide::default(),
            sought: Sought::default(),
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        self.detector.spend(gamma);
    }

    pub(super) fn begin(&mut self) {
        self.sought.of(&self.past);
    }

    pub(super) fn tick(
        &mut self,
        answers: impl Iterator<Item = Answer>,
        weight: Weight,
        tolerance: LatencyTolerance,
        (from, pace): (Timestamp, Pace),
    ) {
        let before = mark(from, &self.seen);
        let mut counts = [PerSide { old: 0, new: 0 }; BINS];
        let is_compared = weight > Weight::NONE && weight < Weight::FULL;
        for answer in answers {
            if is_compared {
                self.seen[answer.side].add(scale::units(answer.latency));
            }
            let bin = scale::bin_of(counted(answer, tolerance));
            counts[bin][answer.side] += 1;
            if answer.side == Side::Old {
                self.past.add(bin);
            }
        }
        let both = counts.iter().zip(&self.sought.0);
        if is_compared && counts.iter().any(|it| *it != PerSide::default()) {
            let ln_l = ln_likelihoods(both, weight);
            self.detector.update(&ln_l, before, pace);
        }
    }

    pub(super) fn reading(&self) -> Reading {
        let since = self.detector.since();
        let then = since.map_or(self.seen, |it| {
            PerSide::from_fn(|side| Spread {
                count: it.requests[side],
                sum: it.events[side],
            })
        });
        Reading {
            ln_evidence: self.detector.ln_evidence(),
            ln_looks: 0.0,
            since: since.map(|it| it.at),
            spread: PerSide::from_fn(|side| self.seen[side].less(then[side])),
        }
    }
}

/// New's latency as it is; old's as what would be tolerated in its place.
pub(in crate::evidence) fn counted(answer: Answer, tolerance: LatencyTolerance) -> Duration {
    match answer.side {
        Side::Old => tolerance.of(answer.latency),
        Side::New => answer.latency,
    }
}

fn ln_likelihoods<'a>(
    bins: impl Iterator<Item = (&'a PerSide<u64>, &'a [f64; ALTERNATIVES])>,
    weight: Weight,
) -> [f64; ALTERNATIVES] {
    let on_new = weight.ratio();
    let mut sum = [0.0; ALTERNATIVES];
    for (counts, ln_ratios) in bins.filter(|(it, _)| it.old + it.new > 0) {
        let (both, new) = ((counts.old + counts.new) as f64, counts.new as f64);
        for (sum, ln_ratio) in sum.iter_mut().zip(ln_ratios) {
            *sum += new * ln_ratio - both * (on_new * ln_ratio.exp_m1()).ln_1p();
        }
    }
    sum
}

impl Past {
    fn add(&mut self, bin: usize) {
        self.bins[bin] += 1;
        self.count += 1;
        if self.count >= PAST_MAX {
            for bin in &mut self.bins {
                *bin /= 2;
            }
            self.count = self.bins.iter().sum();
        }
    }

    /// The share of each bin, as if there were one latency more, spread over all of them: nothing is impossible.
    fn shares(&self) -> impl Iterator<Item = f64> {
        let all = self.count as f64 + 1.0;
        let spread = 1.0 / self.bins.len() as f64;
        self.bins.iter().map(move |it| (*it as f64 + spread) / all)
    }
}

impl Sought {
    /// Fills it in by what is known of old.
    fn of(&mut self, past: &Past) {
        self.0.resize(BINS, [0.0; ALTERNATIVES]);
        let mut below = 0.0;
        let mut means = [0.0; ALTERNATIVES];
        for (ln_ratios, share) in self.0.iter_mut().zip(past.shares()) {
            let middle = below + share / 2.0;
            below += share;
            let tail = (-(-middle).ln_1p()).min(TAIL_MAX) / 2.0;
            let (of_bulk, of_tail) = ln_ratios.split_at_mut(STRENGTHS.len());
            let (mean_bulk, mean_tail) = means.split_at_mut(STRENGTHS.len());
            for (ln_ratios, means, score) in
                [(of_bulk, mean_bulk, middle), (of_tail, mean_tail, tail)]
            {
                let mut power = (STRENGTHS[0] * score).exp();
                for ((ln_ratio, mean), strength) in ln_ratios.iter_mut().zip(means).zip(STRENGTHS) {
                    *ln_ratio = strength * score;
                    *mean += share * power;
                    power *= power;
                }
            }
        }
        let ln_means = means.map(f64::ln);
        for ln_ratios in &mut self.0 {
            for (ln_ratio, ln_mean) in ln_ratios.iter_mut().zip(ln_means) {
                *ln_ratio -= ln_mean;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::Stage,
        measure::WaitMark,
        plan::RouteId,
        units::{Factor, Generation, Slot},
    };

    const EXACT: LatencyTolerance = LatencyTolerance {
        times: Factor::from_thousandths(1_000),
        plus: Duration::ZERO,
    };

    const TOLERANT: LatencyTolerance = LatencyTolerance {
        times: Factor::from_thousandths(1_500),
        plus: Duration::from_millis(2),
    };

    const AT_ONCE: (Timestamp, Pace) = (Timestamp::from_micros(0), Pace::AtOnce);

    fn answer(side: Side, millis: u64) -> Answer {
        Answer {
            generation: Generation::new(1),
            slot: Slot::from_hash(0),
            side,
            route: RouteId::REST,
            latency: Duration::from_millis(millis),
            told: WaitMark::NONE,
            stage: Stage::Answered,
        }
    }

    /// A test that knows old, with latencies of 10 ms to 100 ms.
    fn known(tolerance: LatencyTolerance) -> RequestLatencies {
        let mut test = RequestLatencies::new();
        test.begin();
        let answers = (0..900).map(|it| answer(Side::Old, 10 + it % 90));
        test.tick(answers, Weight::NONE, tolerance, AT_ONCE);
        test
    }

    /// The mean of each alternative's L over every draw, for requests with these latencies on old and on new.
    fn mean(latencies: &[(u64, u64)], weight: u16, tolerance: LatencyTolerance) -> [f64; 10] {
        let weight = Weight::from_basis_points(weight).expect("at most all");
        let on_new = weight.ratio();
        let mut sought = known(tolerance);
        sought.begin();
        let mut mean = [0.0; ALTERNATIVES];
        for draw in 0..1_u32 << latencies.len() {
            let mut chance = 1.0;
            let mut counts = [PerSide { old: 0, new: 0 }; BINS];
            for (index, (old, new)) in latencies.iter().enumerate() {
                let is_new = draw >> index & 1 == 1;
                chance *= if is_new { on_new } else { 1.0 - on_new };
                let answer = match is_new {
                    true => answer(Side::New, *new),
                    false => answer(Side::Old, *old),
                };
                let bin = scale::bin_of(counted(answer, tolerance));
                counts[bin][answer.side] += 1;
            }
            let ln_l = ln_likelihoods(counts.iter().zip(&sought.sought.0), weight);
            for (mean, ln_l) in mean.iter_mut().zip(ln_l) {
                *mean += chance * ln_l.exp();
            }
        }
        mean
    }

    #[test]
    fn its_mean_is_one_for_any_latencies_if_the_side_makes_no_difference() {
        let latencies = [(3, 3), (20, 20), (20, 20), (95, 95), (60_000, 60_000)];
        for weight in [100, 2_000, 5_000, 9_900] {
            for mean in mean(&latencies, weight, EXACT) {
                assert!((mean - 1.0).abs() < 1e-9, "{weight}: {mean}");
            }
        }
    }

    #[test]
    fn its_mean_is_at_most_one_if_new_is_no_slower_than_is_tolerated() {
        let latencies = [(3, 6), (20, 32), (40, 20), (95, 144), (60_000, 90_000)];
        for weight in [100, 5_000, 9_900] {
            for mean in mean(&latencies, weight, TOLERANT) {
                assert!(mean <= 1.0 + 1e-9, "{weight}: {mean}");
            }
        }
    }

    #[test]
    fn its_mean_exceeds_one_if_new_is_slower() {
        for mean in mean(&[(20, 80), (30, 90), (50, 200)], 5_000, TOLERANT) {
            assert!(mean > 1.0, "{mean}");
        }
    }

    #[test]
    fn what_is_looked_for_is_fixed_before_it_is_seen() {
        let mut test = known(EXACT);
        test.begin();
        let sought = test.sought.clone();
        let half = Weight::from_basis_points(5_000).expect("at most all");
        test.tick([answer(Side::Old, 9_000)].into_iter(), half, EXACT, AT_ONCE);
        assert_eq!(test.sought, sought);
        test.begin();
        assert_ne!(test.sought, sought);
    }

    #[test]
    fn the_past_counts_less_and_less() {
        let mut past = known(EXACT).past;
        for _ in 0..3 * PAST_MAX {
            past.add(7);
        }
        assert!(past.count < PAST_MAX);
        assert!(past.bins[7] > past.count * 99 / 100);
    }
}

//! Evidence from copies of requests: each copy is drawn to new or to old, and compared with what old answered.
//!
//! Something that changes from answer to answer, such as a time, differs as often in copies to old as in copies to new. The
//! draw of a copy's side is the only thing that is random, as in the tests of what clients see: of the copies that differ, how
//! many were drawn to new? See [`relative`] for the formula; here nothing is looked for that
//! begins at some time, so that the plain product of e-values stands against its threshold (Ville's inequality).

use crate::{
    evidence::{
        absolute::Judged,
        advance::{Advance, Permit},
        relative,
        stored::ln_sum,
    },
    units::{PerSide, Share, Side},
};

/// The chance that anything at all is called a difference that is none.
const FALSE_DIFFERENCE: f64 = 0.001;

/// Whether copies to new show something more often than copies to old do.
#[derive(Clone, Debug)]
pub struct Excess {
    ln_w: [f64; relative::RATIOS.len()],
    events: PerSide<u64>,
}

/// Whether copies to new that differ are few enough.
#[derive(Clone, Debug)]
pub struct Sameness(Advance);

impl Excess {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ln_w: [0.0; relative::RATIOS.len()],
            events: PerSide::default(),
        }
    }

    /// A copy to `side` shows it, one that was drawn to new with the chance `on_new`.
    pub fn add(&mut self, side: Side, on_new: f64) {
        self.events[side] += 1;
        let mut event = PerSide::<u64>::default();
        event[side] = 1;
        for (ln_w, ln_l) in self
            .ln_w
            .iter_mut()
            .zip(relative::ln_likelihoods(event, on_new, 1.0))
        {
            *ln_w += ln_l;
        }
    }

    /// How many copies to each side showed it.
    #[must_use]
    pub const fn events(&self) -> PerSide<u64> {
        self.events
    }

    /// The logarithm of the evidence: the mean over the ratios that are looked for.
    #[must_use]
    pub fn ln_evidence(&self) -> f64 {
        let sum = self.ln_w.iter().copied().fold(f64::NEG_INFINITY, ln_sum);
        sum - f64::ln(relative::RATIOS.len() as f64)
    }

    /// What the evidence has to reach for the thing that was seen first as number `place`, counted from 1: its share of
    /// the budget is 1/(k(k+1)), so that all of them together are no more than the whole of it.
    #[must_use]
    pub fn ln_threshold(place: u32) -> f64 {
        let place = f64::from(place.max(1));
        (place * (place + 1.0)).ln() - FALSE_DIFFERENCE.ln()
    }
}

impl Default for Excess {
    fn default() -> Self {
        Self::new()
    }
}

impl Sameness {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Advance::new())
    }

    /// A copy to new was compared.
    pub fn add(&mut self, differs: bool, accepted: Share) {
        let judged = Judged {
            errors: u64::from(differs),
            fine: u64::from(!differs),
        };
        self.0.tick(judged, accepted.ratio());
    }

    /// Whether the share that differs is shown to be below `accepted`, and how far that is.
    #[must_use]
    pub fn permit(&self, accepted: Share) -> Permit {
        self.0.permit(accepted.ratio())
    }
}

impl Default for Sameness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[Side], on_new: f64) -> Excess {
        let mut excess = Excess::new();
        events.iter().for_each(|it| excess.add(*it, on_new));
        excess
    }

    #[test]
    fn its_mean_over_the_draws_is_one() {
        for on_new in [0.3, 0.5, 0.9] {
            let ways = (0..1_u32 << 8).map(|way| {
                let side = |it: u32| match way >> it & 1 {
                    1 => Side::New,
                    _ => Side::Old,
                };
                let events: Vec<Side> = (0..8).map(side).collect();
                let new = f64::from(way.count_ones());
                let chance = f64::powf(on_new, new) * f64::powf(1.0 - on_new, 8.0 - new);
                chance * of(&events, on_new).ln_evidence().exp()
            });
            let mean: f64 = ways.sum();
            assert!((mean - 1.0).abs() < 1e-9, "{mean} at {on_new}");
        }
    }

    #[test]
    fn what_only_new_shows_is_found_and_what_both_show_is_not() {
        let only_new = of(&[Side::New; 30], 0.5);
        assert!(only_new.ln_evidence() > Excess::ln_threshold(50));
        let both = [Side::New, Side::Old].repeat(5_000);
        assert!(of(&both, 0.5).ln_evidence() < 0.0);
        // Where every copy goes to new there is nothing to compare with.
        assert!(of(&[Side::New; 1_000], 1.0).ln_evidence().abs() < 1e-6);
    }

    #[test]
    fn thresholds_of_all_places_are_the_budget_together() {
        let shares: f64 = (1..100_000)
            .map(|it| (-Excess::ln_threshold(it)).exp())
            .sum();
        assert!((0.00099..0.001).contains(&shares), "{shares}");
    }

    #[test]
    fn sameness_needs_thousands_of_copies_at_a_tenth_of_a_percent() {
        let accepted = Share::from_parts_per_million(1_000).unwrap();
        let mut sameness = Sameness::new();
        let left = sameness.permit(accepted).requests_left;
        assert!((4_500..5_500).contains(&left), "{left}");
        (0..left).for_each(|_| sameness.add(false, accepted));
        assert!(sameness.permit(accepted).is_given);
        (0..20).for_each(|_| sameness.add(true, accepted));
        assert!(!sameness.permit(accepted).is_given);
    }
}

//! The e-values of a risk ratio: of some units with an event, how many were drawn to new?
//!
//! With x the chance that such a unit is on new, and r times old's risk tolerated there, at most
//! ρ = x·r / (1 − x + x·r) of the events are on new. For e events, e1 of them on new, and a risk ratio of exp(d):
//!
//! ```text
//! ln L = d·e1 − e·ln(1 + ρ·(exp(d) − 1))
//! ```
//!
//! The mean of L is at most 1 if each unit's risk on new is at most r times its own risk on old, however much the
//! units differ: each unit's factor has that mean, and the units are drawn apart. It is a test of the split of events
//! in the sense of Lindon and Malek (arXiv 2011.03567) and of Turner, Ly and Grünwald (arXiv 2106.02693). With the
//! planned x a side without requests is no special case.

use crate::units::PerSide;

/// exp(d): the risk ratios that are looked for. Smaller ones than the first are left alone.
pub(super) const RATIOS: [f64; 6] = [1.5, 2.0, 4.0, 10.0, 50.0, 500.0];

/// Where a ratio of 500 stands, which has next to no events on old to explain.
pub(super) const LARGEST: usize = RATIOS.len() - 1;

/// ln L for each ratio; zero where none is on new, and nothing can be told. Where all are said to be on new an event on
/// new is no news, and one on old speaks against a difference all the more.
pub(super) fn ln_likelihoods(events: PerSide<u64>, on_new: f64, tolerated: f64) -> [f64; 6] {
    if on_new <= 0.0 {
        return [0.0; 6];
    }
    let on_new = on_new.min(1.0);
    let share = on_new * tolerated / (1.0 - on_new + on_new * tolerated);
    let (on_both, on_new) = ((events.old + events.new) as f64, events.new as f64);
    // exp(d) − 1 is exact here.
    RATIOS.map(|ratio| on_new * ratio.ln() - on_both * (share * (ratio - 1.0)).ln_1p())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "bit for bit is meant")]

    use super::*;

    /// The mean of L over every way that the units can be drawn and end: each with its own risk on old, and
    /// `ratio` times that on new.
    fn mean(risks: &[f64], weight: f64, ratio: f64, tolerated: f64) -> [f64; 6] {
        let mut mean = [0.0; 6];
        for way in 0..3_usize.pow(u32::try_from(risks.len()).expect("few")) {
            let (mut chance, mut events, mut rest) = (1.0, PerSide { old: 0, new: 0 }, way);
            for risk in risks {
                let on_new = weight * (risk * ratio).min(1.0);
                let on_old = (1.0 - weight) * risk;
                match rest % 3 {
                    0 => chance *= 1.0 - on_new - on_old,
                    1 => {
                        chance *= on_new;
                        events.new += 1;
                    }
                    _ => {
                        chance *= on_old;
                        events.old += 1;
                    }
                }
                rest /= 3;
            }
            let ln_l = ln_likelihoods(events, weight, tolerated);
            for (mean, ln_l) in mean.iter_mut().zip(ln_l) {
                *mean += chance * ln_l.exp();
            }
        }
        mean
    }

    const RISKS: [f64; 6] = [1.0, 0.9, 0.3, 0.02, 0.0, 0.5];

    #[test]
    fn its_mean_is_one_where_sides_make_no_difference() {
        for weight in [0.01, 0.05, 0.5, 0.95] {
            for mean in mean(&RISKS, weight, 1.0, 1.0) {
                assert!((mean - 1.0).abs() < 1e-9, "{weight}: {mean}");
            }
        }
    }

    #[test]
    fn its_mean_is_at_most_one_up_to_the_tolerated_ratio() {
        for weight in [0.01, 0.3, 0.99] {
            for ratio in [0.0, 0.5, 1.0, 1.7, 2.0] {
                for mean in mean(&RISKS, weight, ratio, 2.0) {
                    assert!(mean <= 1.0 + 1e-9, "{weight}, {ratio}: {mean}");
                }
            }
        }
    }

    #[test]
    fn its_mean_exceeds_one_where_new_is_worse_than_tolerated() {
        for mean in mean(&[0.1; 6], 0.5, 3.0, 1.0) {
            assert!(mean > 1.0, "{mean}");
        }
    }

    #[test]
    fn where_all_or_none_are_on_new_nothing_speaks_against_it() {
        let events = PerSide { old: 3, new: 9 };
        assert_eq!(ln_likelihoods(events, 0.0, 1.0), [0.0; 6]);
        assert_eq!(
            ln_likelihoods(PerSide { old: 0, new: 9 }, 1.0, 1.0),
            [0.0; 6]
        );
        for ln_l in ln_likelihoods(events, 1.0, 1.0) {
            assert!(ln_l < 0.0, "{ln_l}");
        }
    }

    #[test]
    fn a_small_share_and_many_events_stay_finite() {
        let events = PerSide {
            old: 0,
            new: 1_000_000,
        };
        let ln_l = ln_likelihoods(events, 1e-4, 1.0);
        assert!(ln_l.iter().all(|it| it.is_finite()), "{ln_l:?}");
    }
}

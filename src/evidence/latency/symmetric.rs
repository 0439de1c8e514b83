//! The mean over every choice of some slots: what a likelihood ratio of a cohort is held against.
//!
//! With a likelihood ratio of exp(l) for each of K slots, those of a cohort of K1 multiply to some product. If the
//! cohort is any choice of K1 slots with the same chance, the mean of that product is e_K1 / C(K, K1), with e the
//! elementary symmetric polynomial of the ratios: so the product over that mean has a mean of exactly 1.

use crate::evidence::stored::ln_sum;

/// With fewer slots than this on either side the approximation is too rough, and the sum is done in full.
const EXACT_BELOW: usize = 5;

/// The fit ends when its sum is right to this part.
const PRECISION: f64 = 1e-9;

/// More steps than halving alone would take.
const STEPS_MAX: usize = 100;

/// ln of the mean of the product over every choice of `chosen` of the ratios, given by their logarithms.
pub(super) fn ln_mean_product(ln_ratios: &[f64], chosen: usize) -> f64 {
    let left = ln_ratios.len().saturating_sub(chosen);
    if chosen == 0 {
        return 0.0;
    }
    if left == 0 {
        return ln_ratios.iter().sum();
    }
    if chosen < EXACT_BELOW {
        return ln_elementary(ln_ratios.iter().copied(), chosen)
            - ln_elementary(ln_ratios.iter().map(|_| 0.0), chosen);
    }
    if left < EXACT_BELOW {
        let whole: f64 = ln_ratios.iter().sum();
        return whole + ln_elementary(ln_ratios.iter().map(|it| -it), left)
            - ln_elementary(ln_ratios.iter().map(|_| 0.0), left);
    }
    // Both by the same formula, so that what it is off by cancels out.
    let (all, some) = (ln_ratios.len() as f64, chosen as f64);
    let logit = (some / (all - some)).ln();
    let share = some / all;
    let ln_choices = all * logit.exp().ln_1p()
        - some * logit
        - (std::f64::consts::TAU * all * share * (1.0 - share)).ln() / 2.0;
    ln_saddle(ln_ratios, some, logit) - ln_choices
}

/// ln e by its recursion: e_j of one ratio more is e_j + ratio·e_(j−1).
fn ln_elementary(ln_ratios: impl Iterator<Item = f64>, degree: usize) -> f64 {
    let mut ln_e = [f64::NEG_INFINITY; EXACT_BELOW];
    ln_e[0] = 0.0;
    for ln_ratio in ln_ratios {
        for index in (1..=degree).rev() {
            ln_e[index] = ln_sum(ln_e[index], ln_e[index - 1] + ln_ratio);
        }
    }
    ln_e[degree]
}

/// ln e by the chance that independent slots, tilted until as many as are chosen are expected, give just that many.
fn ln_saddle(ln_ratios: &[f64], chosen: f64, logit: f64) -> f64 {
    let least = ln_ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ln_ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (logit - most, logit - least);
    let mut tilt = f64::midpoint(low, high);
    for _ in 0..STEPS_MAX {
        let (mut expected, mut variance) = (0.0, 0.0);
        for ln_ratio in ln_ratios {
            let chance = 1.0 / (1.0 + (-ln_ratio - tilt).exp());
            expected += chance;
            variance += chance * (1.0 - chance);
        }
        let off = expected - chosen;
        if off.abs() <= PRECISION * chosen {
            break;
        }
        if off > 0.0 {
            high = tilt;
        } else {
            low = tilt;
        }
        let newton = tilt - off / variance;
        tilt = if newton > low && newton < high {
            newton
        } else {
            f64::midpoint(low, high)
        };
    }
    let (mut ln_all, mut variance) = (0.0, 0.0);
    for ln_ratio in ln_ratios {
        let odds = (ln_ratio + tilt).exp();
        ln_all += odds.ln_1p();
        variance += odds / ((1.0 + odds) * (1.0 + odds));
    }
    ln_all - chosen * tilt - (std::f64::consts::TAU * variance).ln() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By adding up every choice.
    fn counted(ln_ratios: &[f64], chosen: usize) -> f64 {
        let choices = (0..1_u32 << ln_ratios.len())
            .filter(|it| usize::try_from(it.count_ones()).is_ok_and(|ones| ones == chosen));
        let products: Vec<f64> = choices
            .map(|choice| {
                let picked = ln_ratios.iter().enumerate();
                let picked = picked.filter(|(index, _)| choice >> index & 1 == 1);
                picked.map(|(_, it)| it).sum::<f64>().exp()
            })
            .collect();
        (products.iter().sum::<f64>() / products.len() as f64).ln()
    }

    fn ratios(count: u32, spread: f64) -> Vec<f64> {
        let mut rng = fastrand::Rng::with_seed(u64::from(count));
        (0..count).map(|_| (rng.f64() - 0.6) * spread).collect()
    }

    #[test]
    fn small_cohorts_are_summed_in_full() {
        for spread in [0.0, 0.5, 6.0] {
            let ln_ratios = ratios(12, spread);
            for chosen in [0, 1, 2, 4, 8, 11, 12] {
                let (found, expected) = (
                    ln_mean_product(&ln_ratios, chosen),
                    counted(&ln_ratios, chosen),
                );
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{chosen}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn larger_cohorts_are_off_by_little() {
        for spread in [0.0, 0.5, 3.0] {
            let ln_ratios = ratios(18, spread);
            for chosen in 5..=13 {
                let (found, expected) = (
                    ln_mean_product(&ln_ratios, chosen),
                    counted(&ln_ratios, chosen),
                );
                assert!(
                    (found - expected).abs() < 0.03,
                    "{spread}, {chosen}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_common_factor_comes_out() {
        let ln_ratios = ratios(400, 2.0);
        let shifted: Vec<f64> = ln_ratios.iter().map(|it| it + 3.0).collect();
        for chosen in [1, 20, 200, 399] {
            let grown = ln_mean_product(&shifted, chosen) - ln_mean_product(&ln_ratios, chosen);
            assert!((grown - 3.0 * chosen as f64).abs() < 1e-6, "{grown}");
        }
    }
}

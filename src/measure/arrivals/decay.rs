//! How requests die down, and when few enough are left: a Poisson regression of the counts of minutes.
//!
//! The number of requests in minute `t` is taken to be `exp(a + b·t)` in the mean (McCullagh and Nelder, Generalized Linear
//! Models, 2nd edition, chapter 6), found by Newton's method on the likelihood, which has one maximum. Requests come in
//! bunches, so that counts scatter by more than a Poisson count would; how much more is measured by Pearson's statistic over
//! its degrees of freedom (there, section 4.5), and widens what is said.

use crate::units::Timestamp;

/// Fewer minutes show no trend.
const MINUTES_MIN: usize = 5;
/// More are of another past: the last hour is fitted.
const MINUTES_MAX: usize = 60;

/// Standard errors that a fall has to lie away from none: 97.7 % of the trends that are none do not look like one.
const CLEARLY: f64 = 2.0;

const STEPS_MAX: usize = 50;
const PRECISION: f64 = 1e-9;

const MICROS_PER_MINUTE: f64 = 60e6;

/// How requests die down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// The middle of the minutes that were fitted.
    centre: Timestamp,
    /// Requests a minute there.
    rate: f64,
    /// By how much the logarithm of the rate falls a minute.
    fall: f64,
    /// The standard error of that.
    error: f64,
}

/// Why it is not known how requests die down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDecay {
    /// Too few whole minutes.
    #[error("not known yet: {seen} of {needed} minutes seen", needed = MINUTES_MIN)]
    TooFew {
        /// Whole minutes that there are.
        seen: usize,
    },
    /// No request in any of them.
    #[error("nothing has arrived")]
    Nothing,
    /// They do not become clearly fewer.
    #[error("requests do not become clearly fewer")]
    Steady,
}

impl Decay {
    /// Fits the counts of minutes, given by when each began.
    ///
    /// # Errors
    /// See [`NoDecay`].
    pub(super) fn fit(points: &[(Timestamp, u64)]) -> Result<Self, NoDecay> {
        let mut points = points.to_vec();
        points.sort_unstable_by_key(|it| it.0);
        let surplus = points.len().saturating_sub(MINUTES_MAX);
        points.drain(..surplus);
        if points.len() < MINUTES_MIN {
            let seen = points.len();
            return Err(NoDecay::TooFew { seen });
        }
        if points.iter().all(|it| it.1 == 0) {
            return Err(NoDecay::Nothing);
        }
        let micros = points.iter().map(|it| i128::from(it.0.micros()));
        let count = i128::try_from(points.len()).unwrap_or(1);
        let mean = micros.sum::<i128>() / count;
        let centre = Timestamp::from_micros(i64::try_from(mean).unwrap_or(0));
        let counts: Vec<(f64, f64)> = points
            .iter()
            .map(|(at, count)| (minutes_between(centre, *at), float(*count)))
            .collect();
        let line = Line::fit(&counts).ok_or(NoDecay::Steady)?;
        let decay = Self {
            centre,
            rate: line.level.exp(),
            fall: -line.slope,
            error: line.error(&counts),
        };
        match decay.fall > CLEARLY * decay.error {
            true => Ok(decay),
            false => Err(NoDecay::Steady),
        }
    }

    /// In how many minutes half of the requests are gone.
    #[must_use]
    pub fn half_life_minutes(&self) -> f64 {
        std::f64::consts::LN_2 / self.fall
    }

    /// When fewer than `rate` requests a minute are left: the best guess between the earliest and the latest time that are
    /// within two standard errors of how fast they fall.
    #[must_use]
    pub fn below(&self, rate: f64) -> (Timestamp, Timestamp, Timestamp) {
        let after = |fall: f64| {
            let minutes = (self.rate / rate).ln() / fall;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float that is out of range becomes the end of the range"
            )]
            let micros = (minutes * MICROS_PER_MINUTE) as i64;
            Timestamp::from_micros(self.centre.micros().saturating_add(micros))
        };
        let slack = CLEARLY * self.error;
        let (one, other) = (after(self.fall + slack), after(self.fall - slack));
        // Where the rate is below already at the centre, the slower fall is the earlier one.
        (one.min(other), after(self.fall), one.max(other))
    }
}

/// The logarithm of the mean as a straight line over time.
#[derive(Clone, Copy, Debug)]
struct Line {
    level: f64,
    slope: f64,
}

/// What Newton's method needs of the likelihood at one line: its value, its gradient, and its curvature.
#[derive(Clone, Copy, Debug, Default)]
struct Likelihood {
    value: f64,
    gradient: (f64, f64),
    curvature: (f64, f64, f64),
}

impl Line {
    /// The line of the greatest likelihood; `None` where there is none that is finite.
    fn fit(counts: &[(f64, f64)]) -> Option<Self> {
        let mean = counts.iter().map(|it| it.1).sum::<f64>() / float(counts.len());
        let mut line = Self {
            level: mean.ln(),
            slope: 0.0,
        };
        let mut here = line.likelihood(counts);
        for _ in 0..STEPS_MAX {
            let (of_level, of_slope) = here.step()?;
            let mut share = 1.0;
            // A step that leads down was too long: the likelihood is concave, so a shorter one leads up.
            let (next, there) = loop {
                let next = Self {
                    level: line.level + share * of_level,
                    slope: line.slope + share * of_slope,
                };
                let there = next.likelihood(counts);
                if there.value >= here.value || share < PRECISION {
                    break (next, there);
                }
                share /= 2.0;
            };
            let has_arrived = (next.level - line.level).abs() < PRECISION
                && (next.slope - line.slope).abs() < PRECISION;
            (line, here) = (next, there);
            if has_arrived {
                return Some(line);
            }
        }
        None
    }

    fn at(self, time: f64) -> f64 {
        (self.level + self.slope * time).exp()
    }

    fn likelihood(self, counts: &[(f64, f64)]) -> Likelihood {
        let add = |sum: Likelihood, &(time, count): &(f64, f64)| {
            let mean = self.at(time);
            let left = count - mean;
            Likelihood {
                value: sum.value + count * (self.level + self.slope * time) - mean,
                gradient: (sum.gradient.0 + left, sum.gradient.1 + left * time),
                curvature: (
                    sum.curvature.0 + mean,
                    sum.curvature.1 + mean * time,
                    sum.curvature.2 + mean * time * time,
                ),
            }
        };
        counts.iter().fold(Likelihood::default(), add)
    }

    /// The standard error of the slope, for counts that scatter as these do.
    fn error(self, counts: &[(f64, f64)]) -> f64 {
        let (level, both, slope) = self.likelihood(counts).curvature;
        let determinant = level * slope - both * both;
        let pearson: f64 = counts
            .iter()
            .map(|&(time, count)| {
                let mean = self.at(time);
                (count - mean).powi(2) / mean
            })
            .sum();
        let freedom = float(counts.len()) - 2.0;
        // Counts never scatter by less than chance does.
        let dispersion = (pearson / freedom).max(1.0);
        (dispersion * level / determinant).sqrt()
    }
}

impl Likelihood {
    /// Newton's step from here.
    fn step(&self) -> Option<(f64, f64)> {
        let (level, both, slope) = self.curvature;
        let determinant = level * slope - both * both;
        if !determinant.is_normal() {
            return None;
        }
        let (of_level, of_slope) = self.gradient;
        Some((
            (slope * of_level - both * of_slope) / determinant,
            (level * of_slope - both * of_level) / determinant,
        ))
    }
}

fn minutes_between(from: Timestamp, to: Timestamp) -> f64 {
    let micros = to.micros().saturating_sub(from.micros());
    #[expect(
        clippy::cast_precision_loss,
        reason = "an hour in microseconds is far below 2^53"
    )]
    let micros = micros as f64;
    micros / MICROS_PER_MINUTE
}

fn float<T: TryInto<u64>>(count: T) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 requests are more than a minute ever holds"
    )]
    let float = count.try_into().unwrap_or(u64::MAX) as f64;
    float
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * 60_000_000)
    }

    fn counted(counts: impl IntoIterator<Item = u64>) -> Vec<(Timestamp, u64)> {
        let counts = (0..).map(at).zip(counts);
        counts.collect()
    }

    /// What `from` requests a minute become where half of them go every `half_life` minutes, to whole numbers.
    fn dying(from: f64, half_life: f64, minutes: u32) -> Vec<(Timestamp, u64)> {
        let counts = (0..minutes).map(|it| {
            let left = from * 0.5_f64.powf(f64::from(it) / half_life);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate of a test is small and not negative"
            )]
            let left = left.round() as u64;
            left
        });
        counted(counts.collect::<Vec<_>>())
    }

    #[test]
    fn a_half_life_is_found_and_the_end_of_it_foretold() {
        // 10,000 a minute, halved every 5 minutes, are 5 after ln(2000)/ln(2) · 5 = 54.8 minutes.
        let decay = Decay::fit(&dying(10_000.0, 5.0, 30)).expect("it falls");
        assert!((decay.half_life_minutes() - 5.0).abs() < 0.05, "{decay:?}");
        let (earliest, guess, latest) = decay.below(5.0);
        let minutes = minutes_between(at(0), guess);
        assert!((minutes - 54.8).abs() < 0.5, "{minutes}");
        assert!(earliest <= guess && guess <= latest);
    }

    #[test]
    fn a_steady_rate_is_no_decay() {
        let check = |counts: Vec<(Timestamp, u64)>, expected| {
            assert_eq!(Decay::fit(&counts).err(), expected, "{counts:?}");
        };
        check(counted([10, 9, 8, 7]), Some(NoDecay::TooFew { seen: 4 }));
        check(counted([0; 8]), Some(NoDecay::Nothing));
        check(counted([7; 20]), Some(NoDecay::Steady));
        check(
            counted([90, 110, 95, 104, 99, 102, 101, 98]),
            Some(NoDecay::Steady),
        );
        check(counted([10, 20, 40, 80, 160, 320]), Some(NoDecay::Steady));
        // Bunches: more noise than trend.
        check(
            counted([300, 0, 500, 0, 0, 400, 0, 350, 0, 0]),
            Some(NoDecay::Steady),
        );
    }

    #[test]
    fn only_the_last_hour_is_fitted() {
        let mut counts = vec![5; 300];
        counts.extend(dying(10_000.0, 10.0, 60).iter().map(|it| it.1));
        let decay = Decay::fit(&counted(counts)).expect("it falls");
        assert!((decay.half_life_minutes() - 10.0).abs() < 0.1, "{decay:?}");
    }

    proptest! {
        /// Whatever the counts are, what is said of them is finite and in order.
        #[test]
        fn what_is_said_is_in_order(
            counts in proptest::collection::vec(0_u64..1_000_000, 0..90),
            rate in 1_u32..1_000,
        ) {
            if let Ok(decay) = Decay::fit(&counted(counts)) {
                prop_assert!(decay.half_life_minutes() > 0.0);
                prop_assert!(decay.rate.is_finite() && decay.error.is_finite());
                let (earliest, guess, latest) = decay.below(f64::from(rate));
                prop_assert!(earliest <= guess && guess <= latest, "{earliest} {guess} {latest}");
            }
        }

        /// A fall is found whatever its speed, and foretold to within a tenth of the way.
        #[test]
        fn falls_are_foretold(
            from in 1_000.0_f64..100_000.0,
            half_life in 1.0_f64..20.0,
            minutes in 10_u32..60,
        ) {
            let decay = Decay::fit(&dying(from, half_life, minutes)).expect("it falls");
            let minutes_to = minutes_between(at(0), decay.below(20.0).1);
            let expected = (from / 20.0).log2() * half_life;
            prop_assert!((minutes_to / expected - 1.0).abs() < 0.1, "{minutes_to} for {expected}");
        }
    }
}

//! What a test has gathered, with the numbers that it rests on and a sentence that says so.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    evidence::{Symptom, Test, Unit},
    units::{PerSide, Timestamp},
};

/// Relative evidence of this much says that old is better, where only a fixed limit was exceeded.
const OLD_IS_BETTER: f64 = 20.0;

/// What one test has gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The test.
    pub test: Test,
    /// The route's name, where it is one route's.
    pub route: Option<Arc<str>>,
    /// What is drawn, and counts once.
    pub unit: Unit,
    /// ln R.
    pub ln_evidence: f64,
    /// What ln R has to reach for a trip.
    pub ln_threshold: f64,
    /// Drawn requests in the stretch that carries the evidence; for latencies those that were answered.
    pub requests: PerSide<u64>,
    /// What was seen of them.
    pub seen: Seen,
    /// Since when the evidence has been growing; `None` while it is not.
    pub since: Option<Timestamp>,
    /// For [`Test::ErrorLimit`]: the logarithm of the evidence, over the same stretch, that new is worse than old.
    pub ln_relative: f64,
}

/// What was seen of both sides' requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// How many had the symptom, or with sticky clients how many slots had requests that did.
    Events(PerSide<u64>),
    /// How long their answers typically took: the geometric mean; `None` without answers.
    Latency(PerSide<Option<Duration>>),
    /// Drawn requests on another side than their slot's, and the share of slots that the weight puts on new.
    Split {
        /// How many.
        strays: u64,
        /// The share.
        expected: f64,
    },
}

impl Finding {
    /// Requests or slots with the symptom; none where latencies were compared.
    #[must_use]
    pub fn events(&self) -> PerSide<u64> {
        match self.seen {
            Seen::Events(events) => events,
            Seen::Latency(_) | Seen::Split { .. } => PerSide::default(),
        }
    }

    /// How long answers typically took; unknown where none were compared.
    #[must_use]
    pub fn latency(&self) -> PerSide<Option<Duration>> {
        match self.seen {
            Seen::Events(_) | Seen::Split { .. } => PerSide::default(),
            Seen::Latency(latency) => latency,
        }
    }

    /// Whether there is evidence enough to act on.
    #[must_use]
    pub fn is_trip(&self) -> bool {
        self.ln_evidence >= self.ln_threshold
    }

    /// Whether there is so much evidence that the ramp must not go on.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        self.ln_evidence > self.ln_threshold / 2.0
    }

    /// Whether old is better, by the draw: what a fixed limit alone cannot tell.
    #[must_use]
    pub fn is_old_better(&self) -> bool {
        match self.test {
            Test::Relative(_) | Test::Route { .. } | Test::Latency => true,
            Test::ErrorLimit => self.ln_relative >= OLD_IS_BETTER.ln(),
            Test::Split => false,
        }
    }

    /// The test's name in journal and status: "401", or of a route "checkout:401".
    #[must_use]
    pub fn name(&self) -> String {
        let test = self.test;
        match &self.route {
            Some(route) => format!("{route}:{test}"),
            None => test.to_string(),
        }
    }

    /// What was looked for, as people say it: "status 401", "status 401 of route checkout".
    #[must_use]
    pub fn what(&self) -> Cow<'static, str> {
        let what = match self.test {
            Test::ErrorLimit => "errors above the limit",
            Test::Latency => "latency",
            Test::Split => "the split",
            Test::Relative(symptom) | Test::Route { symptom, .. } => match symptom {
                Symptom::Error => "errors",
                Symptom::Redirect => "redirects",
                Symptom::Unauthorized => "status 401",
                Symptom::Forbidden => "status 403",
                Symptom::NotFound => "status 404",
                Symptom::Abort => "clients that went away",
                Symptom::Slow => "slow answers",
            },
        };
        match &self.route {
            Some(route) => Cow::Owned(format!("{what} of route {route}")),
            None => Cow::Borrowed(what),
        }
    }

    /// How far the evidence is beyond its threshold, as a logarithm.
    #[must_use]
    pub fn ln_excess(&self) -> f64 {
        self.ln_evidence - self.ln_threshold
    }

    /// What was seen of it: "12 of 310 requests on new, 0 of 2890 on old".
    #[must_use]
    pub fn numbers(&self) -> String {
        let PerSide {
            old: on_old,
            new: on_new,
        } = self.requests;
        match (self.seen, self.unit) {
            (Seen::Events(PerSide { old, new }), Unit::Request) => {
                format!("{new} of {on_new} requests on new, {old} of {on_old} on old")
            }
            (Seen::Events(PerSide { old, new }), Unit::Slot) => {
                format!("{new} clients in {on_new} requests on new, {old} in {on_old} on old")
            }
            (
                Seen::Split {
                    strays: 0,
                    expected,
                },
                unit,
            ) => {
                let what = match unit {
                    Unit::Request => "requests",
                    Unit::Slot => "slots of clients",
                };
                let (of, share) = (on_new + on_old, (expected * 1e4).round() / 1e2);
                format!("{on_new} of {of} {what} of an hour drawn for new, {share}% expected")
            }
            (Seen::Split { strays, .. }, _) => {
                format!("{strays} drawn requests went to another side than their slot's")
            }
            (
                Seen::Latency(PerSide {
                    old: None,
                    new: None,
                }),
                _,
            ) => "nothing to compare".to_owned(),
            (Seen::Latency(typical), _) => {
                let (slow, fast) = (millis(typical.new), millis(typical.old));
                format!("typically {slow} in {on_new} answers of new, {fast} in {on_old} of old")
            }
        }
    }

    /// The symptom whose requests, by route, tell where it comes from.
    #[must_use]
    pub const fn symptom(&self) -> Symptom {
        match self.test {
            Test::Relative(symptom) | Test::Route { symptom, .. } => symptom,
            Test::ErrorLimit | Test::Split => Symptom::Error,
            Test::Latency => Symptom::Slow,
        }
    }

    /// R as people read it.
    #[must_use]
    pub fn evidence_shown(&self) -> String {
        shown(self.ln_evidence)
    }

    /// Its threshold as people read it.
    #[must_use]
    pub fn threshold_shown(&self) -> String {
        shown(self.ln_threshold)
    }
}

/// "errors: 12 of 310 requests on new, 0 of 2890 on old; evidence 4100, threshold 4000".
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, numbers) = (self.what(), self.numbers());
        if self.seen == Seen::Latency(PerSide::default()) {
            return write!(f, "{what}: {numbers}");
        }
        let (evidence, threshold) = (self.evidence_shown(), self.threshold_shown());
        write!(
            f,
            "{what}: {numbers}; evidence {evidence}, threshold {threshold}"
        )
    }
}

/// A latency with three significant digits, or a microsecond's precision.
fn millis(latency: Option<Duration>) -> String {
    let Some(latency) = latency else {
        return "nothing".to_owned();
    };
    let millis = latency.as_secs_f64() * 1e3;
    let digits = match millis {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{millis:.digits$} ms")
}

/// Two significant digits up to a million, a power of ten beyond, and nothing more precise below one.
fn shown(ln: f64) -> String {
    let log10 = ln / std::f64::consts::LN_10;
    if log10.is_infinite() && log10 > 0.0 {
        return "infinite".to_owned();
    }
    if log10 >= 6.0 {
        return format!("10^{log10:.0}");
    }
    if log10 < 0.0 {
        return "below 1".to_owned();
    }
    let digit = 10.0_f64.powf((log10.floor() - 1.0).max(-1.0));
    let rounded = (ln.exp() / digit).round() * digit;
    if rounded < 10.0 {
        format!("{rounded:.1}")
    } else {
        format!("{rounded:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RouteId;

    fn finding(test: Test, unit: Unit) -> Finding {
        Finding {
            test,
            route: None,
            unit,
            ln_evidence: 4_123.0_f64.ln(),
            ln_threshold: 4_000.0_f64.ln(),
            requests: PerSide {
                old: 2_890,
                new: 310,
            },
            seen: Seen::Events(PerSide { old: 0, new: 12 }),
            since: None,
            ln_relative: 0.0,
        }
    }

    #[test]
    fn a_sentence_says_what_was_seen_and_how_much_it_is_worth() {
        assert_eq!(
            finding(Test::Relative(Symptom::Unauthorized), Unit::Request).to_string(),
            "status 401: 12 of 310 requests on new, 0 of 2890 on old; evidence 4100, threshold 4000"
        );
        assert_eq!(
            finding(Test::ErrorLimit, Unit::Slot).to_string(),
            "errors above the limit: 12 clients in 310 requests on new, 0 in 2890 on old; evidence 4100, \
             threshold 4000"
        );
    }

    #[test]
    fn a_test_of_a_route_is_named_after_both() {
        let of_route = Finding {
            route: Some(Arc::from("checkout")),
            ..finding(
                Test::Route {
                    symptom: Symptom::Unauthorized,
                    route: RouteId(3),
                    rank: 1,
                },
                Unit::Request,
            )
        };
        assert_eq!(of_route.name(), "checkout:401");
        assert_eq!(
            of_route.to_string(),
            "status 401 of route checkout: 12 of 310 requests on new, 0 of 2890 on old; evidence 4100, \
             threshold 4000"
        );
    }

    #[test]
    fn a_sentence_about_latencies_says_how_long_answers_take() {
        let mut finding = finding(Test::Latency, Unit::Slot);
        finding.seen = Seen::Latency(PerSide {
            old: Some(Duration::from_micros(4_321)),
            new: Some(Duration::from_micros(1_234_567)),
        });
        assert_eq!(
            Finding {
                seen: Seen::Latency(PerSide::default()),
                ..finding.clone()
            }
            .to_string(),
            "latency: nothing to compare"
        );
        assert_eq!(
            finding.to_string(),
            "latency: typically 1235 ms in 310 answers of new, 4.32 ms in 2890 of old; evidence 4100, \
             threshold 4000"
        );
    }

    #[test]
    fn numbers_have_as_many_digits_as_are_worth_reading() {
        let check = |number: f64, expected| assert_eq!(shown(number.ln()), expected, "{number}");
        check(0.0, "below 1");
        check(0.9, "below 1");
        check(1.25, "1.3");
        check(12.4, "12");
        check(123_456.0, "120000");
        check(2e9, "10^9");
        check(f64::INFINITY, "infinite");
        assert_eq!(shown(1_000.0), "10^434");
    }

    #[test]
    fn a_trip_is_at_its_threshold_and_a_doubt_above_half_of_it() {
        let mut finding = finding(Test::Relative(Symptom::Error), Unit::Slot);
        assert!(finding.is_trip() && finding.is_doubt());
        finding.ln_evidence = finding.ln_threshold;
        assert!(finding.is_trip());
        finding.ln_evidence = finding.ln_threshold / 2.0;
        assert!(!finding.is_trip() && !finding.is_doubt());
    }

    #[test]
    fn a_fixed_limit_says_that_old_is_better_only_by_the_draw() {
        let mut finding = finding(Test::ErrorLimit, Unit::Slot);
        assert!(!finding.is_old_better());
        finding.ln_relative = 21.0_f64.ln();
        assert!(finding.is_old_better());
    }
}

//! How much slower new may be: `"1.1x + 5ms"`, `"1.5x"`, `"20ms"`.

use std::time::Duration;

use crate::{
    config::{
        fault::Complaint,
        scalar::{duration, factor, quoted, shown_duration},
    },
    plan::LatencyTolerance,
    units::Factor,
};

/// What a tolerance looks like.
pub(in crate::config) const TOLERANCE: &str =
    "a tolerance such as \"1.1x + 5ms\", \"1.5x\" or \"20ms\"";

/// As much as is tolerated of latencies: what is slower is another service.
const TIMES_MAX: Factor = Factor::from_thousandths(100_000);
const PLUS_MAX: Duration = Duration::from_secs(60);

const ONCE: Factor = Factor::from_thousandths(1_000);

/// Reads a factor with an `x`, a duration, or both with a `+` between them.
pub(in crate::config) fn tolerance(text: &str) -> Result<LatencyTolerance, Complaint> {
    let wrong = || Complaint::new(quoted(text), TOLERANCE);
    let (times, plus) = match text.split_once('+') {
        Some((times, plus)) => (times.trim_end(), plus.trim_start()),
        None if text.ends_with('x') => (text, "0ms"),
        None => ("1x", text),
    };
    let digits = times.strip_suffix('x').ok_or_else(wrong)?;
    let tolerance = LatencyTolerance {
        times: factor(digits).map_err(|_inner| wrong())?,
        plus: duration(plus).map_err(|_inner| wrong())?,
    };
    if (ONCE..=TIMES_MAX).contains(&tolerance.times) && tolerance.plus <= PLUS_MAX {
        return Ok(tolerance);
    }
    let expected = "a factor from 1 to 100, and at most 1m more";
    Err(Complaint::new(quoted(text), expected))
}

/// A tolerance as it is written.
pub(in crate::config) fn shown_tolerance(tolerance: LatencyTolerance) -> String {
    let LatencyTolerance { times, plus } = tolerance;
    match plus {
        Duration::ZERO => times.to_string(),
        plus => format!("{times} + {}", shown_duration(plus)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_factors_durations_and_both() {
        let check = |text, expected: Option<(u32, u64)>| {
            let found = tolerance(text).ok();
            let expected = expected.map(|(times, plus)| LatencyTolerance {
                times: Factor::from_thousandths(times),
                plus: Duration::from_millis(plus),
            });
            assert_eq!(found, expected, "{text:?}");
        };
        check("1.1x + 5ms", Some((1_100, 5)));
        check("1.1x+5ms", Some((1_100, 5)));
        check("2x", Some((2_000, 0)));
        check("20ms", Some((1_000, 20)));
        check("1x", Some((1_000, 0)));
        check("0.9x", None);
        check("101x", None);
        check("1x + 2m", None);
        check("5ms + 1.1x", None);
        check("1.1 + 5ms", None);
        check("1.1x + ", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["1.1x + 5ms", "2x", "1x + 20ms"] {
            let read = tolerance(text).expect("it is one");
            assert_eq!(shown_tolerance(read), text);
        }
    }
}

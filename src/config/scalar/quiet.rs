//! When an address is quiet: `"under 5/min for 6h"`.

use std::time::Duration;

use crate::{
    config::{
        fault::Complaint,
        scalar::{duration, quoted, shown_duration},
    },
    plan::dns::Quiet,
};

/// What it looks like.
pub(in crate::config) const QUIET: &str =
    "a rate and how long it stays below it, such as \"under 5/min for 6h\"";

/// More requests a minute are no quiet.
const UNDER_MAX: u32 = 1_000_000;
/// Shorter is no rest between two requests; longer is what nobody waits for.
const SPAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 3600));

/// Reads `under N/min for DURATION`.
pub(in crate::config) fn quiet(text: &str) -> Result<Quiet, Complaint> {
    let wrong = || Complaint::new(quoted(text), QUIET);
    let rest = text.strip_prefix("under ").ok_or_else(wrong)?;
    let (rate, span) = rest.split_once(" for ").ok_or_else(wrong)?;
    let digits = rate.trim().strip_suffix("/min").ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(wrong());
    }
    // Digits alone: what cannot be read is too large.
    let under = digits.parse().unwrap_or(u32::MAX);
    let span = duration(span.trim()).map_err(|_inner| wrong())?;
    if (1..=UNDER_MAX).contains(&under) && (SPAN.0..=SPAN.1).contains(&span) {
        return Ok(Quiet { under, span });
    }
    let expected = "1 to 1000000 requests a minute, for 1s to 30d";
    Err(Complaint::new(quoted(text), expected))
}

/// As it is written.
pub(in crate::config) fn shown_quiet(quiet: Quiet) -> String {
    let Quiet { under, span } = quiet;
    format!("under {under}/min for {}", shown_duration(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_rate_and_a_span() {
        let check = |text, expected: Option<(u32, u64)>| {
            let found = quiet(text).ok().map(|it| (it.under, it.span.as_secs()));
            assert_eq!(found, expected, "{text:?}");
        };
        check("under 5/min for 6h", Some((5, 21_600)));
        check("under 1000000/min for 1s", Some((1_000_000, 1)));
        check("under 5 /min for 6h", None);
        check("under 0/min for 6h", None);
        check("under 1000001/min for 6h", None);
        check("under 99999999999/min for 6h", None);
        check("under 5/min for 31d", None);
        check("under 5/min for 10ms", None);
        check("under -5/min for 6h", None);
        check("under 5/s for 6h", None);
        check("under 5/min", None);
        check("5/min for 6h", None);
        check("under /min for 6h", None);
        check("", None);
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["under 5/min for 6h", "under 100/min for 1d"] {
            let read = quiet(text).expect("it is one");
            assert_eq!(shown_quiet(read), text);
        }
    }
}

//! Durations: `"250ms"`, `"1m30s"`, `"72h"`, `"7d"`.

use std::time::Duration;

use crate::config::{fault::Complaint, scalar::quoted};

/// What a duration looks like.
pub(in crate::config) const DURATION: &str = "a duration such as \"250ms\", \"1m30s\" or \"7d\"";

/// The units, largest first, with their length in microseconds.
const UNITS: &[(&str, u64)] = &[
    ("d", 24 * 60 * 60 * 1_000_000),
    ("h", 60 * 60 * 1_000_000),
    ("m", 60 * 1_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Reads whole numbers with units, the larger unit first and each unit at most once.
pub(in crate::config) fn duration(text: &str) -> Result<Duration, Complaint> {
    let wrong = || Complaint::new(quoted(text), DURATION);
    let mut rest = text;
    let mut units = UNITS;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|it: char| !it.is_ascii_digit())
            .ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|it: char| it.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let place = units.iter().position(|(name, _)| *name == unit);
        let (place, length) = place
            .zip(place.and_then(|it| units.get(it)))
            .ok_or_else(wrong)?;
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|it| it.checked_mul(length.1));
        let sum = part.and_then(|it| total.checked_add(it));
        total = sum.ok_or_else(wrong)?;
        units = units.get(place + 1..).unwrap_or_default();
        rest = after;
    }
    match text {
        "" => Err(wrong()),
        _ => Ok(Duration::from_micros(total)),
    }
}

/// The shortest text that [`duration`] reads as this one, down to microseconds.
pub(in crate::config) fn shown_duration(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest >= *length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    match parts.is_empty() {
        true => String::from("0s"),
        false => parts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_durations() {
        let check = |text: &str, millis| {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(shown_duration(Duration::from_millis(millis)), text);
        };
        check("250ms", 250);
        check("1s500ms", 1_500);
        check("1m30s", 90_000);
        check("3d", 3 * 24 * 3_600_000);
        check("0s", 0);
        assert_eq!(duration("72h"), Ok(Duration::from_secs(72 * 3600)));
        assert_eq!(duration("500us"), Ok(Duration::from_micros(500)));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5sec",
            "1.5s",
            "-1s",
            "5s1m",
            "1s1s",
            "99999999999999999999s",
            "999999999999999999d",
            "5ß",
            "ms",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}

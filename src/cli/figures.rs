//! Figures as people read them.

use crate::{control::TriggerStatus, cutover::Verdict};

/// A count with its thousands apart: `41,020`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A ratio in percent: `1.43%`.
pub(crate) fn ratio(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent > 0.0 && percent < 0.01 {
        return "<0.01%".into();
    }
    let text = match percent < 10.0 {
        true => format!("{percent:.2}"),
        false => format!("{percent:.1}"),
    };
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A latency in milliseconds: `4.20 ms`, `120 ms`, `1.50 s`.
pub(crate) fn latency(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// A rate: `240.5/s`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 1000.0 => format!("{rate:.1}/s"),
        rate => format!("{rate:.0}/s"),
    }
}

/// A span of time in seconds, in its two largest units: `45s`, `2m 0s`, `3h 5m`, `2d 3h`.
pub(crate) fn span(seconds: f64) -> String {
    // Rounded up, so that "0s" means that nothing is left.
    let whole = std::time::Duration::try_from_secs_f64(seconds.max(0.0).ceil());
    let whole = whole.map_or(u64::MAX, |it| it.as_secs());
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{minutes}m {}s", whole % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        86_400.. => format!("{days}d {}h", hours % 24),
    }
}

/// What a trigger reads in its own unit, beside its limit: `1.43% of 2%`.
pub(crate) fn reading(trigger: &TriggerStatus) -> String {
    let in_unit = |number: f64| match trigger.kind.as_str() {
        "replication_lag" => latency(number * 1000.0),
        kind if kind.starts_with("latency") => latency(number * 1000.0),
        // A limit on failures in a row is a count; one on their share never is above the whole.
        "connect_failures" if trigger.limit.is_some_and(|limit| limit > 1.0) => {
            format!("{number:.0}")
        }
        _ => ratio(number),
    };
    let or_none = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), in_unit);
    format!("{} of {}", or_none(trigger.reading), or_none(trigger.limit))
}

/// A verdict in one word.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "clear",
        Verdict::Breach => "BREACH",
        Verdict::Unknown => "unknown",
    }
}

/// A text cut to so many characters, the last one an ellipsis where something is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_true() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(ratio(0.0), "0%");
        assert_eq!(ratio(0.000_01), "<0.01%");
        assert_eq!(ratio(0.0143), "1.43%");
        assert_eq!(ratio(0.02), "2%");
        assert_eq!(ratio(1.0), "100%");
        assert_eq!(latency(0.42), "0.42 ms");
        assert_eq!(latency(38.44), "38.4 ms");
        assert_eq!(latency(1500.0), "1.50 s");
        assert_eq!(span(0.0), "0s");
        assert_eq!(span(0.2), "1s");
        assert_eq!(span(120.0), "2m 0s");
        assert_eq!(span(11_100.0), "3h 5m");
        assert_eq!(span(183_600.0), "2d 3h");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn a_trigger_reads_in_its_own_unit() {
        let check = |kind: &str, (value, limit): (Option<f64>, f64), expected: &str| {
            let trigger = TriggerStatus {
                name: "it".to_owned(),
                kind: kind.to_owned(),
                reading: value,
                limit: Some(limit),
                old: None,
                requests: 0,
                verdict: Verdict::Clear,
            };
            assert_eq!(reading(&trigger), expected);
        };
        check("error_rate", (Some(0.0143), 0.02), "1.43% of 2%");
        check("latency_p99", (Some(0.0384), 0.25), "38.4 ms of 250 ms");
        check("connect_failures", (Some(3.0), 5.0), "3 of 5");
        check("connect_failures", (Some(0.5), 0.9), "50% of 90%");
        check("replication_lag", (Some(0.45), 30.0), "450 ms of 30.00 s");
        check("replication_lag", (None, 30.0), "- of 30.00 s");
    }
}

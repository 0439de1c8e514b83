//! Functions that make of a value what the plan needs, or note what is wrong with it.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use crate::config::{
    fault::Complaint,
    nearest::did_you_mean,
    reader::Value,
    scalar::{self, quoted, shown_duration, shown_size},
};

/// Text that `parse` understands; `expected` says what that is where the value is no text at all.
pub(in crate::config) fn parsed<'r, T>(
    expected: &str,
    parse: impl Fn(&'r str) -> Result<T, Complaint>,
) -> impl Fn(Value<'r>) -> Option<T> {
    move |value| match value.item() {
        DeValue::String(text) => value.check(parse(text)),
        _ => value.fail(Complaint::new(value.kind(), expected)),
    }
}

/// As [`parsed`], for text that ends in a percent sign: a bare number is told how to get one.
pub(in crate::config) fn percentage<'r, T>(
    expected: &str,
    parse: impl Fn(&'r str) -> Result<T, Complaint>,
) -> impl Fn(Value<'r>) -> Option<T> {
    let read = parsed(expected, parse);
    move |value| {
        let example = match value.item() {
            DeValue::Integer(number) => format!("write \"{number}%\" if that is meant"),
            DeValue::Float(_) => String::from("write it in quotes, with its percent sign"),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return read(value),
        };
        value.fail(Complaint::new(value.kind(), expected).remedy(example))
    }
}

/// Any text that is a name: 1 to 64 printable characters.
pub(in crate::config) fn text<'r>() -> impl Fn(Value<'r>) -> Option<String> {
    parsed("a string of 1 to 64 characters", scalar::name)
}

/// `true` or `false`.
pub(in crate::config) fn boolean(value: Value<'_>) -> Option<bool> {
    match value.item() {
        DeValue::Boolean(it) => Some(*it),
        _ => value.fail(Complaint::new(value.kind(), "true or false")),
    }
}

/// One of some words.
pub(in crate::config) fn choice<'r, T: Copy>(
    words: &[(&'static str, T)],
) -> impl Fn(Value<'r>) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let expected = format!("one of \"{}\"", names.join("\", \""));
    move |value| match value.item() {
        DeValue::String(text) => match words.iter().find(|(name, _)| name == text) {
            Some((_, it)) => Some(*it),
            None => {
                let near = did_you_mean(text, names.iter().copied());
                value.fail(Complaint::new(quoted(text), expected.clone()).maybe(near))
            }
        },
        _ => value.fail(Complaint::new(value.kind(), expected.clone())),
    }
}

/// A duration within limits.
pub(in crate::config) fn duration<'r>(
    range: RangeInclusive<Duration>,
) -> impl Fn(Value<'r>) -> Option<Duration> {
    move |value| match value.item() {
        DeValue::String(text) => {
            let span = value.check(scalar::duration(text))?;
            within(value, span, &range, shown_duration)
        }
        DeValue::Integer(number) => {
            let complaint = Complaint::new("a number without a unit", scalar::DURATION);
            value.fail(complaint.remedy(format!("for seconds write \"{number}s\"")))
        }
        _ => value.fail(Complaint::new(value.kind(), scalar::DURATION)),
    }
}

/// A number of bytes within limits: an integer, or text with a unit.
pub(in crate::config) fn size<'r>(
    range: RangeInclusive<u64>,
) -> impl Fn(Value<'r>) -> Option<usize> {
    move |value| {
        let bytes = match value.item() {
            DeValue::String(text) => value.check(scalar::size(text))?,
            DeValue::Integer(_) => integer(value, &range)?,
            _ => return value.fail(Complaint::new(value.kind(), scalar::SIZE)),
        };
        let bytes = within(value, bytes, &range, shown_size)?;
        usize::try_from(bytes).ok()
    }
}

/// A whole number within limits, which must be ones of `N`.
pub(in crate::config) fn count<'r, N: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(Value<'r>) -> Option<N> {
    move |value| match value.item() {
        DeValue::Integer(_) => {
            let number = integer(value, &range)?;
            let number = within(value, number, &range, |it| it.to_string())?;
            N::try_from(number).ok()
        }
        _ => {
            let (least, most) = (range.start(), range.end());
            let expected = format!("a whole number from {least} to {most}");
            value.fail(Complaint::new(value.kind(), expected))
        }
    }
}

/// A list of at most `most` values, each noted for itself where it is wrong.
pub(in crate::config) fn list<'r, T>(
    most: usize,
    read: impl Fn(Value<'r>) -> Option<T>,
) -> impl Fn(Value<'r>) -> Option<Vec<(T, Value<'r>)>> {
    move |value| {
        let DeValue::Array(array) = value.item() else {
            let complaint = Complaint::new(value.kind(), "a list in brackets");
            return value.fail(complaint.remedy("write […]"));
        };
        if array.len() > most {
            let found = format!("{} entries", array.len());
            value.note(Complaint::new(found, format!("at most {most}")));
        }
        let values = array
            .iter()
            .take(most)
            .map(|item| Value::new(value.reader(), item));
        Some(values.filter_map(|it| Some((read(it)?, it))).collect())
    }
}

fn integer(value: Value<'_>, range: &RangeInclusive<u64>) -> Option<u64> {
    let DeValue::Integer(number) = value.item() else {
        return None;
    };
    let parsed = u64::from_str_radix(number.as_str(), number.radix());
    let (least, most) = (range.start(), range.end());
    let wrong = |_overflow| {
        Complaint::new(
            number.to_string(),
            format!("a whole number from {least} to {most}"),
        )
    };
    value.check(parsed.map_err(wrong))
}

fn within<T: PartialOrd + Copy>(
    value: Value<'_>,
    it: T,
    range: &RangeInclusive<T>,
    show: impl Fn(T) -> String,
) -> Option<T> {
    if range.contains(&it) {
        return Some(it);
    }
    let (least, most) = (show(*range.start()), show(*range.end()));
    value.fail(Complaint::new(show(it), format!("from {least} to {most}")))
}

//! Sizes: `"64KiB"`, `"1MB"`, or a whole number of bytes.

use crate::config::{fault::Complaint, nearest::did_you_mean, scalar::quoted};

/// What a size looks like.
pub(in crate::config) const SIZE: &str = "a size such as \"64KiB\", \"1MB\" or a number of bytes";

/// The units with their bytes.
const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Reads a whole number with a unit.
pub(in crate::config) fn size(text: &str) -> Result<u64, Complaint> {
    let wrong = || Complaint::new(quoted(text), SIZE);
    let digits = text.find(|it: char| !it.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.trim_start();
    let number: u64 = number.parse().map_err(|_no_number| wrong())?;
    let names = UNITS.iter().map(|(name, _)| *name);
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) => number.checked_mul(*bytes).ok_or_else(wrong),
        None if unit.is_empty() => Ok(number),
        None => Err(wrong().maybe(did_you_mean(unit, names))),
    }
}

/// A size in the largest binary unit that divides it.
pub(in crate::config) fn shown_size(bytes: u64) -> String {
    let binary = UNITS.iter().skip(1).take(3).rev();
    let mut fitting = binary.filter(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match fitting.next() {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_sizes() {
        let check = |text: &str, expected| assert_eq!(size(text).ok(), expected, "{text:?}");
        check("64KiB", Some(65_536));
        check("1MB", Some(1_000_000));
        check("1 MiB", Some(1 << 20));
        check("512", Some(512));
        check("512B", Some(512));
        check("", None);
        check("KiB", None);
        check("64kib", None);
        check("1.5MB", None);
        check("99999999999GiB", None);
        assert_eq!(shown_size(65_536), "64KiB");
        assert_eq!(shown_size(1 << 20), "1MiB");
        assert_eq!(shown_size(1_000), "1000B");
    }
}

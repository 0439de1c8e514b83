//! Shares, weights and factors, read exactly: no float comes near what decides.

use std::ops::RangeInclusive;

use crate::{
    config::{fault::Complaint, scalar::quoted},
    units::{Factor, ParseWeightError, Share, Weight},
};

/// What a share looks like.
pub(in crate::config) const SHARE: &str = "a share such as \"2.5%\"";
/// What a weight looks like.
pub(in crate::config) const WEIGHT: &str = "a weight such as \"5%\" or \"0.5%\"";
/// What a chance looks like.
pub(in crate::config) const CHANCE: &str = "a chance such as 0.001";
/// What a factor looks like.
pub(in crate::config) const FACTOR: &str = "a factor such as 1.5";

/// Reads `"2.5%"`. The sign must be there: a bare `0.02` could mean 2 % or a fiftieth of it.
pub(in crate::config) fn share(text: &str) -> Result<Share, Complaint> {
    let number = percentage(text, SHARE)?;
    // Four decimals of a percent are parts per million.
    let parts = scaled(number, 4).ok_or_else(|| Complaint::new(quoted(text), SHARE))?;
    Share::from_parts_per_million(parts)
        .ok_or_else(|| Complaint::new(quoted(text), "at most \"100%\""))
}

/// Reads `"5%"` in basis points.
pub(in crate::config) fn weight(text: &str) -> Result<Weight, Complaint> {
    percentage(text, WEIGHT)?;
    text.parse().map_err(|error| match error {
        ParseWeightError::Malformed => Complaint::new(quoted(text), WEIGHT),
        ParseWeightError::TooFine => Complaint::new(quoted(text), "at most two decimals"),
        ParseWeightError::TooLarge => Complaint::new(quoted(text), "at most \"100%\""),
    })
}

/// Reads the digits of `0.001`, to the millionth.
pub(in crate::config) fn chance(digits: &str) -> Result<Share, Complaint> {
    let complaint = || Complaint::new(quoted(digits), CHANCE).remedy("use at most six decimals");
    let parts = scaled(digits, 6).ok_or_else(complaint)?;
    Share::from_parts_per_million(parts).ok_or_else(complaint)
}

/// Reads the digits of `1.5` or `2` in thousandths.
pub(in crate::config) fn factor(digits: &str) -> Result<Factor, Complaint> {
    let thousandths = scaled(digits, 3);
    let complaint = || Complaint::new(quoted(digits), FACTOR).remedy("use at most three decimals");
    Ok(Factor::from_thousandths(thousandths.ok_or_else(complaint)?))
}

fn percentage<'a>(text: &'a str, expected: &str) -> Result<&'a str, Complaint> {
    text.strip_suffix('%').ok_or_else(|| {
        let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
        let remedy = is_number.then(|| format!("say whether \"{text}%\" is meant"));
        Complaint::new(quoted(text), expected).maybe(remedy)
    })
}

/// A decimal number times ten to the power of `decimals`; `None` if it is none, is finer, or too large.
fn scaled(text: &str, decimals: usize) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    let short = part.trim_end_matches('0');
    if !digits(whole) || !digits(part) || short.len() > decimals {
        return None;
    }
    format!("{whole}{short:0<decimals$}").parse().ok()
}

/// A share with so many parts per million, which faults call `expected`.
pub(in crate::config) fn share_within(
    text: &str,
    range: RangeInclusive<u32>,
    expected: &'static str,
) -> Result<Share, Complaint> {
    let found = share(text)?;
    match range.contains(&found.parts_per_million()) {
        true => Ok(found),
        false => Err(Complaint::new(quoted(text), expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shares_exactly() {
        let check = |text, expected| {
            assert_eq!(
                share(text).ok().map(Share::parts_per_million),
                expected,
                "{text:?}"
            );
        };
        check("2%", Some(20_000));
        check("2.5%", Some(25_000));
        check("0.0001%", Some(1));
        check("100%", Some(1_000_000));
        check("100.1%", None);
        check("0.00001%", None);
        check("0.02", None);
        check("%", None);
        check("-1%", None);
        check("99999999999999%", None);
    }

    #[test]
    fn reads_chances_exactly() {
        let check = |text, expected| {
            let found = chance(text).ok().map(Share::parts_per_million);
            assert_eq!(found, expected, "{text:?}");
        };
        check("0.001", Some(1_000));
        check("0", Some(0));
        check("0.000001", Some(1));
        check("0.0000001", None);
        check("1.5", None);
        check("1e-3", None);
    }

    #[test]
    fn reads_factors_exactly() {
        let check = |text, expected| {
            assert_eq!(
                factor(text).ok().map(Factor::thousandths),
                expected,
                "{text:?}"
            );
        };
        check("1.5", Some(1_500));
        check("2", Some(2_000));
        check("1.001", Some(1_001));
        check("1.0001", None);
        check("inf", None);
        check("1e3", None);
        check("-1.5", None);
    }
}

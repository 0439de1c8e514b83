//! Whether the zone is signed, whether anybody checks that, and for how long it holds.
//!
//! Signatures are looked at, not verified: whether a chain of trust holds is what a validating resolver says.

use std::time::Duration;

use super::{Case, DnssecReport, Fault};
use crate::{
    dns::look::{authority::plain, view::Signature},
    plan::dns::{RecordSet, Ttl},
    units::Timestamp,
};

pub(super) fn state(case: &Case<'_>) -> DnssecReport {
    let end = earliest(case).map(|(end, _)| end.calendar().to_string());
    DnssecReport {
        is_signed: is_signed(case),
        is_checked: case.seen.delegation_signers.as_ref().ok().map(|it| *it > 0),
        signatures_end: end,
    }
}

fn is_signed(case: &Case<'_>) -> bool {
    let mut keys = case.seen.servers.iter();
    keys.any(|it| it.keys.as_ref().is_ok_and(|it| *it > 0))
}

pub(super) fn signing(case: &Case<'_>) -> Vec<Fault> {
    let is_signed = is_signed(case);
    let mut faults = match case.seen.delegation_signers {
        Ok(0) if is_signed => vec![Fault::warn(
            "the zone is signed, and its parent has no DS record for it: no resolver checks the signatures",
            "nothing for the move; publish the DS record if the signatures are meant to be checked",
        )],
        Ok(0) => return vec![Fault::pass("the zone is not signed")],
        Ok(_) => missing(case),
        Err(_) if is_signed => vec![Fault::warn(
            "the zone is signed; whether its parent vouches for that could not be seen",
            "let the walk start above the zone, at servers that do not hold it",
        )],
        Err(_) => return vec![Fault::pass("the zone is not signed")],
    };
    faults.extend(ending(case));
    faults
}

/// The parent vouches for keys, so that whatever is not signed is thrown away by resolvers that check.
fn missing(case: &Case<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (seen, answers) in case.answers() {
        let is_signed = |set: &&RecordSet| {
            let of_set =
                |it: &&Signature| it.name == set.name && it.covers == set.kind.record_type();
            answers.signatures.iter().any(|it| of_set(&it))
        };
        let unsigned = answers.sets.iter().find(|it| !is_signed(it));
        let found = match (&seen.keys, unsigned) {
            (Ok(0), _) => {
                "the parent has a DS record, and this server has no keys of the zone".to_owned()
            }
            (Ok(_) | Err(_), Some(set)) => format!(
                "the parent has a DS record, and this server has no signature over {} {}",
                plain(&set.name),
                set.kind
            ),
            (Ok(_) | Err(_), None) => continue,
        };
        let remedy = "sign the zone there, or have the DS record taken out of the parent: resolvers that check refuse \
            such answers";
        faults.push(Fault::fail(found, remedy).about(seen.view.server.to_string()));
    }
    faults
}

/// A signature that ends before a move could be over. Servers that sign by themselves renew it long before.
fn ending(case: &Case<'_>) -> Option<Fault> {
    let (end, signature) = earliest(case)?;
    let longest = case.plan.names.iter().filter_map(|it| case.longest_ttl(it));
    let longest = longest.max().unwrap_or_default();
    let span = |ttl: Ttl| Duration::from_secs(ttl.0.into());
    let over = case.now.after(span(longest)).after(span(case.plan.ttl));
    let what = format!("{} {}", plain(&signature.name), signature.covers);
    let at = end.calendar();
    if end <= case.now {
        let found = format!("the signature over {what} ended at {at}");
        let remedy = "sign the zone anew: resolvers that check refuse it";
        return Some(Fault::fail(found, remedy));
    }
    (end < over).then(|| {
        Fault::warn(
            format!(
                "the signature over {what} ends at {at}, and a move takes until {} at the soonest",
                over.calendar()
            ),
            "see to it that the zone is signed anew before that",
        )
    })
}

/// The signature that ends first, and when.
fn earliest<'c>(case: &'c Case<'_>) -> Option<(Timestamp, &'c Signature)> {
    let all = case.answers().flat_map(|(_, it)| &it.signatures);
    let ends = all.map(|it| (ends(it, case.now), it));
    ends.min_by_key(|(end, _)| *end)
}

/// The end of a signature by the whole clock: its 32 bits are nearest to now (RFC 4034 section 3.1.5).
fn ends(signature: &Signature, now: Timestamp) -> Timestamp {
    let seconds = now.micros().div_euclid(1_000_000);
    let [.., a, b, c, d] = seconds.to_be_bytes();
    let low = u32::from_be_bytes([a, b, c, d]);
    let away = signature.ends.wrapping_sub(low).cast_signed();
    Timestamp::from_micros((seconds + i64::from(away)).saturating_mul(1_000_000))
}

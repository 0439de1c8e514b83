//! The assignment of one request to a side: pure, and the same on every machine.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::{
    plan::{RouteId, Writes},
    split::SplitTable,
    units::{Generation, Salt, Side, Slot, Weight},
};

/// What a client is recognised by: the bytes of its cookie id, address or header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKey<'a>(pub &'a [u8]);

/// A uniform random 64-bit number, drawn by the caller for a request that has no client key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(pub u64);

/// Whether a request may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A safe method (RFC 9110 section 9.2.1) without an upgrade.
    Read,
    /// Any other method, or an upgrade.
    Write,
}

/// What an assignment depends on, of the request.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The route it matched.
    pub route: RouteId,
    /// Whether it may change something.
    pub intent: Intent,
    /// The side that a valid signed override names.
    pub forced: Option<Side>,
    /// Its slot: of the client key, or drawn.
    pub slot: Slot,
    /// Whether it reads for somebody who has just written what new may not have yet.
    pub is_kept: bool,
}

/// Why a request got its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A signed override. The only one that weight 0 does not stop.
    Forced,
    /// Its route pins a side.
    Pinned,
    /// The rule for writes.
    Writes,
    /// Its client has just written what new may not have yet.
    Kept,
    /// Its slot and the weight: the only one that evidence compares.
    Weighted,
}

/// The side one request got, and why; carried with the request to its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The side.
    pub side: Side,
    /// Why.
    pub cause: Cause,
    /// The request's slot, whatever the cause.
    pub slot: Slot,
    /// The table that it was assigned by.
    pub generation: Generation,
}

/// The slot of a client: SipHash-2-4 of its key under the salt, modulo 10,000.
#[must_use]
pub fn slot_of(salt: &Salt, key: ClientKey<'_>) -> Slot {
    Slot::from_hash(hash_of(salt, key))
}

/// SipHash-2-4 of a client's key under the salt.
pub(super) fn hash_of(salt: &Salt, key: ClientKey<'_>) -> u64 {
    let mut hasher = SipHasher24::new_with_key(salt.bytes());
    hasher.write(key.0);
    hasher.finish()
}

impl Draw {
    /// The slot of this draw.
    #[must_use]
    pub fn slot(self) -> Slot {
        Slot::from_hash(self.0)
    }
}

/// Assigns one request. The order of the rules is their rank:
/// an override, then weight 0, then a pin, then the rule for writes, then what was just written, then slot and weight.
#[must_use]
pub fn assign(table: &SplitTable, facts: Facts) -> Assignment {
    let (side, cause) = choose(table, facts);
    Assignment {
        side,
        cause,
        slot: facts.slot,
        generation: table.generation,
    }
}

fn choose(table: &SplitTable, facts: Facts) -> (Side, Cause) {
    if let Some(side) = facts.forced {
        return (side, Cause::Forced);
    }
    let route = table.routes.plan(facts.route);
    let pin = route.and_then(|it| it.pin);
    let writes = match facts.intent {
        Intent::Read => Writes::Split,
        Intent::Write => route.and_then(|it| it.writes).unwrap_or(table.split.writes),
    };
    if table.weight == Weight::NONE {
        // Everybody is on old. The cause still says what would have ruled, so that a draw is never compared
        // with a request that was not drawn.
        let cause = match (pin, writes) {
            (Some(_), _) => Cause::Pinned,
            (None, Writes::Old | Writes::New) => Cause::Writes,
            (None, Writes::Split) if facts.is_kept => Cause::Kept,
            (None, Writes::Split) => Cause::Weighted,
        };
        return (Side::Old, cause);
    }
    if let Some(side) = pin {
        return (side, Cause::Pinned);
    }
    match writes {
        Writes::Old => (Side::Old, Cause::Writes),
        Writes::New => (Side::New, Cause::Writes),
        // Also where its slot is old's: what is compared are reads by clients that have not just written, on both sides.
        Writes::Split if facts.is_kept => (Side::Old, Cause::Kept),
        Writes::Split if table.weight.includes(facts.slot) => (Side::New, Cause::Weighted),
        Writes::Split => (Side::Old, Cause::Weighted),
    }
}

#[cfg(test)]
mod tests;

//! The unit of assignment: a client key's place among ten thousand.

use serde::{Deserialize, Serialize};

/// How many slots there are; one for each basis point of weight.
pub const SLOTS: u16 = 10_000;

/// Where a client key (or a request's own draw, without stickiness) falls: `0..SLOTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u16);

impl Slot {
    /// The slot of a uniformly distributed 64-bit value: the value modulo [`SLOTS`].
    ///
    /// The modulo's bias is below 1e-15, far under anything a share of requests could show.
    #[must_use]
    pub fn from_hash(hash: u64) -> Self {
        let slot = u16::try_from(hash % u64::from(SLOTS));
        Self(slot.expect("a remainder of 10,000 fits 16 bits"))
    }

    /// The slot's number, below [`SLOTS`].
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

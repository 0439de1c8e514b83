//! A set of slots, as one bit for each.

use std::iter;

use serde::{Deserialize, Serialize};

/// A set of slots below a fixed number: 1.25 KB for ten thousand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct SlotSet {
    words: Vec<u64>,
    slots: u16,
    len: u16,
}

/// How a set is stored: its bits as hexadecimal digits, the lowest slots first, without the zeros at the end.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    slots: u16,
    bits: String,
}

/// Why a text is no set of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the bits of {slots} slots")]
pub(super) struct SlotSetError {
    slots: u16,
}

impl SlotSet {
    /// An empty set of slots below `slots`.
    pub(super) fn new(slots: u16) -> Self {
        Self {
            words: vec![0; usize::from(slots).div_ceil(64)],
            slots,
            len: 0,
        }
    }

    /// Adds a slot; whether it is new. One beyond the set's slots is never.
    pub(super) fn insert(&mut self, slot: u16) -> bool {
        let bit = 1 << (slot % 64);
        match self.words.get_mut(usize::from(slot / 64)) {
            Some(word) if slot < self.slots && *word & bit == 0 => {
                *word |= bit;
                self.len += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
        self.len = 0;
    }

    /// The slots in it, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        (0_u16..).zip(&self.words).flat_map(|(number, word)| {
            let mut left = *word;
            iter::from_fn(move || {
                let bit = u16::try_from(left.trailing_zeros()).ok()?;
                left = left.checked_sub(1)? & left;
                Some(number * 64 + bit)
            })
        })
    }

    /// How many slots there could be in it.
    pub(super) const fn slots(&self) -> u16 {
        self.slots
    }

    /// How many slots are in it.
    pub(super) const fn len(&self) -> u16 {
        self.len
    }

    /// How many of them are below `limit`.
    pub(super) fn count_below(&self, limit: u16) -> u16 {
        let (whole, rest) = (usize::from(limit / 64), limit % 64);
        let words = self.words.iter().take(whole);
        let mut count: u32 = words.map(|it| it.count_ones()).sum();
        if let Some(last) = self.words.get(whole) {
            count += (last & ((1 << rest) - 1)).count_ones();
        }
        u16::try_from(count).unwrap_or(self.len)
    }
}

impl TryFrom<Stored> for SlotSet {
    type Error = SlotSetError;

    fn try_from(stored: Stored) -> Result<Self, SlotSetError> {
        let mut set = Self::new(stored.slots);
        let error = SlotSetError {
            slots: stored.slots,
        };
        let mut bytes = hex::decode(&stored.bits).map_err(|_not_hex| error)?;
        if bytes.len() > set.words.len() * 8 {
            return Err(error);
        }
        bytes.resize(set.words.len() * 8, 0);
        for (word, bytes) in set.words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let count: u32 = set.words.iter().map(|it| it.count_ones()).sum();
        set.len = set.count_below(set.slots);
        if u32::from(set.len) == count {
            Ok(set)
        } else {
            Err(error)
        }
    }
}

impl From<SlotSet> for Stored {
    fn from(set: SlotSet) -> Self {
        let bytes = set.words.iter().flat_map(|it| it.to_le_bytes());
        let mut bytes: Vec<u8> = bytes.collect();
        let kept = bytes.iter().rposition(|it| *it != 0);
        bytes.truncate(kept.map_or(0, |last| last + 1));
        Self {
            slots: set.slots,
            bits: hex::encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_as_a_plain_set_does(
            slots in 1_u16..400,
            numbers in prop::collection::vec(0_u16..420, 0..200),
            limit in 0_u16..400,
        ) {
            let limit = limit.min(slots);
            let mut set = SlotSet::new(slots);
            let mut plain = BTreeSet::new();
            for number in numbers {
                let is_new = number < slots && plain.insert(number);
                prop_assert_eq!(set.insert(number), is_new);
            }
            prop_assert_eq!(usize::from(set.len()), plain.len());
            prop_assert_eq!(usize::from(set.count_below(limit)), plain.range(..limit).count());
            prop_assert!(set.iter().eq(plain.iter().copied()));
            let text = serde_json::to_string(&set).expect("it can be stored");
            let back: SlotSet = serde_json::from_str(&text).expect("it can be read");
            prop_assert_eq!(&back, &set);
            set.clear();
            prop_assert_eq!(set, SlotSet::new(slots));
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            r#"{"slots":64,"bits":"000000000000000000"}"#,
            r#"{"slots":64,"bits":"zz"}"#,
            r#"{"slots":3,"bits":"08"}"#,
        ] {
            assert!(serde_json::from_str::<SlotSet>(text).is_err(), "{text}");
        }
    }
}

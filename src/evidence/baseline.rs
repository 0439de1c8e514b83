//! What was seen while everything was on old (A/A): how many requests fail anyway, and which slots always do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Slot;

/// Fewer requests say nothing about a share of errors as small as those that are accepted.
const REQUESTS_MIN: u64 = 1_000;

/// Counts are halved here, so that what is long ago counts less and less.
const REQUESTS_MAX: u64 = 1 << 20;

/// A slot with fewer requests is not known.
const SLOT_REQUESTS_MIN: u16 = 10;

/// A slot of which more than one in so many requests failed fails by itself: a bot, a broken client.
const FAILING_ONE_IN: u16 = 5;

/// Requests and errors on old, before anything went to new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Baseline {
    requests: u64,
    errors: u64,
    /// By slot; empty where requests have none of their own. Only slots with errors are stored: for the others a
    /// restart forgets how many requests they made.
    #[serde(with = "erring")]
    slots: Vec<SlotCounts>,
}

/// What was seen before anything went to new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Requests that ended well or failed; of late, where there were very many.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// What is slow takes at least this long on new; `None` before the first step, and where too little is known.
    pub slow: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SlotCounts {
    requests: u16,
    errors: u16,
}

impl Baseline {
    pub(super) fn new(slots: u16) -> Self {
        Self {
            requests: 0,
            errors: 0,
            slots: vec![SlotCounts::default(); usize::from(slots)],
        }
    }

    pub(super) fn add(&mut self, slot: Slot, is_error: bool) {
        self.requests += 1;
        self.errors += u64::from(is_error);
        if self.requests >= REQUESTS_MAX {
            self.requests /= 2;
            self.errors /= 2;
        }
        if let Some(counts) = self.slots.get_mut(usize::from(slot.number())) {
            counts.requests += 1;
            counts.errors += u16::from(is_error);
            if counts.requests == u16::MAX {
                counts.requests /= 2;
                counts.errors /= 2;
            }
        }
    }

    /// Errors per request; `None` while too few were seen.
    pub(super) fn error_share(&self) -> Option<f64> {
        (self.requests >= REQUESTS_MIN).then(|| self.errors as f64 / self.requests as f64)
    }

    /// What was seen, with what is slow.
    pub(super) const fn seen(&self, slow: Option<Duration>) -> Before {
        Before {
            requests: self.requests,
            errors: self.errors,
            slow,
        }
    }

    /// Whether a slot failed by itself, so that it says nothing about new.
    pub(super) fn always_fails(&self, slot: Slot) -> bool {
        let counts = self.slots.get(usize::from(slot.number()));
        counts.is_some_and(|it| {
            it.requests >= SLOT_REQUESTS_MIN && it.errors > it.requests / FAILING_ONE_IN
        })
    }
}

mod erring {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::SlotCounts;

    /// How many slots there are, and slot, requests and errors of those with errors.
    type Stored = (u16, Vec<(u16, u16, u16)>);

    pub(super) fn serialize<S: Serializer>(
        slots: &[SlotCounts],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let erring = (0_u16..).zip(slots).filter(|(_, it)| it.errors > 0);
        let erring = erring.map(|(slot, it)| (slot, it.requests, it.errors));
        let stored: Stored = (
            u16::try_from(slots.len()).unwrap_or(u16::MAX),
            erring.collect(),
        );
        stored.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<SlotCounts>, D::Error> {
        let (count, erring) = Stored::deserialize(deserializer)?;
        let mut slots = vec![SlotCounts::default(); usize::from(count)];
        for (slot, requests, errors) in erring {
            if let Some(counts) = slots.get_mut(usize::from(slot)) {
                *counts = SlotCounts { requests, errors };
            }
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(number: u64) -> Slot {
        Slot::from_hash(number)
    }

    #[test]
    fn a_share_of_errors_takes_a_thousand_requests() {
        let mut baseline = Baseline::new(10);
        for number in 0..999 {
            baseline.add(slot(number), number % 100 == 0);
        }
        assert_eq!(baseline.error_share(), None);
        baseline.add(slot(1), false);
        assert_eq!(baseline.error_share(), Some(0.01));
    }

    #[test]
    fn the_past_counts_less_and_less() {
        let mut baseline = Baseline::new(0);
        for _ in 0..REQUESTS_MAX {
            baseline.add(slot(0), true);
        }
        for _ in 0..2 * REQUESTS_MAX {
            baseline.add(slot(0), false);
        }
        let share = baseline.error_share().expect("it is known");
        assert!(share < 0.15, "{share}");
        assert!(baseline.requests < REQUESTS_MAX);
    }

    #[test]
    fn slots_that_fail_by_themselves_are_known_also_after_a_restart() {
        let mut baseline = Baseline::new(10);
        let mut add = |number, errors, fine| {
            (0..errors).for_each(|_| baseline.add(slot(number), true));
            (0..fine).for_each(|_| baseline.add(slot(number), false));
        };
        add(1, 3, 7);
        add(2, 2, 8);
        add(3, 9, 0);
        let text = serde_json::to_string(&baseline).expect("it can be stored");
        let back: Baseline = serde_json::from_str(&text).expect("it can be read");
        for known in [&baseline, &back] {
            let failing = [1, 2, 3, 4].map(|it| known.always_fails(slot(it)));
            assert_eq!(failing, [true, false, false, false]);
        }
        assert_eq!(back, baseline);
    }
}

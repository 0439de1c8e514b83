//! The fault that a drill injects, as workers see it: one word, so that a request is not touched by half of one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    plan::{DrillFault, Injection},
    units::Share,
};

/// What is injected into requests for new now. The control loop sets it, every worker reads it.
#[derive(Debug, Default)]
pub struct Injected(AtomicU64);

/// Two bits of kind, thirty of latency in microseconds below them, and the share in parts per million.
const KIND: u32 = 62;
const MICROS: u32 = 32;
const MICROS_MASK: u64 = (1 << (KIND - MICROS)) - 1;
const SHARE_MASK: u64 = (1 << MICROS) - 1;

impl Injected {
    /// Injects this from now on, or nothing.
    pub fn set(&self, injection: Option<Injection>) {
        self.0.store(injection.map_or(0, word), Ordering::Relaxed);
    }

    /// What is injected now.
    #[must_use]
    pub fn get(&self) -> Option<Injection> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            word => read(word),
        }
    }
}

fn word(injection: Injection) -> u64 {
    let (kind, micros) = match injection.fault {
        DrillFault::Errors => (1, 0),
        DrillFault::Refused => (2, 0),
        DrillFault::Latency(micros) => (3, u64::from(micros).min(MICROS_MASK)),
    };
    (kind << KIND) | (micros << MICROS) | u64::from(injection.share.parts_per_million())
}

fn read(word: u64) -> Option<Injection> {
    let micros = (word >> MICROS) & MICROS_MASK;
    let fault = match word >> KIND {
        1 => DrillFault::Errors,
        2 => DrillFault::Refused,
        3 => DrillFault::latency(Duration::from_micros(micros)),
        _ => return None,
    };
    let share = u32::try_from(word & SHARE_MASK).ok();
    let share = share.and_then(Share::from_parts_per_million)?;
    Some(Injection { fault, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let injected = Injected::default();
        assert_eq!(injected.get(), None);
        let whole = Share::WHOLE;
        let little = Share::from_parts_per_million(1).expect("a share");
        for fault in [
            DrillFault::Errors,
            DrillFault::Refused,
            DrillFault::latency(Duration::ZERO),
            DrillFault::latency(Duration::from_micros(1)),
            DrillFault::latency(Duration::from_secs(60)),
        ] {
            for share in [whole, little] {
                let injection = Injection { fault, share };
                injected.set(Some(injection));
                assert_eq!(injected.get(), Some(injection));
            }
        }
        injected.set(None);
        assert_eq!(injected.get(), None);
    }
}

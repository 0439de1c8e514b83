//! Whether each endpoint is in choice: written by probes and workers, read by workers and the control loop.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::{
    plan::EndpointId,
    units::{PerSide, Side, Timestamp},
};

/// The state of every endpoint, shared by all threads without a lock.
#[derive(Debug)]
pub struct Board {
    sides: PerSide<Vec<Place>>,
}

#[derive(Debug)]
struct Place {
    /// The active health check's word.
    healthy: AtomicBool,
    /// Ejected until then, by whichever worker ejected it last.
    ejected_until_micros: AtomicI64,
}

/// Whether an endpoint is in choice, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In choice.
    Usable,
    /// Its active health check fails.
    Unhealthy,
    /// Out after connect failures, until then.
    Ejected(Timestamp),
}

impl Board {
    /// A board on which every endpoint is usable.
    #[must_use]
    pub fn new(endpoints: PerSide<usize>) -> Self {
        let places = |count| {
            let place = || Place {
                healthy: AtomicBool::new(true),
                ejected_until_micros: AtomicI64::new(i64::MIN),
            };
            (0..count).map(|_| place()).collect()
        };
        Self {
            sides: endpoints.map(places),
        }
    }

    /// How many endpoints `side` has.
    #[must_use]
    pub fn count(&self, side: Side) -> usize {
        self.sides[side].len()
    }

    /// An endpoint's state now.
    #[must_use]
    pub fn standing(&self, id: EndpointId, now: Timestamp) -> Standing {
        let place = &self.sides[id.side][usize::from(id.index)];
        let until = Timestamp::from_micros(place.ejected_until_micros.load(Ordering::Relaxed));
        if !place.healthy.load(Ordering::Relaxed) {
            Standing::Unhealthy
        } else if now < until {
            Standing::Ejected(until)
        } else {
            Standing::Usable
        }
    }

    /// The active health check's verdict.
    pub fn set_healthy(&self, id: EndpointId, healthy: bool) {
        let place = &self.sides[id.side][usize::from(id.index)];
        place.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Takes an endpoint out of choice until `until`.
    pub fn eject(&self, id: EndpointId, until: Timestamp) {
        let place = &self.sides[id.side][usize::from(id.index)];
        let micros = until.micros();
        place.ejected_until_micros.store(micros, Ordering::Relaxed);
    }

    /// Lets an endpoint back in.
    pub fn admit(&self, id: EndpointId) {
        self.eject(id, Timestamp::from_micros(i64::MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_in_choice_while_it_is_healthy_and_not_ejected() {
        let board = Board::new(PerSide { old: 1, new: 2 });
        assert_eq!((board.count(Side::Old), board.count(Side::New)), (1, 2));
        let at = Timestamp::from_micros;
        let id = EndpointId {
            side: Side::New,
            index: 1,
        };
        let neighbour = EndpointId { index: 0, ..id };
        assert_eq!(board.standing(id, at(0)), Standing::Usable);
        board.eject(id, at(100));
        assert_eq!(board.standing(id, at(99)), Standing::Ejected(at(100)));
        assert_eq!(board.standing(id, at(100)), Standing::Usable);
        board.set_healthy(id, false);
        assert_eq!(board.standing(id, at(99)), Standing::Unhealthy);
        board.set_healthy(id, true);
        board.admit(id);
        assert_eq!(board.standing(id, at(99)), Standing::Usable);
        assert_eq!(board.standing(neighbour, at(99)), Standing::Usable);
    }
}

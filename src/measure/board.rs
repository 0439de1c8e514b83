//! Whether each endpoint is in choice, and where its name leads: written by probes, the resolver and workers, read by
//! workers and the control loop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use arc_swap::ArcSwap;

use crate::{
    measure::Resolved,
    plan::{Edition, EndpointId},
    units::{PerSide, Side, Timestamp},
};

/// The state of every endpoint, shared by all threads without a lock.
#[derive(Debug)]
pub struct Board {
    sides: PerSide<Places>,
}

/// One side's places, by index; those of endpoints that are in the plan no more stay, and count no more.
#[derive(Debug, Default)]
struct Places {
    all: Vec<Arc<Place>>,
    named: Vec<u16>,
}

#[derive(Debug)]
struct Place {
    /// The active health check's word.
    healthy: AtomicBool,
    /// Ejected until then, by whichever worker ejected it last.
    ejected_until_micros: AtomicI64,
    /// The resolver's word, where the endpoint has a name.
    resolved: ArcSwap<Resolved>,
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
    /// A board on which every endpoint is usable, and ids are places.
    #[must_use]
    pub fn new(endpoints: PerSide<usize>) -> Self {
        let places = |count| {
            let ids = 0..u16::try_from(count).unwrap_or(u16::MAX);
            Places::default().naming(ids.collect())
        };
        Self {
            sides: endpoints.map(places),
        }
    }

    /// The board of an edition: whoever was on this one is as it was.
    #[must_use]
    pub fn of(&self, edition: &Edition) -> Self {
        Self {
            sides: PerSide::from_fn(|side| {
                let ids = edition.endpoints(side).map(|(id, _)| id.index);
                self.sides[side].naming(ids.collect())
            }),
        }
    }

    /// How many endpoints `side` has.
    #[must_use]
    pub fn count(&self, side: Side) -> usize {
        self.sides[side].named.len()
    }

    /// A side's endpoints, in the order of the plan.
    pub fn ids(&self, side: Side) -> impl Iterator<Item = EndpointId> {
        let named = self.sides[side].named.iter();
        named.map(move |index| EndpointId {
            side,
            index: *index,
        })
    }

    /// An endpoint's state now.
    #[must_use]
    pub fn standing(&self, id: EndpointId, now: Timestamp) -> Standing {
        let place = &self.sides[id.side].all[usize::from(id.index)];
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
        let place = &self.sides[id.side].all[usize::from(id.index)];
        place.healthy.store(healthy, Ordering::Relaxed);
    }

    /// What the active health check said last; healthy before it said anything.
    #[must_use]
    pub fn is_healthy(&self, id: EndpointId) -> bool {
        let place = &self.sides[id.side].all[usize::from(id.index)];
        place.healthy.load(Ordering::Relaxed)
    }

    /// Takes an endpoint out of choice until `until`.
    pub fn eject(&self, id: EndpointId, until: Timestamp) {
        let place = &self.sides[id.side].all[usize::from(id.index)];
        let micros = until.micros();
        place.ejected_until_micros.store(micros, Ordering::Relaxed);
    }

    /// Where the endpoint's name leads.
    #[must_use]
    pub fn resolved(&self, id: EndpointId) -> Arc<Resolved> {
        self.sides[id.side].all[usize::from(id.index)]
            .resolved
            .load_full()
    }

    /// The resolver's answer.
    pub fn set_resolved(&self, id: EndpointId, resolved: Resolved) {
        let place = &self.sides[id.side].all[usize::from(id.index)];
        place.resolved.store(Arc::new(resolved));
    }

    /// Lets an endpoint back in.
    pub fn admit(&self, id: EndpointId) {
        self.eject(id, Timestamp::from_micros(i64::MIN));
    }
}

impl Places {
    /// The same places, and fresh ones where there are none yet.
    fn naming(&self, named: Vec<u16>) -> Self {
        let mut all = self.all.clone();
        let count = named.iter().map(|index| usize::from(*index) + 1).max();
        if count.is_some_and(|count| count > all.len()) {
            all.resize_with(count.unwrap_or_default(), Arc::default);
        }
        Self { all, named }
    }
}

impl Default for Place {
    fn default() -> Self {
        Self {
            healthy: AtomicBool::new(true),
            ejected_until_micros: AtomicI64::new(i64::MIN),
            resolved: ArcSwap::default(),
        }
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

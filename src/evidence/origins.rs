//! Which routes the requests and the symptoms of a stretch of time came from: what an explanation names, and never what
//! decides.
//!
//! Each route counts in slots of three lengths, so that a stretch of tenths of a second is told as exactly as one of an
//! hour is told at all. What a restart forgets was only to be shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Outcome, Says, Symptom},
    plan::RouteId,
    units::{PerSide, Timestamp},
};

/// Routes that are told apart; requests of those that come later are of no route here.
const ROUTES_MAX: usize = 64;

/// Slots of each length.
const SLOTS: usize = 64;

/// How long slots are, in microseconds: a tenth of a second, a second, a minute.
const LENGTHS: [i64; 3] = [100_000, 1_000_000, 60_000_000];

/// The counts of every route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Origins {
    routes: Vec<(RouteId, Box<[Tier; LENGTHS.len()]>)>,
    /// Of the plan, which is told again.
    #[serde(skip)]
    names: Vec<(RouteId, Arc<str>)>,
}

/// Slots of one length, each in the place of its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Counted>", into = "Vec<Counted>")]
struct Tier {
    slots: [Counted; SLOTS],
}

/// What was counted in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Counted {
    number: i64,
    requests: PerSide<u32>,
    symptoms: [PerSide<u32>; Symptom::ALL.len()],
}

/// What one route had in a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The route.
    pub route: RouteId,
    /// Its name, or `rest`.
    pub name: Arc<str>,
    /// Its requests, by the side that they were drawn for.
    pub requests: PerSide<u64>,
    /// Those of them with the symptom.
    pub events: PerSide<u64>,
}

impl Origins {
    /// Counts an outcome that became known after `from`.
    pub(super) fn add(&mut self, outcome: &Outcome, from: Timestamp) {
        let found = self.routes.iter().position(|(it, _)| *it == outcome.route);
        let place = match found {
            Some(place) => place,
            None if self.routes.len() < ROUTES_MAX => {
                let tiers = LENGTHS.map(|_| Tier::new());
                self.routes.push((outcome.route, Box::new(tiers)));
                self.routes.len() - 1
            }
            None => return,
        };
        for (tier, length) in self.routes[place].1.iter_mut().zip(LENGTHS) {
            tier.at(from.micros().div_euclid(length)).add(outcome);
        }
    }

    /// What each route with requests has had since a moment, as far as that is known: for an hour.
    pub(super) fn since(&self, symptom: Symptom, since: Timestamp, now: Timestamp) -> Vec<Origin> {
        let fits = |length: i64| {
            let slots = i64::try_from(SLOTS).unwrap_or(i64::MAX);
            now.micros().div_euclid(length) - since.micros().div_euclid(length) < slots
        };
        let tier = LENGTHS.iter().position(|it| fits(*it));
        let tier = tier.unwrap_or(LENGTHS.len() - 1);
        let first = since.micros().div_euclid(LENGTHS[tier]);
        let of_route = |(route, tiers): &(RouteId, Box<[Tier; LENGTHS.len()]>)| {
            let mut origin = Origin {
                route: *route,
                name: self.name(*route),
                requests: PerSide::default(),
                events: PerSide::default(),
            };
            let slots = tiers[tier].slots.iter();
            for slot in slots.filter(|it| it.number >= first) {
                let events = slot.symptoms[symptom.index()];
                origin.requests.old += u64::from(slot.requests.old);
                origin.requests.new += u64::from(slot.requests.new);
                origin.events.old += u64::from(events.old);
                origin.events.new += u64::from(events.new);
            }
            origin
        };
        let routes = self.routes.iter().map(of_route);
        routes
            .filter(|it| it.requests != PerSide::default() || it.events != PerSide::default())
            .collect()
    }

    /// Says what routes are called.
    pub(super) fn name_routes(&mut self, names: Vec<(RouteId, Arc<str>)>) {
        self.names = names;
    }

    /// The routes that have names.
    pub(super) fn names(&self) -> &[(RouteId, Arc<str>)] {
        &self.names
    }

    /// What a route is called.
    pub(super) fn name(&self, route: RouteId) -> Arc<str> {
        let known = self.names.iter().find(|(it, _)| *it == route);
        match known {
            Some((_, name)) => Arc::clone(name),
            None if route == RouteId::REST => Arc::from(RouteId::REST_NAME),
            // Its plan is not in force any more.
            None => Arc::from(format!("number {}", route.0)),
        }
    }

    /// Forgets everything: what follows is drawn with another salt.
    pub(super) fn clear(&mut self) {
        self.routes.clear();
    }
}

impl Tier {
    fn new() -> Self {
        Self {
            slots: [Counted::new(i64::MIN); SLOTS],
        }
    }

    /// The slot of this number, emptied of what was there before.
    fn at(&mut self, number: i64) -> &mut Counted {
        let slots = i64::try_from(SLOTS).unwrap_or(i64::MAX);
        let place = usize::try_from(number.rem_euclid(slots)).unwrap_or_default();
        let slot = &mut self.slots[place];
        if slot.number != number {
            *slot = Counted::new(number);
        }
        slot
    }
}

impl From<Tier> for Vec<Counted> {
    /// Those that anything was counted in.
    fn from(tier: Tier) -> Self {
        let slots = tier.slots.into_iter();
        slots.filter(|it| it.number != i64::MIN).collect()
    }
}

impl From<Vec<Counted>> for Tier {
    fn from(counted: Vec<Counted>) -> Self {
        let mut tier = Self::new();
        for it in counted {
            *tier.at(it.number) = it;
        }
        tier
    }
}

impl Counted {
    const fn new(number: i64) -> Self {
        let nothing = PerSide { old: 0, new: 0 };
        Self {
            number,
            requests: nothing,
            symptoms: [nothing; Symptom::ALL.len()],
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        let side = outcome.side;
        let is_slow = outcome.says == Says::Symptom(Symptom::Slow);
        // The request of a slow one ends in an outcome of its own.
        self.requests[side] += u32::from(!is_slow);
        if let Says::Symptom(symptom) = outcome.says {
            self.symptoms[symptom.index()][side] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Generation, Side, Slot};

    fn outcome(route: u16, side: Side, says: Says) -> Outcome {
        Outcome {
            generation: Generation::new(1),
            slot: Slot::from_hash(0),
            side,
            route: RouteId(route),
            says,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_795_348_800_000_000 + millis * 1_000)
    }

    /// A request on new of route 1 that fails, and one on old of route 2 that does not, each tenth of a second.
    fn counted(tenths: i64) -> Origins {
        let mut origins = Origins::default();
        origins.name_routes(vec![(RouteId(1), Arc::from("checkout"))]);
        for tenth in 0..tenths {
            let error = Says::Symptom(Symptom::Error);
            origins.add(&outcome(1, Side::New, error), at(tenth * 100));
            origins.add(&outcome(2, Side::Old, Says::Fine), at(tenth * 100));
        }
        origins
    }

    #[test]
    fn each_route_has_its_own_requests_and_symptoms() {
        let found = counted(10).since(Symptom::Error, at(0), at(1_000));
        let origin = |route, requests, events| Origin {
            route: RouteId(route),
            name: Arc::from(if route == 1 { "checkout" } else { "number 2" }),
            requests,
            events,
        };
        let (ten_on_old, ten_on_new) = (PerSide { old: 10, new: 0 }, PerSide { old: 0, new: 10 });
        let nothing = PerSide::default();
        let expected = [
            origin(1, ten_on_new, ten_on_new),
            origin(2, ten_on_old, nothing),
        ];
        assert_eq!(found, expected);
        let found = counted(10).since(Symptom::Abort, at(0), at(1_000));
        assert!(found.iter().all(|it| it.events == nothing), "{found:?}");
    }

    #[test]
    fn a_stretch_is_told_as_exactly_as_its_length_allows() {
        let origins = counted(36_000);
        let now = at(3_600_000);
        let requests = |millis: i64| {
            let found = origins.since(Symptom::Error, at(3_600_000 - millis), now);
            found[0].requests.new
        };
        assert_eq!(requests(300), 3);
        assert_eq!(requests(30_000), 300);
        assert_eq!(requests(3_000_000), 30_000);
        // Further back than is known.
        let all = origins.since(Symptom::Error, at(-36_000_000), now);
        assert_eq!(all[0].requests.new, 36_000);
    }

    #[test]
    fn a_slow_request_is_counted_once() {
        let mut origins = Origins::default();
        origins.add(&outcome(1, Side::New, Says::Symptom(Symptom::Slow)), at(0));
        origins.add(&outcome(1, Side::New, Says::Fine), at(100));
        let found = origins.since(Symptom::Slow, at(0), at(200));
        assert_eq!((found[0].requests.new, found[0].events.new), (1, 1));
    }

    #[test]
    fn only_so_many_routes_are_told_apart() {
        let mut origins = Origins::default();
        for route in 0..1_000 {
            origins.add(&outcome(route, Side::New, Says::Fine), at(0));
        }
        assert_eq!(origins.routes.len(), ROUTES_MAX);
        origins.clear();
        assert!(origins.since(Symptom::Error, at(0), at(1)).is_empty());
    }
}

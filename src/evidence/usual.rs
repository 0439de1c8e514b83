//! How long answers usually take: what old answered before the first step (A/A), by route, and the latency that only one
//! in two hundred of them passed.
//!
//! A request that passes it is slow, and is an event when it does, not when it ends: a side that hangs is noticed while
//! it does. Whether a request is slow does not depend on its side as long as new is no slower than tolerated, so that
//! the draw of the sides alone decides where slow requests are.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Answer,
        latency::{BINS, bin_of, counted, least_of_bin},
    },
    plan::{LatencyTolerance, RouteId},
};

/// One answer in so many is slow.
const SLOW_ONE_IN: u32 = 200;

/// With fewer answers a route's own are not known, and those of all routes count for it.
const ANSWERS_MIN: u32 = 1_000;

/// Counts are halved here, so that what is long ago counts less and less.
const ANSWERS_MAX: u32 = 1 << 20;

/// Routes that are known by their own; those that come later are judged by all of them together.
const ROUTES_MAX: usize = 64;

/// Old's latencies before the first step, as what is tolerated in their place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Usual {
    all: Latencies,
    routes: Vec<(RouteId, Latencies)>,
    /// What they are called: numbers are given anew when the program starts.
    #[serde(default)]
    names: Vec<(RouteId, String)>,
}

/// Latencies of one route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Latencies {
    #[serde(with = "filled")]
    bins: Vec<u32>,
    count: u32,
    /// What is slow takes longer; `None` before the first step, and where too little is known.
    limit: Option<Duration>,
}

impl Usual {
    /// Learns from an answer of old before the first step.
    pub(super) fn learn(&mut self, answer: &Answer, tolerance: LatencyTolerance) {
        let bin = bin_of(counted(*answer, tolerance));
        self.all.add(bin);
        let found = self.routes.iter().position(|(it, _)| *it == answer.route);
        if let Some(place) = found {
            self.routes[place].1.add(bin);
        } else if self.routes.len() < ROUTES_MAX {
            let mut own = Latencies::default();
            own.add(bin);
            self.routes.push((answer.route, own));
        }
    }

    /// Says what routes are called now: what is known of a route is found by its name, and what none is called any more
    /// is forgotten.
    pub(super) fn name_routes(
        &mut self,
        name: impl Fn(RouteId) -> String,
        called: &[(RouteId, Arc<str>)],
    ) {
        let names = &self.names;
        self.routes.retain_mut(|(id, _)| {
            let known = names.iter().find(|(it, _)| it == id);
            // Without a name it is of a time before names were kept, or of this very process.
            let Some((_, known)) = known else { return true };
            match called.iter().find(|(_, it)| **it == **known) {
                Some((now, _)) => *id = *now,
                None => return *id == RouteId::REST,
            }
            true
        });
        self.names.clear();
        self.note_names(name);
    }

    /// Notes the names of routes that were met since.
    pub(super) fn note_names(&mut self, name: impl Fn(RouteId) -> String) {
        for (id, _) in &self.routes {
            if self.names.iter().all(|(it, _)| it != id) {
                self.names.push((*id, name(*id)));
            }
        }
    }

    /// The first step begins: what is slow is fixed for as long as there are two sides.
    pub(super) fn settle(&mut self) {
        self.all.settle();
        for (_, own) in &mut self.routes {
            own.settle();
        }
    }

    /// What is slow on routes that are not known by their own; it takes at least this long on new.
    pub(super) const fn limit(&self) -> Option<Duration> {
        self.all.limit
    }

    /// Whether the request has become slow: by its answer, or by the wait that it was told of.
    pub(super) fn has_become_slow(&self, answer: &Answer, tolerance: LatencyTolerance) -> bool {
        let own = self.routes.iter().find(|(it, _)| *it == answer.route);
        let limit = own.and_then(|(_, it)| it.limit).or(self.all.limit);
        let told = Answer {
            latency: answer.told.age(),
            ..*answer
        };
        limit.is_some_and(|limit| {
            counted(*answer, tolerance) >= limit && counted(told, tolerance) < limit
        })
    }
}

impl Latencies {
    fn add(&mut self, bin: usize) {
        // Only where there are answers at all.
        self.bins.resize(BINS, 0);
        self.bins[bin] += 1;
        self.count += 1;
        if self.count >= ANSWERS_MAX {
            for bin in &mut self.bins {
                *bin /= 2;
            }
            self.count = self.bins.iter().sum();
        }
    }

    fn settle(&mut self) {
        self.limit = None;
        if self.count < ANSWERS_MIN {
            return;
        }
        let most = self.count / SLOW_ONE_IN;
        let mut above = 0;
        for (bin, count) in self.bins.iter().enumerate().rev() {
            above += count;
            if above > most {
                // The bins beyond this one hold one in two hundred at most.
                self.limit = least_of_bin(bin + 1);
                return;
            }
        }
    }
}

/// The bins that are not empty.
mod filled {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::BINS;

    pub(super) fn serialize<S: Serializer>(bins: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
        let filled = (0_u16..).zip(bins).filter(|(_, count)| **count > 0);
        serializer.collect_seq(filled)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u32>, D::Error> {
        let filled: Vec<(u16, u32)> = Vec::deserialize(deserializer)?;
        if filled.is_empty() {
            return Ok(Vec::new());
        }
        let mut bins = vec![0; BINS];
        for (bin, count) in filled {
            if let Some(found) = bins.get_mut(usize::from(bin)) {
                *found = count;
            }
        }
        Ok(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::Stage,
        measure::WaitMark,
        units::{Factor, Generation, Side, Slot},
    };

    const EXACT: LatencyTolerance = LatencyTolerance {
        times: Factor::from_thousandths(1_000),
        plus: Duration::ZERO,
    };

    const TWICE: LatencyTolerance = LatencyTolerance {
        times: Factor::from_thousandths(2_000),
        plus: Duration::ZERO,
    };

    fn answer(side: Side, route: u16, millis: u64) -> Answer {
        Answer {
            generation: Generation::new(1),
            slot: Slot::from_hash(0),
            side,
            route: RouteId(route),
            latency: Duration::from_millis(millis),
            told: WaitMark::NONE,
            stage: Stage::Answered,
        }
    }

    /// A thousand answers of a route from 1 ms to 100 ms, and a few of ten seconds.
    fn learnt(route: u16, answers: u64, tolerance: LatencyTolerance) -> Usual {
        let mut usual = Usual::default();
        for it in 0..answers {
            let millis = if it % 250 == 0 { 10_000 } else { 1 + it % 100 };
            usual.learn(&answer(Side::Old, route, millis), tolerance);
        }
        usual.settle();
        usual
    }

    #[test]
    fn what_one_in_two_hundred_passes_is_slow() {
        let usual = learnt(3, 2_000, EXACT);
        for side in Side::ALL {
            assert!(!usual.has_become_slow(&answer(side, 3, 90), EXACT));
            assert!(usual.has_become_slow(&answer(side, 3, 115), EXACT));
        }
    }

    #[test]
    fn new_may_be_as_slow_as_is_tolerated() {
        let usual = learnt(3, 2_000, TWICE);
        let is_slow = |side, millis| usual.has_become_slow(&answer(side, 3, millis), TWICE);
        assert!(is_slow(Side::Old, 115));
        assert!(!is_slow(Side::New, 115));
        assert!(is_slow(Side::New, 230));
    }

    #[test]
    fn a_route_that_is_not_known_is_judged_by_all_of_them() {
        let usual = learnt(3, 2_000, EXACT);
        assert!(usual.has_become_slow(&answer(Side::New, 4, 115), EXACT));
        let unknown = learnt(3, 900, EXACT);
        assert!(!unknown.has_become_slow(&answer(Side::New, 3, 60_000), EXACT));
    }

    #[test]
    fn a_route_is_judged_by_its_own() {
        let mut usual = learnt(3, 2_000, EXACT);
        for _ in 0..2_000 {
            usual.learn(&answer(Side::Old, 4, 2_000), EXACT);
        }
        usual.settle();
        assert!(usual.has_become_slow(&answer(Side::New, 3, 1_000), EXACT));
        assert!(!usual.has_become_slow(&answer(Side::New, 4, 1_000), EXACT));
    }

    #[test]
    fn nothing_is_slow_before_the_first_step() {
        let mut usual = Usual::default();
        for _ in 0..2_000 {
            usual.learn(&answer(Side::Old, 3, 10), EXACT);
        }
        assert!(!usual.has_become_slow(&answer(Side::Old, 3, 60_000), EXACT));
    }

    #[test]
    fn a_request_becomes_slow_once() {
        let usual = learnt(3, 2_000, EXACT);
        let mut told = WaitMark::NONE;
        let mut events = 0;
        for millis in [125, 250, 1_000, 4_000, 4_321] {
            let waits = Answer {
                told,
                ..answer(Side::New, 3, millis)
            };
            events += u32::from(usual.has_become_slow(&waits, EXACT));
            told = WaitMark::passed(Duration::from_millis(millis));
        }
        assert_eq!(events, 1);
    }

    #[test]
    fn routes_are_known_by_their_names_after_a_restart() {
        let mut usual = learnt(3, 2_000, EXACT);
        for _ in 0..2_000 {
            usual.learn(&answer(Side::Old, 4, 2_000), EXACT);
            usual.learn(&answer(Side::Old, RouteId::REST.0, 2_000), EXACT);
        }
        usual.settle();
        let before = |id: RouteId| match id.0 {
            3 => "checkout".to_owned(),
            4 => "report".to_owned(),
            _ => "rest".to_owned(),
        };
        usual.note_names(before);
        let text = serde_json::to_string(&usual).expect("it can be stored");
        let mut back: Usual = serde_json::from_str(&text).expect("it can be read");
        // Another file: what was route 3 is route 0, and the report is gone.
        let called = [
            (RouteId(0), Arc::from("checkout")),
            (RouteId(3), Arc::from("new")),
        ];
        let after = |id: RouteId| match id.0 {
            0 => "checkout".to_owned(),
            3 => "new".to_owned(),
            _ => "rest".to_owned(),
        };
        back.name_routes(after, &called);
        assert_eq!(back.routes.len(), 2);
        let is_slow =
            |route, millis| back.has_become_slow(&answer(Side::New, route, millis), EXACT);
        assert!(is_slow(0, 1_000), "its own limit");
        assert!(
            !is_slow(RouteId::REST.0, 1_000),
            "what no route matches has no other number"
        );
        assert!(!is_slow(3, 1_000), "judged by all of them");
        assert!(is_slow(3, 20_000), "judged by all of them");
        let mut again = back.clone();
        again.name_routes(after, &called);
        assert_eq!(again, back);
    }

    #[test]
    fn what_is_known_survives_a_restart() {
        for usual in [Usual::default(), learnt(3, 2_000, TWICE)] {
            let text = serde_json::to_string(&usual).expect("it can be stored");
            let back: Usual = serde_json::from_str(&text).expect("it can be read");
            assert_eq!(back, usual);
        }
    }
}

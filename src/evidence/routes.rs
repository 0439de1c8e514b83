//! Tests of single routes: what is broken on one route alone drowns among all others.
//!
//! A route gets a test for a symptom that the plan asks for when it first shows it, on either side; the tick in which it
//! does is not judged, so that a test's share is fixed before what it judges is seen. The k-th of them has a share of
//! 1/(2k(k + 1)), half of the budget in all. It is given the γs that were spent before it began, which no other test
//! of the same share had.
//!
//! The formulas are those of the tests of all routes. With sticky clients, how much of the traffic each slot makes is counted
//! for each route by itself: an outage of one route on old alone uses up the slots of old that visit it, and no others.
//!
//! A restart begins anew here: W = 0 lowers every R, and the γs before it were spent by the tests before it.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Outcome, Says, Settings, Symptom, Test, Unit,
        activity::Activity,
        detector::{Detector, Mark},
        requests::RequestTest,
        slots::SlotTest,
    },
    plan::RouteId,
    units::{PerSide, SLOTS, Timestamp, Weight},
};

/// Tests of routes at most; what is found later has none.
const TESTS_MAX: usize = 64;

/// The tests of single routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RouteTests {
    routes: Vec<Watched>,
    /// How many tests there are.
    count: u8,
    /// All γs spent since the evidence began.
    gamma: f64,
}

/// A route that has tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Watched {
    route: RouteId,
    tests: Vec<RouteTest>,
    /// Its requests since it has tests.
    requests: PerSide<u64>,
    /// Which slots they come from; nothing where each request is drawn anew.
    activity: Option<Box<Activity>>,
    /// Its requests in the tick under way.
    tick: PerSide<u64>,
}

/// A test of one symptom of one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RouteTest {
    symptom: Symptom,
    rank: u8,
    judge: Judge,
    /// Requests with the symptom in the tick under way.
    tick: PerSide<u64>,
}

/// What is judged: requests or slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Judge {
    Requests(Box<RequestTest>),
    Slots(Box<SlotTest>),
}

/// What one test of a route has gathered.
#[derive(Debug)]
pub(super) struct RouteReading<'a> {
    pub(super) route: RouteId,
    pub(super) symptom: Symptom,
    /// Its place in the order in which tests began, from 1.
    pub(super) rank: u8,
    pub(super) detector: &'a Detector<6>,
    pub(super) events: PerSide<u64>,
    pub(super) requests: PerSide<u64>,
}

/// What a tick is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) settings: Settings,
    pub(super) weight: Weight,
    /// The turn before.
    pub(super) from: Timestamp,
}

impl RouteTests {
    pub(super) fn spend(&mut self, gamma: f64) {
        self.gamma += gamma;
        for test in self.routes.iter_mut().flat_map(|it| &mut it.tests) {
            test.judge.spend(gamma);
        }
    }

    /// Lets time pass: ends epochs.
    pub(super) fn roll(&mut self, now: Timestamp) {
        for watched in &mut self.routes {
            for test in &mut watched.tests {
                test.judge.roll(now);
            }
            if let Some(activity) = &mut watched.activity {
                activity.roll(now);
            }
        }
    }

    /// One tick: the outcomes of one table.
    pub(super) fn tick(
        &mut self,
        outcomes: &(impl Iterator<Item = Outcome> + Clone),
        rules: Rules,
        now: Timestamp,
    ) {
        for outcome in outcomes.clone() {
            if let Some(watched) = self.watched(outcome.route) {
                watched.count(&outcome);
            }
        }
        for watched in &mut self.routes {
            watched.begin(rules.weight);
        }
        if rules.settings.unit == Unit::Slot {
            let shown = |it: &Outcome| matches!(it.says, Says::Symptom(_));
            for outcome in outcomes.clone().filter(shown) {
                if let Some(watched) = self.watched(outcome.route) {
                    watched.see(&outcome);
                }
            }
        }
        for watched in &mut self.routes {
            watched.end(rules);
        }
        for outcome in outcomes.clone() {
            self.discover(&outcome, rules, now);
        }
    }

    /// Notes which slots the requests came from, for the ticks that follow.
    pub(super) fn note_activity(&mut self, outcomes: impl Iterator<Item = Outcome>) {
        for outcome in outcomes {
            let watched = self.watched(outcome.route);
            if let Some(activity) = watched.and_then(|it| it.activity.as_mut()) {
                activity.add(outcome.slot);
            }
        }
    }

    /// Forgets everything: what follows is drawn with another salt.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What every test has gathered, in the order of the routes.
    pub(super) fn readings(&self) -> impl Iterator<Item = RouteReading<'_>> {
        self.routes.iter().flat_map(|watched| {
            watched.tests.iter().map(|test| {
                let (detector, events) = test.judge.detector();
                RouteReading {
                    route: watched.route,
                    symptom: test.symptom,
                    rank: test.rank,
                    detector,
                    events,
                    requests: watched.requests,
                }
            })
        })
    }

    fn watched(&mut self, route: RouteId) -> Option<&mut Watched> {
        self.routes.iter_mut().find(|it| it.route == route)
    }

    /// Begins a test where a route shows a symptom for the first time. What no route of the plan matches has none: the
    /// tests of all requests are for that.
    fn discover(&mut self, outcome: &Outcome, rules: Rules, now: Timestamp) {
        let Says::Symptom(symptom) = outcome.says else {
            return;
        };
        let is_asked = rules.settings.by_route.has(symptom) && outcome.route != RouteId::REST;
        if !is_asked || usize::from(self.count) >= TESTS_MAX {
            return;
        }
        let found = self.routes.iter().position(|it| it.route == outcome.route);
        let place = found.unwrap_or_else(|| {
            self.routes
                .push(Watched::new(outcome.route, rules.settings.unit, now));
            self.routes.len() - 1
        });
        let watched = &mut self.routes[place];
        if watched.tests.iter().all(|it| it.symptom != symptom) {
            self.count += 1;
            let mut judge = Judge::new(rules.settings.unit, now);
            judge.spend(self.gamma);
            watched.tests.push(RouteTest {
                symptom,
                rank: self.count,
                judge,
                tick: PerSide::default(),
            });
        }
    }
}

impl Watched {
    fn new(route: RouteId, unit: Unit, now: Timestamp) -> Self {
        let activity = match unit {
            Unit::Request => None,
            Unit::Slot => {
                let mut activity = Activity::new(SLOTS);
                activity.roll(now);
                Some(Box::new(activity))
            }
        };
        Self {
            route,
            tests: Vec::new(),
            requests: PerSide::default(),
            activity,
            tick: PerSide::default(),
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        if outcome.says != Says::Symptom(Symptom::Slow) {
            self.tick[outcome.side] += 1;
        }
        if let Says::Symptom(symptom) = outcome.says
            && let Some(test) = self.tests.iter_mut().find(|it| it.symptom == symptom)
        {
            test.tick[outcome.side] += 1;
        }
    }

    /// Fixes by what the slots with events are judged, before they are seen.
    fn begin(&mut self, weight: Weight) {
        for test in self.tests.iter_mut().filter(|it| it.has_events()) {
            if let (Judge::Slots(slots), Some(activity)) = (&mut test.judge, &self.activity) {
                slots.begin(weight.basis_points(), activity);
            }
        }
    }

    fn see(&mut self, outcome: &Outcome) {
        let shows = |it: &&mut RouteTest| outcome.says == Says::Symptom(it.symptom);
        let test = self.tests.iter_mut().find(shows);
        if let Some(Judge::Slots(slots)) = test.map(|it| &mut it.judge) {
            slots.see(outcome.slot);
        }
    }

    fn end(&mut self, rules: Rules) {
        let before = Mark {
            at: rules.from,
            requests: self.requests,
            ..Mark::default()
        };
        let tolerated = rules.settings.tolerated_errors.ratio();
        for test in self.tests.iter_mut().filter(|it| it.has_events()) {
            let tick = std::mem::take(&mut test.tick);
            let pace = rules.settings.pace(Test::Route {
                symptom: test.symptom,
                route: self.route,
                rank: test.rank,
            });
            match &mut test.judge {
                Judge::Requests(requests) => {
                    requests.tick(tick, rules.weight, tolerated, before, pace);
                }
                Judge::Slots(slots) => {
                    slots.end(tolerated, before, pace);
                }
            }
        }
        let tick = std::mem::take(&mut self.tick);
        self.requests.old += tick.old;
        self.requests.new += tick.new;
    }
}

impl RouteTest {
    fn has_events(&self) -> bool {
        self.tick != PerSide::default()
    }
}

impl Judge {
    fn new(unit: Unit, now: Timestamp) -> Self {
        match unit {
            Unit::Request => Self::Requests(Box::new(RequestTest::new())),
            Unit::Slot => {
                let mut slots = SlotTest::new(SLOTS);
                slots.roll(now);
                Self::Slots(Box::new(slots))
            }
        }
    }

    fn spend(&mut self, gamma: f64) {
        match self {
            Self::Requests(test) => test.spend(gamma),
            Self::Slots(test) => test.spend(gamma),
        }
    }

    fn roll(&mut self, now: Timestamp) {
        match self {
            Self::Requests(_) => (),
            Self::Slots(test) => test.roll(now),
        }
    }

    fn detector(&self) -> (&Detector<6>, PerSide<u64>) {
        match self {
            Self::Requests(test) => test.detector(),
            Self::Slots(test) => test.detector(),
        }
    }
}

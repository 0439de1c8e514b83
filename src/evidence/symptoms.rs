//! The tests relative to old, one for each symptom, and what a tick brings them.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Outcome, Says, Settings, Symptom, Test, Unit,
        absolute::Judged,
        activity::Activity,
        detector::{Detector, Mark},
        requests::RequestTest,
        slots::{SlotTest, Worth},
    },
    units::{PerSide, SLOTS, Side, Timestamp, Weight},
};

/// The tests relative to old, by symptom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Relative {
    Requests(Box<[RequestTest; Symptom::ALL.len()]>),
    Slots {
        tests: Box<[SlotTest; Symptom::ALL.len()]>,
        activity: Activity,
    },
}

/// What one turn brought of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) requests: PerSide<u64>,
    pub(super) events: [PerSide<u64>; Symptom::ALL.len()],
    pub(super) fine: PerSide<u64>,
    /// On new, but for slots that always fail.
    pub(super) judged: Judged,
}

impl Relative {
    pub(super) fn new(unit: Unit) -> Self {
        match unit {
            Unit::Request => Self::Requests(Box::new(Symptom::ALL.map(|_| RequestTest::new()))),
            Unit::Slot => Self::Slots {
                tests: Box::new(Symptom::ALL.map(|_| SlotTest::new(SLOTS))),
                activity: Activity::new(SLOTS),
            },
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        match self {
            Self::Requests(tests) => tests.iter_mut().for_each(|it| it.spend(gamma)),
            Self::Slots { tests, .. } => tests.iter_mut().for_each(|it| it.spend(gamma)),
        }
    }

    pub(super) fn roll(&mut self, now: Timestamp) {
        match self {
            Self::Requests(_) => (),
            Self::Slots { tests, activity } => {
                tests.iter_mut().for_each(|it| it.roll(now));
                activity.roll(now);
            }
        }
    }

    /// One tick of every symptom that was seen; what it is worth for errors.
    pub(super) fn tick(
        &mut self,
        tally: &Tally,
        weight: Weight,
        outcomes: impl Iterator<Item = Outcome>,
        settings: &Settings,
        before: Mark,
    ) -> Worth {
        let tolerated = settings.tolerated_errors.ratio();
        let pace = |symptom| settings.pace(Test::Relative(symptom));
        let seen = || Symptom::ALL.into_iter().filter(|it| tally.has(*it));
        let mut errors = Worth::default();
        match self {
            Self::Requests(tests) => {
                for symptom in seen() {
                    let events = tally.events[symptom.index()];
                    let test = &mut tests[symptom.index()];
                    let ln_largest = test.tick(events, weight, tolerated, before, pace(symptom));
                    if symptom == Symptom::Error {
                        errors = Worth {
                            fresh: events,
                            ln_largest,
                        };
                    }
                }
            }
            Self::Slots { tests, activity } => {
                for symptom in seen() {
                    tests[symptom.index()].begin(weight.basis_points(), activity);
                }
                for outcome in outcomes {
                    if let Says::Symptom(symptom) = outcome.says {
                        tests[symptom.index()].see(outcome.slot);
                    }
                }
                for symptom in seen() {
                    let worth = tests[symptom.index()].end(tolerated, before, pace(symptom));
                    if symptom == Symptom::Error {
                        errors = worth;
                    }
                }
            }
        }
        errors
    }

    /// Notes which slots the requests came from, for the ticks that follow.
    pub(super) fn note_activity(&mut self, outcomes: impl Iterator<Item = Outcome>) {
        if let Self::Slots { activity, .. } = self {
            for outcome in outcomes {
                activity.add(outcome.slot);
            }
        }
    }

    /// How much of the traffic each slot makes, where requests have slots of their own.
    pub(super) const fn activity(&self) -> Option<&Activity> {
        match self {
            Self::Requests(_) => None,
            Self::Slots { activity, .. } => Some(activity),
        }
    }

    pub(super) const fn unit(&self) -> Unit {
        match self {
            Self::Requests(_) => Unit::Request,
            Self::Slots { .. } => Unit::Slot,
        }
    }

    pub(super) fn detector(&self, symptom: Symptom) -> (&Detector<6>, PerSide<u64>) {
        match self {
            Self::Requests(tests) => tests[symptom.index()].detector(),
            Self::Slots { tests, .. } => tests[symptom.index()].detector(),
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, outcome: &Outcome, always_fails: bool) {
        let side = outcome.side;
        if outcome.says == Says::Symptom(Symptom::Slow) {
            // Its request ends in an outcome of its own.
            self.events[Symptom::Slow.index()][side] += 1;
            return;
        }
        self.requests[side] += 1;
        let is_fine = outcome.says.is_fine();
        self.fine[side] += u64::from(is_fine);
        if let Says::Symptom(symptom) = outcome.says {
            self.events[symptom.index()][side] += 1;
        }
        if side == Side::New && !always_fails {
            let is_error = outcome.says == Says::Symptom(Symptom::Error);
            self.judged.errors += u64::from(is_error);
            self.judged.fine += u64::from(is_fine);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests == PerSide::default() && !self.has(Symptom::Slow)
    }

    pub(super) fn has(&self, symptom: Symptom) -> bool {
        self.events[symptom.index()] != PerSide::default()
    }
}

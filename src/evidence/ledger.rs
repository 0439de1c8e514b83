//! The book that all tests are kept in: which outcome counts where, and by which weight.
//!
//! An outcome belongs to the generation at which its request was sent, not to the moment at which it became known; two
//! generations in a turn are two ticks. Weight 0 ends all evidence: what follows is drawn with another salt.
//! Nothing is allocated at a turn.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        Answer, Before, Finding, Origin, Outcome, Outlook, Permit, Says, Seen, Settings, Stage,
        Symptom, Test, Unit,
        absolute::{AbsoluteTest, Judged},
        advance::Advance,
        baseline::Baseline,
        budget::{gamma_of, gamma_of_rise},
        detector::{Detector, Mark},
        latency::{LatencyTest, Spread},
        origins::Origins,
        routes::{RouteReading, RouteTests, Rules},
        split_check::{LOOKS, SplitCheck},
        symptoms::{Relative, Tally},
        usual::Usual,
    },
    measure::Interval,
    plan::RouteId,
    units::{Generation, PerSide, SLOTS, Side, Timestamp, Weight},
};

/// Tables that late outcomes are still known by. Requests older than so many changes of weight are no evidence.
const TABLES_MAX: usize = 8;

/// More time than this between two turns was not observed.
const TURN_MAX: Duration = Duration::from_secs(1);

/// New fails too often where it does so more than twice as often as old did before the first step.
const BASELINE_TIMES: f64 = 2.0;

/// The highest share of errors that can be accepted: above it there is nothing worse to tell it from.
const ACCEPTED_MAX: f64 = 0.45;

/// The lowest one: an error in a million requests.
const ACCEPTED_MIN: f64 = 1e-6;

/// All evidence, and what it is held against. Stored whole it goes on as if nothing had been, once it is told what routes are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    settings: Settings,
    ledger: Ledger,
    origins: Origins,
    routes: RouteTests,
    split: SplitCheck,
}

/// All that was gathered: what a snapshot keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The latest tables, oldest first; the last one is in force.
    tables: Vec<Table>,
    /// The last turn.
    turned_at: Option<Timestamp>,
    /// The plan's rises that have spent their γ, and those that will at the next turn.
    rises_spent: u32,
    rises_due: u32,
    relative: Relative,
    latency: LatencyTest,
    absolute: PerSide<AbsoluteTest>,
    advance: Advance,
    baseline: Baseline,
    usual: Usual,
    /// Everything seen so far; its events are errors.
    seen: Mark,
    /// What was drawn by the table in force, as it is.
    #[serde(default)]
    drawn: PerSide<Drawn>,
}

/// Requests of one side that were drawn by the table in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// All of them that ended.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
}

/// One table, and what was seen of it in the turn under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    generation: Generation,
    weight: Weight,
    #[serde(skip)]
    tally: Tally,
}

impl Evidence {
    /// No evidence yet, and no table in force.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ledger: Ledger::new(settings.unit),
            origins: Origins::default(),
            routes: RouteTests::default(),
            split: SplitCheck::new(settings.unit),
        }
    }

    /// Goes on from a snapshot, if it is about the evidence in force: about the same unit, and not older than
    /// `since`, before which nothing is evidence.
    #[must_use]
    pub fn restored(
        settings: Settings,
        snapshot: Option<Ledger>,
        (generation, weight): (Generation, Weight),
        since: Generation,
    ) -> Self {
        let fitting = snapshot.filter(|it| it.unit() == settings.unit && it.latest() >= since);
        let mut evidence = Self::new(settings);
        if let Some(ledger) = fitting {
            evidence.ledger = ledger;
        }
        if evidence.ledger.latest() != generation {
            evidence.published(generation, weight);
        }
        evidence
    }

    /// Another plan is in force, for the same position.
    pub fn reload(
        &mut self,
        settings: Settings,
        in_force: (Generation, Weight),
        since: Generation,
    ) {
        let ledger = Some(self.ledger.clone());
        let routes = std::mem::take(&mut self.routes);
        let split = self.split.clone();
        let origins = std::mem::take(&mut self.origins);
        let is_same_unit = settings.unit == self.settings.unit;
        *self = Self::restored(settings, ledger, in_force, since);
        self.origins = origins;
        if is_same_unit {
            self.routes = routes;
            self.split = split;
        }
    }

    /// Says what routes are called.
    pub fn name_routes(&mut self, names: Vec<(RouteId, Arc<str>)>) {
        let Self {
            ledger, origins, ..
        } = self;
        origins.name_routes(names);
        ledger
            .usual
            .name_routes(|route| origins.name(route).to_string(), origins.names());
    }

    /// All that was gathered.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What a snapshot keeps.
    #[must_use]
    pub fn snapshot(&self) -> Ledger {
        let mut ledger = self.ledger.clone();
        ledger.latency.trim();
        ledger
    }

    /// A table was put in force. Weight 0 ends all evidence.
    pub fn published(&mut self, generation: Generation, weight: Weight) {
        let ledger = &mut self.ledger;
        let before = ledger.weight();
        if weight == Weight::NONE {
            let turned_at = ledger.turned_at;
            *ledger = Ledger::new(self.settings.unit);
            ledger.turned_at = turned_at;
            self.origins.clear();
            self.routes.clear();
            self.split.clear();
        } else if before == Weight::NONE {
            ledger.usual.settle();
        }
        if weight > before && ledger.rises_spent < self.settings.rises {
            ledger.rises_spent += 1;
            ledger.rises_due += 1;
        }
        if ledger.tables.len() == TABLES_MAX {
            ledger.tables.remove(0);
        }
        ledger.tables.push(Table {
            generation,
            weight,
            tally: Tally::default(),
        });
        ledger.advance = Advance::new();
        ledger.drawn = PerSide::default();
    }

    /// Takes in what the workers handed over since the last turn.
    pub fn turn(&mut self, intervals: &[Interval], now: Timestamp) {
        let measured = intervals.iter().flat_map(|it| &it.measurements);
        let outcomes = measured.clone().filter_map(Outcome::of);
        let overdue = intervals.iter().flat_map(|it| &it.overdue);
        let answers = measured.filter_map(Answer::of);
        self.take(outcomes, &answers.chain(overdue.map(Answer::awaited)), now);
    }

    /// Takes in the outcomes and the answers that became known since the last turn.
    pub fn take(
        &mut self,
        outcomes: impl Iterator<Item = Outcome> + Clone,
        answers: &(impl Iterator<Item = Answer> + Clone),
        now: Timestamp,
    ) {
        let ledger = &mut self.ledger;
        let from = ledger.turned_at.unwrap_or(now);
        self.split.roll(now, ledger.weight());
        let gamma = ledger.pass_time(&self.settings, now);
        self.routes.roll(now);
        self.routes.spend(gamma);
        let tolerance = self.settings.tolerated_latency;
        // Out of the ledger meanwhile, which changes; it is all vectors, and moved for nothing.
        let mut usual = std::mem::take(&mut ledger.usual);
        let slow = answers
            .clone()
            .filter(|it| usual.has_become_slow(it, tolerance));
        ledger.count(outcomes.clone().chain(slow.map(|it| it.slow())));
        ledger.latency.begin();
        for index in 0..ledger.tables.len() {
            let Table {
                generation, weight, ..
            } = ledger.tables[index];
            let is_in_force = index + 1 == ledger.tables.len();
            let of_table = answers.clone().filter(|it| it.generation == generation);
            let answered = of_table.clone().filter(|it| it.stage == Stage::Answered);
            ledger.latency.tick(
                answered.clone(),
                (weight, is_in_force),
                &self.settings,
                from,
            );
            if weight == Weight::NONE && is_in_force {
                answered.for_each(|it| usual.learn(&it, tolerance));
                continue;
            }
            let slow = of_table.filter(|it| usual.has_become_slow(it, tolerance));
            let outcomes = outcomes.clone().filter(|it| it.generation == generation);
            self.split.take(outcomes.clone(), weight);
            let outcomes = outcomes.chain(slow.map(|it| it.slow()));
            if weight > Weight::NONE {
                outcomes.clone().for_each(|it| self.origins.add(&it, from));
                let rules = Rules {
                    settings: self.settings,
                    weight,
                    from,
                };
                self.routes.tick(&outcomes, rules, now);
            }
            ledger.tick(&self.settings, index, outcomes, from);
        }
        usual.note_names(|route| self.origins.name(route).to_string());
        ledger.usual = usual;
        self.routes.note_activity(outcomes.clone());
        ledger.relative.note_activity(outcomes);
    }

    /// What every test has gathered, in the order of [`Test::ALL`], and then those of routes.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        let all = Test::ALL.into_iter().map(|test| self.finding(test));
        let of_routes = self.routes.readings();
        all.chain(of_routes.map(|it| self.finding_of_route(&it)))
    }

    fn finding_of_route(&self, reading: &RouteReading<'_>) -> Finding {
        let RouteReading {
            route,
            symptom,
            rank,
            detector,
            events,
            requests,
        } = *reading;
        let test = Test::Route {
            symptom,
            route,
            rank,
        };
        let seen = Mark {
            requests,
            events,
            ..Mark::default()
        };
        Finding {
            route: Some(self.origins.name(route)),
            ..self.finding_of(test, detector, seen)
        }
    }

    /// Whether new is shown to be good enough for the next step.
    #[must_use]
    pub fn permit(&self) -> Permit {
        let accepted = self.ledger.accepted(&self.settings);
        self.ledger.advance.permit(accepted)
    }

    /// What was seen before anything went to new.
    #[must_use]
    pub fn before(&self) -> Before {
        let Ledger {
            baseline, usual, ..
        } = &self.ledger;
        baseline.seen(usual.limit())
    }

    /// What a step of this weight looks like at so many requests a second on both sides together.
    #[must_use]
    pub fn outlook(&self, weight: Weight, rate: f64) -> Outlook {
        Outlook {
            weight,
            rate,
            errors: self.ledger.baseline.error_share().unwrap_or(0.0),
            accepted: self.ledger.accepted(&self.settings),
        }
    }

    /// What the tests are held against.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Requests that were drawn by the table in force, and how many failed.
    #[must_use]
    pub const fn drawn(&self) -> PerSide<Drawn> {
        self.ledger.drawn
    }

    /// The routes that had requests since a moment, those with most of a symptom on new first.
    #[must_use]
    pub fn origins(&self, symptom: Symptom, since: Timestamp) -> Vec<Origin> {
        let now = self.ledger.turned_at.unwrap_or(since);
        let mut found = self.origins.since(symptom, since, now);
        found.sort_by_key(|it| (std::cmp::Reverse(it.events.new), it.route));
        found
    }

    /// What one test has gathered; nothing, where it is a route's and has not begun.
    #[must_use]
    pub fn finding(&self, test: Test) -> Finding {
        let Ledger { seen, .. } = &self.ledger;
        match test {
            Test::Relative(symptom) => {
                let (detector, events) = self.ledger.relative.detector(symptom);
                self.finding_of(test, detector, Mark { events, ..*seen })
            }
            Test::ErrorLimit => self.finding_of(test, self.ledger.absolute.new.detector(), *seen),
            Test::Route {
                symptom,
                route,
                rank,
            } => {
                let mut of_routes = self.routes.readings();
                let found = of_routes.find(|it| (it.symptom, it.route) == (symptom, route));
                let nothing = Detector::new();
                self.finding_of_route(&found.unwrap_or_else(|| RouteReading {
                    route,
                    symptom,
                    rank,
                    detector: &nothing,
                    events: PerSide::default(),
                    requests: PerSide::default(),
                }))
            }
            Test::Split => self.finding_of_split(),
            Test::Latency => {
                let reading = self.ledger.latency.reading();
                Finding {
                    test,
                    route: None,
                    unit: self.settings.unit,
                    ln_evidence: reading.ln_evidence,
                    ln_threshold: self.settings.ln_threshold(test) + reading.ln_looks,
                    requests: reading.spread.map(Spread::count),
                    seen: Seen::Latency(reading.spread.map(Spread::typical)),
                    since: reading.since,
                    ln_relative: 0.0,
                }
            }
        }
    }

    fn finding_of_split(&self) -> Finding {
        let (strays, last) = (self.split.strays(), self.split.last());
        let ln_evidence = match (strays, last) {
            (0, Some(last)) => last.ln_evidence,
            (0, None) => f64::NEG_INFINITY,
            (_, _) => f64::INFINITY,
        };
        let on_new = last.map_or(0, |it| it.on_new);
        Finding {
            test: Test::Split,
            route: None,
            unit: self.settings.unit,
            ln_evidence,
            ln_threshold: self.settings.ln_threshold(Test::Split) + LOOKS.ln(),
            requests: PerSide {
                old: last.map_or(0, |it| it.of - it.on_new),
                new: on_new,
            },
            seen: Seen::Split {
                strays,
                expected: last.map_or(0.0, |it| it.expected),
            },
            since: last.filter(|_| ln_evidence > 0.0).map(|it| it.since),
            ln_relative: 0.0,
        }
    }

    /// The share of all requests of the last minute that the busiest slots make; unknown without sticky clients, or
    /// without requests.
    #[must_use]
    pub fn share_of_busiest(&self, slots: usize) -> Option<f64> {
        self.ledger.relative.activity()?.share_of_busiest(slots)
    }

    fn finding_of<const N: usize>(
        &self,
        test: Test,
        detector: &Detector<N>,
        seen: Mark,
    ) -> Finding {
        let since = detector.since();
        let begun = since.unwrap_or(seen);
        let between = |now: PerSide<u64>, then: PerSide<u64>| PerSide {
            old: now.old - then.old,
            new: now.new - then.new,
        };
        Finding {
            test,
            route: None,
            unit: self.settings.unit,
            ln_evidence: detector.ln_evidence(),
            ln_threshold: self.settings.ln_threshold(test),
            requests: between(seen.requests, begun.requests),
            seen: Seen::Events(between(seen.events, begun.events)),
            since: since.map(|it| it.at),
            ln_relative: seen.ln_relative.0 - begun.ln_relative.0,
        }
    }
}

impl Ledger {
    fn new(unit: Unit) -> Self {
        // Reserved for good, so that a turn allocates nothing.
        let tables = Vec::with_capacity(TABLES_MAX);
        Self {
            tables,
            turned_at: None,
            rises_spent: 0,
            rises_due: 0,
            relative: Relative::new(unit),
            latency: LatencyTest::new(unit),
            absolute: PerSide::from_fn(|_| AbsoluteTest::new()),
            advance: Advance::new(),
            baseline: Baseline::new(match unit {
                Unit::Request => 0,
                Unit::Slot => SLOTS,
            }),
            usual: Usual::default(),
            seen: Mark::default(),
            drawn: PerSide::default(),
        }
    }

    /// Lets time pass; gives the γ that tests relative to old are given.
    fn pass_time(&mut self, settings: &Settings, now: Timestamp) -> f64 {
        let passed = self.turned_at.map_or(Duration::ZERO, |it| now.since(it));
        self.turned_at = self.turned_at.max(Some(now));
        let weight = self.weight();
        self.relative.roll(now);
        self.latency.roll(now, weight == Weight::NONE);
        if weight == Weight::NONE {
            return 0.0;
        }
        let due = f64::from(std::mem::take(&mut self.rises_due));
        let gamma = gamma_of(passed.min(TURN_MAX)) + due * gamma_of_rise(settings.rises);
        for side in Side::ALL {
            self.absolute[side].spend(gamma);
        }
        // At 100 % there is nothing to compare with.
        if weight == Weight::FULL {
            return 0.0;
        }
        self.relative.spend(gamma);
        self.latency.spend(gamma);
        gamma
    }

    /// Counts the turn's outcomes by table.
    fn count(&mut self, outcomes: impl Iterator<Item = Outcome>) {
        let Self {
            tables, baseline, ..
        } = self;
        for table in tables.iter_mut() {
            table.tally = Tally::default();
        }
        let in_force = tables.last().map(|it| it.generation);
        for outcome in outcomes {
            let mut latest_first = tables.iter_mut().rev();
            let Some(table) = latest_first.find(|it| it.generation == outcome.generation) else {
                continue;
            };
            let is_error = outcome.says == Says::Symptom(Symptom::Error);
            table
                .tally
                .add(&outcome, baseline.always_fails(outcome.slot));
            let counts = is_error || outcome.says.is_fine();
            if table.weight == Weight::NONE && in_force == Some(table.generation) && counts {
                baseline.add(outcome.slot, is_error);
            }
        }
    }

    /// One tick: the outcomes of one table, which became known after `from`.
    fn tick(
        &mut self,
        settings: &Settings,
        index: usize,
        outcomes: impl Iterator<Item = Outcome>,
        from: Timestamp,
    ) {
        let Table { weight, tally, .. } = self.tables[index];
        if tally.is_empty() || weight == Weight::NONE {
            return;
        }
        let before = Mark {
            at: from,
            ..self.seen
        };
        let worth = self
            .relative
            .tick(&tally, weight, outcomes, settings, before);
        let accepted = self.accepted(settings);
        for side in Side::ALL {
            let judged = Judged {
                errors: worth.fresh[side],
                fine: tally.fine[side],
            };
            self.absolute[side].tick(judged, accepted, before);
            self.seen.requests[side] += tally.requests[side];
            self.seen.events[side] += worth.fresh[side];
        }
        self.seen.ln_relative.0 += worth.ln_largest;
        // What both sides suffer says nothing about new.
        let old = self.absolute.old.detector().ln_evidence();
        let is_shared = old > settings.ln_threshold(Test::ErrorLimit) / 2.0;
        let is_in_force = index + 1 == self.tables.len();
        if is_in_force {
            let errors = tally.events[Symptom::Error.index()];
            for side in Side::ALL {
                self.drawn[side].requests += tally.requests[side];
                self.drawn[side].errors += errors[side];
            }
        }
        if is_in_force && !is_shared {
            self.advance.tick(tally.judged, accepted);
        }
    }

    /// The share of errors that is accepted on new.
    fn accepted(&self, settings: &Settings) -> f64 {
        let old = self.baseline.error_share().unwrap_or(0.0);
        let accepted = settings.error_limit.ratio().max(BASELINE_TIMES * old);
        accepted.clamp(ACCEPTED_MIN, ACCEPTED_MAX)
    }

    pub(super) const fn unit(&self) -> Unit {
        self.relative.unit()
    }

    fn latest(&self) -> Generation {
        self.tables
            .last()
            .map_or(Generation::ZERO, |it| it.generation)
    }

    pub(crate) fn weight(&self) -> Weight {
        self.tables.last().map_or(Weight::NONE, |it| it.weight)
    }
}

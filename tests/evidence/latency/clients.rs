//! Clients with latencies of their own, and what befalls them: a stream of answers for the test to judge.
//!
//! Unless a slowdown of new is set, a latency does not depend on the side, or is in new's favour.

use std::{iter, time::Duration};

use changeover::{
    evidence::{Answer, Evidence, Finding, Settings, Stage, Symptom, Test, Unit},
    measure::WaitMark,
    plan::{LatencyTolerance, RouteId, Symptoms},
    units::{Factor, Generation, Share, Side, Slot, Timestamp, Weight},
};
use fastrand::Rng;

use crate::world::Mood;

/// Old's typical latency, and the standard deviations of its logarithm: of a client's requests, of clients, and of what
/// a client changes by in a minute.
const TYPICAL: f64 = 0.05;
const WITHIN: f64 = 0.5;
const BETWEEN: f64 = 0.55;
const DRIFT: f64 = 0.01;

/// Requests that are five times as slow as they would be.
const OUTLIERS: f64 = 0.03;

/// Who asks, and what befalls them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    pub(crate) unit: Unit,
    /// Requests per second.
    pub(crate) rate: f64,
    /// How many clients there are, the first of them with the most requests.
    pub(crate) clients: usize,
    pub(crate) mood: Mood,
    pub(crate) likeness: Likeness,
    /// Named routes that are tested for slow answers by themselves, of which each client has one; 0 is none.
    pub(crate) routes: u16,
}

/// How much clients differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Each has a latency of its own, and some of its requests are slow.
    Unlike,
    /// Only requests differ.
    Alike,
}

/// One stream of answers, judged as it comes.
pub(crate) struct Clients {
    pub(crate) passed: Duration,
    /// How much slower requests are on new.
    pub(crate) slower_on_new: f64,
    /// The share of new's requests that take eight times as long, and that get no answer.
    pub(crate) dragging: f64,
    pub(crate) hanging: f64,
    /// The answers of the last tick.
    pub(crate) answers: Vec<Answer>,
    evidence: Evidence,
    population: Population,
    weight: Weight,
    generation: u64,
    clients: Vec<Client>,
    /// Requests that hang, and since when.
    hung: Vec<(Answer, Duration)>,
    rng: Rng,
}

struct Client {
    slot: Slot,
    /// Requests of those up to this one.
    up_to: f64,
    /// The logarithm of its own latency beside the typical one, and what that changes by in a minute.
    ln_own: f64,
    drift: f64,
}

/// A Sunday at noon, to the hour: where every window begins.
const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

impl Clients {
    pub(crate) fn new(
        population: Population,
        tolerated_latency: LatencyTolerance,
        false_alarms: u32,
        seed: u64,
    ) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = Settings {
            unit: population.unit,
            false_alarms: Share::from_parts_per_million(false_alarms).expect("a share"),
            tolerated_errors: Factor::from_thousandths(1_000),
            tolerated_latency,
            error_limit: Share::WHOLE,
            by_route: Symptoms::NONE.with(Symptom::Slow),
            rises: 5,
        };
        let mut up_to = 0.0;
        let clients = (1..=population.clients).map(|rank| {
            up_to += 1.0 / f64::from(u32::try_from(rank).expect("few clients"));
            let spread = match population.mood {
                Mood::Drift => 3.0,
                _ => 1.0,
            };
            let is_always_slow = population.mood == Mood::Bots && rank % 20 == 7;
            Client {
                slot: Slot::from_hash(rng.u64(..)),
                up_to,
                ln_own: match population.likeness {
                    Likeness::Unlike => BETWEEN * normal(&mut rng),
                    Likeness::Alike => 0.0,
                } + if is_always_slow { 3.0 } else { 0.0 },
                drift: spread * DRIFT * normal(&mut rng),
            }
        });
        let clients = clients.collect();
        let mut all = Self {
            passed: Duration::ZERO,
            slower_on_new: 1.0,
            dragging: 0.0,
            hanging: 0.0,
            answers: Vec::new(),
            evidence: Evidence::new(settings),
            population,
            weight: Weight::NONE,
            generation: 0,
            clients,
            hung: Vec::new(),
            rng,
        };
        all.publish(0);
        all
    }

    pub(crate) fn publish(&mut self, points: u16) {
        self.generation += 1;
        self.weight = Weight::from_basis_points(points).expect("at most all");
        let generation = Generation::new(self.generation);
        self.evidence.published(generation, self.weight);
    }

    /// Lets some time pass, by ticks.
    pub(crate) fn run(&mut self, span: Duration, tick: Duration) {
        let until = self.passed + span;
        while self.passed < until {
            self.tick(tick);
        }
    }

    pub(crate) fn tick(&mut self, span: Duration) {
        self.passed += span;
        self.answers.clear();
        let mean = self.population.rate * self.load() * span.as_secs_f64();
        let mut left = mean + normal(&mut self.rng) * mean.sqrt();
        while left > self.rng.f64() {
            let client = self.client();
            // Whoever waits long asks again, and again.
            let burst = match self.population.mood {
                Mood::Retries if self.rng.f64() < 0.02 => 10,
                _ => 1,
            };
            for _ in 0..burst {
                left -= 1.0;
                self.request(client);
            }
        }
        for (waits, since) in &mut self.hung {
            waits.latency = WaitMark::passed(self.passed.saturating_sub(*since)).age();
            if waits.latency > waits.told.age() {
                self.answers.push(*waits);
                waits.told = WaitMark::passed(waits.latency);
            }
        }
        let now = START.after(self.passed);
        self.evidence
            .take(iter::empty(), &self.answers.iter().copied(), now);
    }

    pub(crate) fn finding(&self, test: Test) -> Finding {
        self.evidence.finding(test)
    }

    /// Whether the test of a single route trips.
    pub(crate) fn trips_by_route(&self) -> bool {
        let mut findings = self.evidence.findings();
        findings.any(|it| it.route.is_some() && it.is_trip())
    }

    /// How far the evidence is beyond what its number of looks alone demands, whatever its share of a budget of 1.
    pub(crate) fn margin(&self, test: Test) -> f64 {
        let finding = self.finding(test);
        finding.ln_evidence - finding.ln_threshold + 16.0_f64.ln()
    }

    fn request(&mut self, client: usize) {
        let slot = match self.population.unit {
            Unit::Slot => self.clients[client].slot,
            Unit::Request => Slot::from_hash(self.rng.u64(..)),
        };
        let side = match self.weight.includes(slot) {
            true => Side::New,
            false => Side::Old,
        };
        let minutes = self.passed.as_secs_f64() / 60.0;
        let Client { ln_own, drift, .. } = self.clients[client];
        let ln = ln_own + drift * minutes + WITHIN * normal(&mut self.rng);
        let is_outlier = match self.population.likeness {
            Likeness::Unlike => self.rng.f64() < OUTLIERS,
            Likeness::Alike => false,
        };
        let outlier = if is_outlier { 5.0 } else { 1.0 };
        let slower = self.befallen(side) * outlier;
        let slower = match side {
            Side::Old => slower,
            Side::New if self.befalls(self.dragging) => slower * 8.0,
            Side::New => slower * self.slower_on_new,
        };
        let hangs = side == Side::New && self.befalls(self.hanging);
        let answer = Answer {
            generation: Generation::new(self.generation),
            slot,
            side,
            route: match slot.number().checked_rem(self.population.routes) {
                Some(number) => RouteId(number),
                None => RouteId::REST,
            },
            latency: Duration::from_secs_f64(TYPICAL * ln.exp() * slower),
            told: WaitMark::NONE,
            stage: Stage::Answered,
        };
        if hangs {
            let waits = Answer {
                stage: Stage::Waiting,
                ..answer
            };
            self.hung.push((waits, self.passed));
        } else {
            self.answers.push(answer);
        }
    }

    /// Whether something with this chance befalls a request; what has none takes no number from the others.
    fn befalls(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.rng.f64() < chance
    }

    fn client(&mut self) -> usize {
        let all = self.clients.last().map_or(1.0, |it| it.up_to);
        let place = self.rng.f64() * all;
        let client = self.clients.partition_point(|it| it.up_to < place);
        client.min(self.clients.len() - 1)
    }

    /// What befalls a request on this side, as a factor.
    fn befallen(&self, side: Side) -> f64 {
        let in_incident = (240..300).contains(&(self.passed.as_secs() % 600));
        match (self.population.mood, side) {
            (Mood::DayAndNight, _) => self.load().sqrt(),
            (Mood::SharedIncident, _) | (Mood::OldIncident, Side::Old) if in_incident => 4.0,
            (Mood::BetterNew, Side::New) => 0.5,
            _ => 1.0,
        }
    }

    fn load(&self) -> f64 {
        match self.population.mood {
            Mood::DayAndNight => {
                let phase = self.passed.as_secs_f64() / 900.0 * std::f64::consts::TAU;
                2.5 - 1.5 * phase.cos()
            }
            _ => 1.0,
        }
    }
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

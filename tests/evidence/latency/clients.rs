//! Clients with latencies of their own, and what befalls them: a stream of answers for the test to judge.
//!
//! Unless a slowdown of new is set, a latency does not depend on the side, or is in new's favour.

use std::{iter, time::Duration};

use changeover::{
    evidence::{Answer, Evidence, Finding, Settings, Stage, Symptom, Test, Unit},
    measure::WaitMark,
    plan::{LatencyTolerance, RouteId, Symptoms},
    units::{Factor, Generation, PerSide, Share, Side, Slot, Timestamp, Weight},
};
use fastrand::Rng;

use crate::world::Mood;

/// Old's typical latency, and the standard deviations of its logarithm: of a client's requests, and of clients.
const TYPICAL: f64 = 0.05;
const WITHIN: f64 = 0.5;
const BETWEEN: f64 = 0.55;

/// What the logarithm of a client's latency changes by in a minute, as a standard deviation: where the test is tried.
pub(crate) const DRIFT: f64 = 0.01;

/// The same where it is timed: 2 % in five minutes, which is what the test takes for granted at least.
pub(crate) const LITTLE_DRIFT: f64 = 0.004;

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
    /// What the logarithm of a client's latency changes by in a minute, as a standard deviation.
    pub(crate) drift: f64,
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
    pauses: Option<Pauses>,
    /// Requests that are not answered in the tick in which they come.
    waiting: Vec<Waiting>,
    rng: Rng,
}

/// A request that is answered later, or never.
struct Waiting {
    answer: Answer,
    since: Duration,
    until: Option<Duration>,
}

/// Moments in which processes stand still: one side's, or both, of which one goes on before the other.
struct Pauses {
    /// The one under way, or the next one.
    begin: Duration,
    end: PerSide<Duration>,
    /// Apart, so that it changes no other number.
    rng: Rng,
}

/// How long they last at most.
const PAUSE_MAX: f64 = 0.5;

/// From the end of one to the next, on average.
const BETWEEN_PAUSES: f64 = 20.0;

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
                drift: spread * population.drift * normal(&mut rng),
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
            pauses: None,
            waiting: Vec::new(),
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
                self.request(client, span);
            }
        }
        self.wait();
        let now = START.after(self.passed);
        self.evidence
            .take(iter::empty(), &self.answers.iter().copied(), now);
    }

    /// From now on processes stand still now and then.
    pub(crate) fn pause(&mut self, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        self.pauses = Some(Pauses::after(self.passed, &mut rng));
    }

    /// Answers what is due, and tells of waits that have passed a mark.
    fn wait(&mut self) {
        for Waiting {
            answer,
            since,
            until,
        } in &mut self.waiting
        {
            let due = until.filter(|it| *it <= self.passed);
            answer.latency = match due {
                Some(until) => until.saturating_sub(*since),
                None => WaitMark::passed(self.passed.saturating_sub(*since)).age(),
            };
            if due.is_some() {
                answer.stage = Stage::Answered;
                self.answers.push(*answer);
            } else if answer.latency > answer.told.age() {
                self.answers.push(*answer);
                answer.told = WaitMark::passed(answer.latency);
            }
        }
        self.waiting.retain(|it| it.answer.stage == Stage::Waiting);
        if let Some(pauses) = &mut self.pauses {
            pauses.pass(self.passed);
        }
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

    fn request(&mut self, client: usize, tick: Duration) {
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
        let paused = self.pauses.as_mut().and_then(|it| {
            let since = self.passed.saturating_sub(tick.mul_f64(it.rng.f64()));
            let is_paused = (it.begin..it.end[side]).contains(&since);
            is_paused.then(|| (since, it.end[side] + answer.latency))
        });
        let (since, until) = match paused {
            _ if hangs => (self.passed, None),
            Some((since, until)) => (since, Some(until)),
            None => return self.answers.push(answer),
        };
        self.waiting.push(Waiting {
            answer: Answer {
                stage: Stage::Waiting,
                ..answer
            },
            since,
            until,
        });
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

impl Pauses {
    fn after(passed: Duration, rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        let wait = -BETWEEN_PAUSES * (1.0 - rng.f64()).ln();
        let begin = passed + Duration::from_secs_f64(wait);
        let who = rng.u8(..3);
        let end = PerSide::from_fn(|side| {
            let is_spared = matches!((who, side), (0, Side::New) | (1, Side::Old));
            let length = if is_spared {
                0.0
            } else {
                PAUSE_MAX * rng.f64()
            };
            begin + Duration::from_secs_f64(length)
        });
        Self { begin, end, rng }
    }

    /// Once all go on the next one is to come.
    fn pass(&mut self, passed: Duration) {
        if self.end.old.max(self.end.new) <= passed {
            *self = Self::after(passed, &mut self.rng);
        }
    }
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

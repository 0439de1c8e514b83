//! Clients, two sides and what befalls them: a stream of outcomes for the tests to judge.
//!
//! Unless a fault is set, an outcome does not depend on the side: whatever trips then is a false alarm.

use std::{iter, time::Duration};

use changeover::{
    evidence::{Evidence, Finding, Outcome, Says, Settings, Symptom, Test, Unit},
    plan::{EvidencePlan, RouteId},
    units::{Factor, Generation, PerSide, SLOTS, Share, Side, Slot, Timestamp, Weight},
};
use fastrand::Rng;

/// What requests come, and how often they fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) unit: Unit,
    /// Requests per second, at noon.
    pub(crate) rate: f64,
    /// How many clients there are, the first of them with the most requests.
    pub(crate) clients: usize,
    /// The chance of an error, on either side.
    pub(crate) errors: f64,
    pub(crate) mood: Mood,
}

/// What befalls the traffic without regard to the sides, or in new's favour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing.
    Calm,
    /// Four times the traffic, and as many more errors, at the middle of each quarter of an hour.
    DayAndNight,
    /// A minute in which both sides fail a fifth of their requests.
    SharedIncident,
    /// A minute in which old alone fails a third of them.
    OldIncident,
    /// New fails a tenth as often as old.
    BetterNew,
    /// Whoever gets an error asks again, and gets five more.
    Retries,
    /// One client in a hundred always fails.
    Bots,
    /// A few clients have most of the errors, and others do as time goes by.
    Drift,
}

impl Mood {
    pub(crate) const ALL: [Self; 8] = [
        Self::Calm,
        Self::DayAndNight,
        Self::SharedIncident,
        Self::OldIncident,
        Self::BetterNew,
        Self::Retries,
        Self::Bots,
        Self::Drift,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calm => "nothing",
            Self::DayAndNight => "day and night",
            Self::SharedIncident => "an outage of both sides",
            Self::OldIncident => "an outage of old alone",
            Self::BetterNew => "new ten times better",
            Self::Retries => "bursts of retries",
            Self::Bots => "clients that always fail",
            Self::Drift => "unequal clients that drift",
        }
    }
}

impl Mood {
    /// The same where latencies are looked at.
    pub(crate) const fn name_of_latency(self) -> &'static str {
        match self {
            Self::Calm | Self::DayAndNight | Self::Drift => self.name(),
            Self::SharedIncident => "both sides slow for a minute",
            Self::OldIncident => "old alone slow for a minute",
            Self::BetterNew => "new twice as fast",
            Self::Retries => "clients that ask ten times in a row",
            Self::Bots => "clients that are always slow",
        }
    }
}

/// One stream of traffic, judged as it comes.
pub(crate) struct World {
    pub(crate) evidence: Evidence,
    pub(crate) weight: Weight,
    /// Time since the first request.
    pub(crate) passed: Duration,
    /// What became of the requests of the last tick.
    pub(crate) outcomes: Vec<Outcome>,
    /// The chance that a request on new fails beside all else, once a fault is set.
    pub(crate) fault: f64,
    /// The one route that has the fault; none: all of them.
    pub(crate) broken: Option<RouteId>,
    /// The share of requests that are for the route that their client visits most.
    pub(crate) loyal: f64,
    traffic: Traffic,
    generation: u64,
    /// The slot of each client, and how many requests come from those up to it.
    slots: Vec<(Slot, f64)>,
    /// Errors that are still to come of retries.
    retries: Vec<Slot>,
    rng: Rng,
    /// Apart, so that it changes no other number.
    routing: Rng,
}

/// The route that one request in fifty is for.
pub(crate) const CHECKOUT: RouteId = RouteId(0);

/// A Sunday at noon, to the hour: where every epoch begins.
const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

impl World {
    pub(crate) fn new(traffic: Traffic, false_alarms: u32, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = Settings {
            unit: traffic.unit,
            false_alarms: Share::from_parts_per_million(false_alarms).expect("a share"),
            tolerated_errors: Factor::from_thousandths(1_000),
            tolerated_latency: EvidencePlan::DEFAULT.tolerated_latency,
            error_limit: Share::from_parts_per_million(5_000).expect("a share"),
            by_route: EvidencePlan::DEFAULT.by_route,
            rises: 5,
        };
        let mut most = 0.0;
        let slots = (1..=traffic.clients).map(|rank| {
            // Zipf's law: the n-th client has an n-th of the first one's requests.
            most += 1.0 / f64::from(u32::try_from(rank).expect("few clients"));
            (Slot::from_hash(rng.u64(..)), most)
        });
        let slots = slots.collect();
        let mut world = Self {
            evidence: Evidence::new(settings),
            weight: Weight::NONE,
            passed: Duration::ZERO,
            outcomes: Vec::new(),
            fault: 0.0,
            broken: None,
            loyal: 0.8,
            traffic,
            generation: 0,
            slots,
            retries: Vec::new(),
            rng,
            routing: Rng::with_seed(seed ^ 0x5bd1_e995),
        };
        world.publish(0);
        world
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

    /// Lets one tick pass.
    pub(crate) fn tick(&mut self, span: Duration) {
        self.passed += span;
        self.outcomes.clear();
        let mean = self.traffic.rate * self.load() * span.as_secs_f64();
        // As many as a Poisson process has, near enough: a mean with its scatter.
        let scatter = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        let mut left = mean + scatter * mean.sqrt();
        while left > self.rng.f64() {
            left -= 1.0;
            self.request();
        }
        for slot in std::mem::take(&mut self.retries) {
            for _ in 0..5 {
                let slot = self.drawn(slot);
                let route = self.route(slot);
                self.ended(slot, route, Says::Symptom(Symptom::Error));
            }
        }
        let now = self.now();
        let outcomes = self.outcomes.iter().copied();
        self.evidence.take(outcomes, &iter::empty(), now);
    }

    pub(crate) fn now(&self) -> Timestamp {
        START.after(self.passed)
    }

    /// Whether something would roll back: errors relative to old, or too many where old is better.
    pub(crate) fn trips(&self) -> bool {
        let limit = self.finding(Test::ErrorLimit);
        let errors = self.finding(Test::Relative(Symptom::Error));
        errors.is_trip() || limit.is_trip() && limit.is_old_better()
    }

    pub(crate) fn finding(&self, test: Test) -> Finding {
        self.evidence.finding(test)
    }

    /// Requests and errors of the last tick.
    pub(crate) fn counts(&self) -> PerSide<(f64, f64)> {
        let mut counts = PerSide::<(f64, f64)>::default();
        for outcome in &self.outcomes {
            let (requests, errors) = &mut counts[outcome.side];
            *requests += 1.0;
            *errors += f64::from(u8::from(outcome.says == Says::Symptom(Symptom::Error)));
        }
        counts
    }

    fn request(&mut self) {
        let (client, slot) = self.client();
        let is_new = self.weight.includes(slot);
        let chance = self.chance(client, is_new);
        let route = self.route(slot);
        let is_sound = self.broken.is_some_and(|it| it != route);
        let fault = if is_sound { 0.0 } else { self.fault };
        let is_error = self.rng.f64() < chance || is_new && self.rng.f64() < fault;
        if is_error && self.traffic.mood == Mood::Retries {
            self.retries.push(slot);
        }
        self.ended(
            slot,
            route,
            match is_error {
                true => Says::Symptom(Symptom::Error),
                false => Says::Fine,
            },
        );
    }

    /// One client in fifty mostly buys something, the others mostly look at one of four things.
    fn route(&mut self, slot: Slot) -> RouteId {
        let number = match self.routing.f64() < self.loyal {
            true => slot.number(),
            false => self.routing.u16(..SLOTS),
        };
        match number % 50 {
            0 => CHECKOUT,
            other => RouteId(1 + other % 4),
        }
    }

    fn ended(&mut self, slot: Slot, route: RouteId, says: Says) {
        self.outcomes.push(Outcome {
            generation: Generation::new(self.generation),
            slot,
            side: match self.weight.includes(slot) {
                true => Side::New,
                false => Side::Old,
            },
            route,
            says,
        });
    }

    fn client(&mut self) -> (usize, Slot) {
        let all = self.slots.last().map_or(1.0, |(_, most)| *most);
        let place = self.rng.f64() * all;
        let client = self.slots.partition_point(|(_, most)| *most < place);
        let own = self.slots[client.min(self.slots.len() - 1)].0;
        (client, self.drawn(own))
    }

    /// The slot of a request of the client with this one: its own, or one drawn for this request alone.
    fn drawn(&mut self, own: Slot) -> Slot {
        match self.traffic.unit {
            Unit::Slot => own,
            Unit::Request => Slot::from_hash(self.rng.u64(..)),
        }
    }

    /// How likely a request fails, by what befalls the traffic.
    fn chance(&self, client: usize, is_new: bool) -> f64 {
        let usual = self.traffic.errors;
        let second = self.passed.as_secs();
        let in_incident = (240..300).contains(&(second % 600));
        match self.traffic.mood {
            Mood::Calm | Mood::Retries => usual,
            Mood::DayAndNight => usual * self.load(),
            Mood::SharedIncident if in_incident => 0.2,
            Mood::OldIncident if in_incident && !is_new => 0.33,
            Mood::SharedIncident | Mood::OldIncident => usual,
            Mood::BetterNew if is_new => usual / 10.0,
            Mood::BetterNew => usual,
            Mood::Bots if client % 100 == 17 => 1.0,
            Mood::Bots => usual,
            Mood::Drift => {
                // Every minute other clients, one in twenty, have nineteen times their share.
                let minute = usize::try_from(second / 60).expect("few minutes");
                match client.wrapping_add(minute * 7) % 20 {
                    0 => (usual * 19.0).min(1.0),
                    _ => usual / 20.0,
                }
            }
        }
    }

    /// How much traffic there is, of the usual.
    fn load(&self) -> f64 {
        match self.traffic.mood {
            Mood::DayAndNight => {
                let phase = self.passed.as_secs_f64() / 900.0 * std::f64::consts::TAU;
                2.5 - 1.5 * phase.cos()
            }
            Mood::Calm
            | Mood::SharedIncident
            | Mood::OldIncident
            | Mood::BetterNew
            | Mood::Retries
            | Mood::Bots
            | Mood::Drift => 1.0,
        }
    }
}

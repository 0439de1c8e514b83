//! What is to be expected of the faults that `tests/it/series.rs` shows to the real binary: the same traffic and weight, the
//! same time since the rise, and whichever test notices first.

use std::{fmt::Write, time::Duration};

use changeover::{
    evidence::{Symptom, Test, Unit},
    plan::EvidencePlan,
};

use crate::{
    latency::clients::{Clients, Likeness, Population},
    of_every_run, page, runs,
    world::{CHECKOUT, Mood, Traffic, World},
};

/// The default.
const FALSE_ALARMS: u32 = 1_000;

/// As often as the control loop looks.
const TICK: Duration = Duration::from_millis(100);

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(180);

const RATE: f64 = 1_000.0;
const CLIENTS: usize = 2_000;
const WEIGHT: u16 = 500;

/// What is wrong with new.
#[derive(Clone, Copy)]
enum Fault {
    /// This share of requests fails, so many seconds after the rise.
    Fails { share: f64, after: u64 },
    /// One route alone fails.
    Checkout,
    /// Every answer takes so many times as long.
    Slower(f64),
    /// No request is answered.
    Hangs,
}

const FAULTS: [Fault; 6] = [
    Fault::Fails {
        share: 0.05,
        after: 1,
    },
    Fault::Fails {
        share: 0.05,
        after: 20,
    },
    Fault::Checkout,
    Fault::Fails {
        share: 1.0,
        after: 1,
    },
    Fault::Hangs,
    Fault::Slower(1.5),
];

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Fails { share, after } => {
                let share = page::percent(share);
                format!("{share} of answers are errors, {after} s after the rise")
            }
            Self::Checkout => "`/checkout` alone fails, 1 s after the rise".to_owned(),
            Self::Slower(times) => format!("answers take ×{times}, 5 s after the rise"),
            Self::Hangs => "new hangs, 1 s after the rise".to_owned(),
        }
    }

    fn delay(self, unit: Unit, seed: u64) -> Duration {
        let found = match self {
            Self::Fails { share, after } => failing(unit, share, after, false, seed),
            Self::Checkout => failing(unit, 1.0, 1, true, seed),
            Self::Slower(times) => slow(unit, 5, seed, |it| it.slower_on_new = times),
            Self::Hangs => slow(unit, 1, seed, |it| it.hanging = 1.0),
        };
        found.unwrap_or(PATIENCE)
    }
}

/// Until errors are noticed, by whichever test.
fn failing(unit: Unit, share: f64, after: u64, is_checkout: bool, seed: u64) -> Option<Duration> {
    let traffic = Traffic {
        unit,
        rate: RATE,
        clients: CLIENTS,
        errors: 0.001,
        mood: Mood::Calm,
    };
    let mut world = World::new(traffic, FALSE_ALARMS, seed);
    // Any client may buy something there.
    world.loyal = 0.0;
    // The rise comes at any time of an epoch.
    world.run(Duration::from_secs(5 + seed * 7 % 60), TICK);
    world.publish(WEIGHT);
    world.run(Duration::from_secs(after), TICK);
    world.fault = share;
    world.broken = is_checkout.then_some(CHECKOUT);
    let begun = world.passed;
    while world.passed < begun + PATIENCE {
        world.tick(TICK);
        let mut findings = world.evidence.findings();
        let by_route = findings.any(|it| it.route.is_some() && it.is_trip());
        if by_route || world.trips() {
            return Some(world.passed.saturating_sub(begun));
        }
    }
    None
}

/// Until what is slow is noticed, by whichever test, after ten seconds of A/A of requests and a minute of that of clients.
fn slow(unit: Unit, after: u64, seed: u64, begin: impl Fn(&mut Clients)) -> Option<Duration> {
    let population = Population {
        unit,
        rate: RATE,
        clients: CLIENTS,
        mood: Mood::Calm,
        likeness: Likeness::Unlike,
        // The environments' clients stay as they are.
        drift: 0.0,
        routes: 0,
    };
    let tolerance = EvidencePlan::DEFAULT.tolerated_latency;
    let mut clients = Clients::new(population, tolerance, FALSE_ALARMS, seed);
    let before = match unit {
        Unit::Request => 10,
        Unit::Slot => 60,
    };
    clients.run(Duration::from_secs(before + seed * 7 % 30), TICK);
    clients.publish(WEIGHT);
    clients.run(Duration::from_secs(after), TICK);
    begin(&mut clients);
    let begun = clients.passed;
    let tests = [Test::Latency, Test::Relative(Symptom::Slow)];
    while clients.passed < begun + PATIENCE {
        clients.tick(TICK);
        if tests.iter().any(|it| clients.finding(*it).is_trip()) {
            return Some(clients.passed.saturating_sub(begun));
        }
    }
    None
}

#[test]
fn what_the_real_binary_is_shown_is_noticed() {
    let mut table = String::from("| Drawn | fault of new | median | p95 |\n|---|---|--:|--:|\n");
    for unit in [Unit::Request, Unit::Slot] {
        for fault in FAULTS {
            let mut found = of_every_run((runs() / 10).max(20), |seed| fault.delay(unit, seed));
            found.sort_unstable();
            let shown = |it: Duration| match it {
                PATIENCE => "over 180 s".to_owned(),
                _ => format!("{:.1} s", it.as_secs_f64()),
            };
            let (median, late) = (page::quantile(&found, 0.5), page::quantile(&found, 0.95));
            let drawn = match unit {
                Unit::Request => "each request",
                Unit::Slot => "2,000 clients",
            };
            writeln!(
                table,
                "| {drawn} | {} | {} | {} |",
                fault.name(),
                shown(median),
                shown(late)
            )
            .expect("a text");
            assert!(median < PATIENCE, "{drawn}, {}", fault.name());
        }
    }
    println!("{table}");
    page::write("series", &table);
}

//! How soon the test of errors notices a new side that fails.

use std::{fmt::Write, time::Duration};

use changeover::evidence::{Symptom, Test, Unit};

use crate::{
    of_every_run, page, runs,
    world::{Mood, Traffic, World},
};

/// Four times 1e-3 for 24 h: the test of errors has a quarter of it.
const FALSE_ALARMS: u32 = 4_000;

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(400);

/// One fault, and how soon it should be noticed.
struct Case {
    unit: Unit,
    rate: f64,
    weight: u16,
    /// The share of requests that fail anyway, and on new since the fault.
    from: f64,
    to: f64,
    /// The median that the formulas alone give, in seconds.
    expected: f64,
}

const fn case(unit: Unit, rate: f64, weight: u16, from: f64, to: f64, expected: f64) -> Case {
    Case {
        unit,
        rate,
        weight,
        from,
        to,
        expected,
    }
}

const CASES: [Case; 9] = [
    case(Unit::Request, 1_000.0, 500, 0.001, 1.0, 0.2),
    case(Unit::Request, 1_000.0, 100, 0.001, 1.0, 0.5),
    case(Unit::Request, 100.0, 500, 0.001, 1.0, 1.2),
    case(Unit::Request, 1_000.0, 1_000, 0.001, 0.05, 2.2),
    case(Unit::Request, 1_000.0, 1_000, 0.001, 0.01, 16.0),
    case(Unit::Slot, 1_000.0, 500, 0.001, 1.0, 1.0),
    case(Unit::Slot, 1_000.0, 1_000, 0.001, 0.05, 5.0),
    case(Unit::Slot, 1_000.0, 5_000, 0.001, 0.05, 2.0),
    case(Unit::Slot, 1_000.0, 1_000, 0.001, 0.01, 49.0),
];

impl Case {
    const fn tick(&self) -> Duration {
        match self.unit {
            Unit::Request => Duration::from_millis(100),
            Unit::Slot => Duration::from_secs(1),
        }
    }

    /// From the fault to the trip; `None` if it never comes.
    fn delay(&self, seed: u64) -> Option<Duration> {
        let traffic = Traffic {
            unit: self.unit,
            rate: self.rate,
            clients: 2_000,
            errors: self.from,
            mood: Mood::Calm,
        };
        let mut world = World::new(traffic, FALSE_ALARMS, seed);
        world.publish(self.weight);
        // The rise is long past, and so is its share of the budget. The fault comes at any time of an epoch.
        let quiet = 40 + seed * 7 % 60;
        for _ in 0..quiet * 10 {
            world.tick(Duration::from_millis(100));
        }
        world.fault = self.to - self.from;
        let begun = world.passed;
        while world.passed < begun + PATIENCE {
            world.tick(self.tick());
            if world.finding(Test::Relative(Symptom::Error)).is_trip() {
                return Some(world.passed.saturating_sub(begun));
            }
        }
        None
    }
}

#[test]
fn a_fault_is_noticed_as_soon_as_the_formulas_say() {
    let mut table = String::from(
        "| Drawn | requests/s | weight | errors on new | median | expected | p95 |\n|---|--:|--:|---|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for case in &CASES {
        // The slowest cases take as long as all others together.
        let count = runs() / 4;
        let mut found = of_every_run(count, |seed| case.delay(seed).unwrap_or(PATIENCE));
        found.sort_unstable();
        let (median, late) = (page::quantile(&found, 0.5), page::quantile(&found, 0.95));
        let (median, late) = (median.as_secs_f64(), late.as_secs_f64());
        let unit = match case.unit {
            Unit::Request => "each request",
            Unit::Slot => "2,000 clients",
        };
        let (from, to) = (page::percent(case.from), page::percent(case.to));
        let weight = page::percent(f64::from(case.weight) / 10_000.0);
        writeln!(
            table,
            "| {unit} | {} | {weight} | {from} → {to} | {median:.1} s | {} s | {late:.1} s |",
            case.rate, case.expected
        )
        .expect("a text");
        // Within a fifth, a tick, and what the median of so many runs may be off by.
        let off = (median - case.expected).abs();
        let scatter = 1.25 * (late - median) / page::count(&found).sqrt();
        if off > 0.2 * case.expected + case.tick().as_secs_f64() + 2.0 * scatter {
            faults.push(format!("{unit} at {weight}, {from} to {to}: {median} s"));
        }
    }
    println!("{table}");
    page::write("delays", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

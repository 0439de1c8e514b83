//! How soon one broken route is noticed: by its own test, and by the test of all requests.

use std::{fmt::Write, time::Duration};

use changeover::evidence::{Symptom, Test, Unit};

use crate::{
    of_every_run, page, runs,
    world::{CHECKOUT, Mood, Traffic, World},
};

/// The default.
const FALSE_ALARMS: u32 = 1_000;

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(400);

/// The share of requests of the route that fail on new, and the median that its own test must not exceed, in seconds: what long
/// runs found, and half as much again for the scatter of short ones.
const CASES: [(Unit, f64, f64); 4] = [
    (Unit::Request, 1.0, 9.0),
    (Unit::Request, 0.2, 40.0),
    (Unit::Slot, 1.0, 35.0),
    (Unit::Slot, 0.2, 180.0),
];

/// How long the route's own test takes, and how long that of all requests.
fn delays(unit: Unit, fails: f64, seed: u64) -> [Duration; 2] {
    let traffic = Traffic {
        unit,
        rate: 1_000.0,
        clients: 20_000,
        errors: 0.001,
        mood: Mood::Calm,
    };
    let mut world = World::new(traffic, FALSE_ALARMS, seed);
    world.publish(500);
    for _ in 0..(40 + seed * 7 % 60) * 10 {
        world.tick(Duration::from_millis(100));
    }
    (world.fault, world.broken) = (fails, Some(CHECKOUT));
    let begun = world.passed;
    let (mut own, mut all) = (None, None);
    while world.passed < begun + PATIENCE && (own.is_none() || all.is_none()) {
        world.tick(Duration::from_millis(100));
        let passed = world.passed.saturating_sub(begun);
        let mut findings = world.evidence.findings();
        let is_own = |test: Test| {
            matches!(
                test,
                Test::Route {
                    route: CHECKOUT,
                    ..
                }
            )
        };
        if own.is_none() && findings.any(|it| is_own(it.test) && it.is_trip()) {
            own = Some(passed);
        }
        if all.is_none() && world.finding(Test::Relative(Symptom::Error)).is_trip() {
            all = Some(passed);
        }
    }
    [own, all].map(|it| it.unwrap_or(PATIENCE))
}

#[test]
fn one_broken_route_is_noticed_by_its_own_test_first() {
    let mut table = String::from(
        "| Drawn | errors of the route on new | by its own test: median | p95 | by that of all requests: median | p95 |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for (unit, fails, expected) in CASES {
        let found = of_every_run((runs() / 8).max(10), |seed| delays(unit, fails, seed));
        let name = match unit {
            Unit::Request => "each request",
            Unit::Slot => "20,000 clients",
        };
        write!(table, "| {name} | {} |", page::percent(fails)).expect("a text");
        let mut medians = Vec::new();
        for which in 0..2 {
            let mut one: Vec<Duration> = found.iter().map(|it| it[which]).collect();
            one.sort_unstable();
            let (median, late) = (page::quantile(&one, 0.5), page::quantile(&one, 0.95));
            let shown = |it: Duration| match it {
                PATIENCE => "over 400 s".to_owned(),
                _ => format!("{:.1} s", it.as_secs_f64()),
            };
            write!(table, " {} | {} |", shown(median), shown(late)).expect("a text");
            medians.push(median.as_secs_f64());
        }
        table.push('\n');
        if medians[0] > expected || medians[0] > medians[1] {
            faults.push(format!("{name}, {fails}: {medians:?} s"));
        }
    }
    println!("{table}");
    page::write("one-route", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

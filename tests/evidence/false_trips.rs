//! How often tests trip though new is no worse than old, looked at every tick.

use std::{fmt::Write, time::Duration};

use changeover::evidence::{Finding, Symptom, Test, Unit};

use crate::{
    of_every_run, page, runs,
    world::{Mood, Traffic, World},
};

/// The whole budget, so that a test that spends too much shows.
const FALSE_ALARMS: u32 = 1_000_000;

/// A ramp of a quarter of an hour: the weight, and the second at which it comes into force.
const RAMP: [(u64, u16); 6] = [
    (60, 100),
    (180, 500),
    (330, 2_500),
    (480, 5_000),
    (690, 9_500),
    (840, 10_000),
];

/// What five tests of routes have of the budget: a half less what is kept for those that are found later.
const ROUTES: f64 = 5.0 / 12.0;

const LENGTH: Duration = Duration::from_secs(900);

/// How the weight goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steering {
    /// By the clock.
    Clock,
    /// To the next step as soon as it is permitted, which regards the outcomes.
    Evidence,
}

/// What tripped in one run.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that tripped or did not"
)]
#[derive(Clone, Copy, Debug, Default)]
struct Trips {
    errors: bool,
    /// A test of a single route.
    routes: bool,
    /// The limit, where old is better by the draw: what would roll back as well.
    limit: bool,
}

fn run(traffic: Traffic, steering: Steering, seed: u64) -> Trips {
    let mut world = World::new(traffic, FALSE_ALARMS, seed);
    let mut trips = Trips::default();
    let mut steps = RAMP.into_iter().peekable();
    let mut since = Duration::ZERO;
    while world.passed < LENGTH {
        let is_due = steps.peek().is_some_and(|(second, _)| match steering {
            Steering::Clock => world.passed >= Duration::from_secs(*second),
            Steering::Evidence => {
                let has_baked = world.passed >= since + Duration::from_secs(60);
                let is_permitted = since.is_zero() || world.evidence.permit().is_given;
                has_baked && is_permitted && !world.evidence.findings().any(|it| it.is_doubt())
            }
        });
        if is_due && let Some((_, points)) = steps.next() {
            world.publish(points);
            since = world.passed;
        }
        world.tick(Duration::from_secs(1));
        let limit = world.finding(Test::ErrorLimit);
        let mut of_routes = world.evidence.findings();
        trips.routes |= of_routes.any(|it| it.route.is_some() && it.is_trip());
        trips.errors |= world.finding(Test::Relative(Symptom::Error)).is_trip();
        trips.limit |= limit.is_trip() && limit.is_old_better();
    }
    trips
}

/// What tests with this share of the budget are allowed in a run of this length, with all of the plan's rises.
fn bound(share: f64) -> f64 {
    share * (LENGTH.as_secs_f64() / (2.0 * 24.0 * 3600.0) + 0.5)
}

#[test]
fn tests_trip_falsely_no_more_often_than_their_budget_allows() {
    let mut table = String::from(
        "| What befalls the traffic | each request drawn | sticky clients | sticky, steps by evidence |\n|---|--:|--:|--:|\n",
    );
    let mut of_routes = table.clone();
    let mut faults = Vec::new();
    for mood in Mood::ALL {
        for table in [&mut table, &mut of_routes] {
            write!(table, "| {} |", mood.name()).expect("a text");
        }
        for (unit, steering) in [
            (Unit::Request, Steering::Clock),
            (Unit::Slot, Steering::Clock),
            (Unit::Slot, Steering::Evidence),
        ] {
            let traffic = Traffic {
                unit,
                rate: 40.0,
                clients: 1_000,
                errors: 0.01,
                mood,
            };
            let found = of_every_run(runs(), |seed| run(traffic, steering, seed));
            let share = |is: fn(&Trips) -> bool| page::share(&found, is);
            let (errors, limit) = (share(|it| it.errors), share(|it| it.limit));
            let routes = share(|it| it.routes);
            write!(table, " {} |", page::percent(errors)).expect("a text");
            write!(of_routes, " {} |", page::percent(routes)).expect("a text");
            let count = page::count(&found);
            let most = |bound: f64| bound + 3.0 * (bound * (1.0 - bound) / count).sqrt();
            let (one, all) = (most(bound(0.25)), most(bound(ROUTES)));
            if errors > one || limit > one || routes > all {
                faults.push(format!(
                    "{mood:?}, {unit:?}, {steering:?}: {errors} by errors and {limit} by the limit, at most {one}; \
                     {routes} by routes, at most {all}"
                ));
            }
        }
        table.push('\n');
        of_routes.push('\n');
    }
    println!("at most {}\n{table}", page::percent(bound(0.25)));
    println!("at most {}\n{of_routes}", page::percent(bound(ROUTES)));
    page::write("false-trips", &table);
    page::write("false-trips-of-routes", &of_routes);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let traffic = Traffic {
        unit: Unit::Slot,
        rate: 40.0,
        clients: 200,
        errors: 0.05,
        mood: Mood::Drift,
    };
    let last = |seed| {
        let mut world = World::new(traffic, FALSE_ALARMS, seed);
        world.publish(1_000);
        (0..30).for_each(|_| world.tick(Duration::from_secs(1)));
        world.evidence.findings().collect::<Vec<Finding>>()
    };
    assert_eq!(last(3), last(3));
    assert_ne!(last(3), last(4));
}

//! The test of latencies: how often it trips though new is no slower, and how soon it notices that new is.

pub(crate) mod clients;

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use changeover::{
    evidence::{Symptom, Test, Unit},
    plan::{EvidencePlan, LatencyTolerance},
    units::{Factor, PerSide, Side},
};

use crate::{of_every_run, page, runs, world::Mood};
use clients::{Clients, DRIFT, LITTLE_DRIFT, Likeness, Population};

/// Nothing slower is tolerated.
const EXACT: LatencyTolerance = LatencyTolerance {
    times: Factor::from_thousandths(1_000),
    plus: Duration::ZERO,
};

const TOLERANT: LatencyTolerance = EvidencePlan::DEFAULT.tolerated_latency;

/// What old answers before the first step.
const BEFORE: Duration = Duration::from_secs(600);

const TICK: Duration = Duration::from_secs(1);

/// A ramp of a quarter of an hour.
const RAMP: [(u64, u16); 5] = [
    (0, 100),
    (180, 500),
    (360, 2_500),
    (540, 5_000),
    (780, 9_500),
];
const LENGTH: Duration = Duration::from_secs(900);

/// How often the tests are looked at there.
const LOOK: Duration = Duration::from_secs(2);

const SLOW: Test = Test::Relative(Symptom::Slow);

/// What each test may spend here in a quarter of an hour, so that one that overspends would show.
const SHARE: f64 = 0.25;

/// What five tests of routes have of the budget, which is spent whole here.
const ROUTES: f64 = 5.0 / 12.0;

/// The sums of a test of means that is not made to be looked at again and again.
#[derive(Default)]
struct Means(PerSide<(f64, f64, f64)>);

impl Means {
    fn trip(&mut self, clients: &Clients) -> bool {
        for answer in &clients.answers {
            let ln = answer.latency.as_secs_f64().ln();
            let (count, sum, squares) = &mut self.0[answer.side];
            *count += 1.0;
            *sum += ln;
            *squares += ln * ln;
        }
        let of = |side: Side| {
            let (count, sum, squares) = self.0[side];
            let mean = sum / count;
            (count, mean, (squares / count - mean * mean) / count)
        };
        let ((_, old, old_variance), (new, mean, variance)) = (of(Side::Old), of(Side::New));
        new >= 50.0 && (mean - old) / (old_variance + variance).sqrt() > 1.645
    }
}

/// What trips in a run: tests by their names, and the rival.
fn run(population: Population, seed: u64) -> BTreeSet<&'static str> {
    let mut clients = Clients::new(population, EXACT, 1_000_000, seed);
    clients.run(BEFORE / 2, LOOK);
    let begun = clients.passed;
    let mut steps = RAMP.into_iter().peekable();
    let mut means = Means::default();
    let mut trips = BTreeSet::new();
    while clients.passed < begun + LENGTH {
        let is_due =
            |(second, _): &(u64, u16)| clients.passed >= begun + Duration::from_secs(*second);
        if let Some((_, points)) = steps.next_if(is_due) {
            clients.publish(points);
        }
        clients.tick(LOOK);
        let latency = match population.unit {
            Unit::Request => -SHARE.ln(),
            // A window's share of the day is a smaller one of a quarter of an hour.
            Unit::Slot => -SHARE.ln() - (24.0_f64 * 4.0).ln(),
        };
        for (name, is_trip) in [
            ("latency", clients.margin(Test::Latency) >= latency),
            ("slow", clients.margin(SLOW) >= -SHARE.ln()),
            ("rival", means.trip(&clients)),
        ] {
            if is_trip {
                trips.insert(name);
            }
        }
        if clients.trips_by_route() {
            trips.insert("routes");
        }
    }
    trips
}

#[test]
fn latencies_trip_falsely_no_more_often_than_their_budget_allows() {
    let mut table = String::from(
        "| What befalls the traffic | latency, each request drawn | slow, each request drawn | latency, sticky clients \
         | slow, sticky clients | z-test of sticky clients at 5 % |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let mut of_routes = String::from(
        "| What befalls the traffic | each request drawn | sticky clients |\n|---|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for mood in Mood::ALL {
        for table in [&mut table, &mut of_routes] {
            write!(table, "| {} |", mood.name_of_latency()).expect("a text");
        }
        for (unit, most) in [(Unit::Request, SHARE * 0.51), (Unit::Slot, SHARE)] {
            let population = Population {
                unit,
                rate: 15.0,
                clients: 200,
                mood,
                likeness: Likeness::Unlike,
                drift: DRIFT,
                routes: 5,
            };
            let found = of_every_run(runs(), |seed| run(population, seed));
            for (what, most) in [
                ("latency", most),
                ("slow", SHARE * 0.51),
                ("routes", ROUTES * 0.51),
            ] {
                let trips = page::share(&found, |it| it.contains(what));
                let table = if what == "routes" {
                    &mut of_routes
                } else {
                    &mut table
                };
                write!(table, " {} |", page::percent(trips)).expect("a text");
                let scatter = (most * (1.0 - most) / page::count(&found)).sqrt();
                if trips > most + 3.0 * scatter {
                    faults.push(format!(
                        "{mood:?}, {unit:?}, {what}: {trips}, at most {most}"
                    ));
                }
            }
            if unit == Unit::Slot {
                let rival = page::share(&found, |it| it.contains("rival"));
                writeln!(table, " {} |", page::percent(rival)).expect("a text");
                // Else the traffic would be no trial.
                let is_trial = rival > 0.2 || mood == Mood::BetterNew;
                assert!(is_trial, "{mood:?}: {rival}");
            }
        }
        of_routes.push('\n');
    }
    println!("{table}\n{of_routes}");
    page::write("latency-false-trips", &table);
    page::write("latency-false-trips-of-routes", &of_routes);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What trips in five minutes in which processes stand still now and then, which nobody did before the first step.
fn run_with_pauses(unit: Unit, likeness: Likeness, seed: u64) -> BTreeSet<&'static str> {
    let population = Population {
        unit,
        rate: 400.0,
        clients: 2_000,
        mood: Mood::Calm,
        likeness,
        drift: DRIFT,
        routes: 5,
    };
    let mut clients = Clients::new(population, TOLERANT, 1_000, seed);
    clients.run(BEFORE / 2, LOOK);
    clients.pause(seed);
    let mut trips = BTreeSet::new();
    for points in [500, 2_500, 5_000] {
        clients.publish(points);
        let until = clients.passed + Duration::from_secs(100);
        while clients.passed < until {
            clients.tick(Duration::from_millis(100));
            for (name, test) in [("latency", Test::Latency), ("slow", SLOW)] {
                if clients.finding(test).is_trip() {
                    trips.insert(name);
                }
            }
            if clients.trips_by_route() {
                trips.insert("routes");
            }
        }
    }
    trips
}

/// A pause of new alone is slower than is tolerated, so that no formula bounds this: it is what steps are for. Without
/// them nine runs of ten trip.
#[test]
fn pauses_of_single_processes_seldom_trip() {
    let mut table = String::from(
        "| Drawn | requests that are always slow | latency | slow | slow, of a route |\n|---|---|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for (unit, drawn) in [
        (Unit::Request, "each request"),
        (Unit::Slot, "sticky clients"),
    ] {
        for (likeness, slow) in [
            (Likeness::Unlike, "three in a hundred"),
            (Likeness::Alike, "none"),
        ] {
            let found = of_every_run(runs() / 8, |seed| run_with_pauses(unit, likeness, seed));
            write!(table, "| {drawn} | {slow} |").expect("a text");
            for (what, most) in [("latency", 0.05), ("slow", 0.1), ("routes", 0.05)] {
                let trips = page::share(&found, |it| it.contains(what));
                write!(table, " {} |", page::percent(trips)).expect("a text");
                let scatter = (most * (1.0 - most) / page::count(&found)).sqrt();
                if trips > most + 3.0 * scatter {
                    faults.push(format!("{unit:?}, {likeness:?}, {what}: {trips}"));
                }
            }
            table.push('\n');
        }
    }
    println!("{table}");
    page::write("pauses", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with new.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Every answer takes so many times as long.
    Slower(f64),
    /// This share of requests takes eight times as long.
    Drags(f64),
    /// This share of requests gets no answer.
    Hangs(f64),
}

/// One slowdown, and how soon it should be noticed.
struct Case {
    unit: Unit,
    clients: usize,
    weight: u16,
    fault: Fault,
    tolerance: LatencyTolerance,
    /// The median that the formulas alone give, in seconds.
    expected: f64,
}

const fn case(
    (unit, clients): (Unit, usize),
    weight: u16,
    fault: Fault,
    tolerance: LatencyTolerance,
    expected: f64,
) -> Case {
    Case {
        unit,
        clients,
        weight,
        fault,
        tolerance,
        expected,
    }
}

const DRAWN: (Unit, usize) = (Unit::Request, 2_000);
const FEW: (Unit, usize) = (Unit::Slot, 2_000);
const MANY: (Unit, usize) = (Unit::Slot, 20_000);

const CASES: [Case; 12] = [
    case(DRAWN, 1_000, Fault::Slower(1.5), EXACT, 6.0),
    case(DRAWN, 1_000, Fault::Slower(1.5), TOLERANT, 14.0),
    case(DRAWN, 100, Fault::Slower(1.5), EXACT, 40.0),
    case(FEW, 500, Fault::Slower(1.5), EXACT, 13.0),
    case(FEW, 500, Fault::Slower(1.5), TOLERANT, 53.0),
    case(FEW, 5_000, Fault::Slower(1.5), TOLERANT, 13.0),
    case(FEW, 500, Fault::Slower(2.0), TOLERANT, 13.0),
    case(FEW, 100, Fault::Slower(3.0), EXACT, 23.0),
    case(FEW, 1_000, Fault::Slower(1.2), EXACT, 53.0),
    case(MANY, 1_000, Fault::Drags(0.03), TOLERANT, 37.0),
    case(FEW, 1_000, Fault::Drags(0.03), TOLERANT, 85.0),
    case(FEW, 500, Fault::Hangs(0.5), TOLERANT, 2.0),
];

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(420);

impl Case {
    fn delay(&self, seed: u64) -> Option<Duration> {
        let population = Population {
            unit: self.unit,
            rate: 400.0,
            clients: self.clients,
            mood: Mood::Calm,
            likeness: self.fault.likeness(),
            drift: LITTLE_DRIFT,
            routes: 0,
        };
        // 1e-3 a day for all tests together.
        let mut clients = Clients::new(population, self.tolerance, 1_000, seed);
        clients.run(BEFORE, TICK);
        clients.publish(self.weight);
        // The rise is long past. Windows of 10 s end 3 and 13 s later, those of 30 s 23 and 53 s, those of two minutes 53 and 173 s:
        // the moment for which the delays of sticky clients are expected.
        clients.run(Duration::from_secs(67), TICK);
        match self.fault {
            Fault::Slower(times) => clients.slower_on_new = times,
            Fault::Drags(share) => clients.dragging = share,
            Fault::Hangs(share) => clients.hanging = share,
        }
        let begun = clients.passed;
        // Steps and marks are shorter than a second; windows are not.
        let tick = match (self.unit, self.fault) {
            (Unit::Request, _) | (Unit::Slot, Fault::Hangs(_)) => Duration::from_millis(200),
            (Unit::Slot, Fault::Slower(_) | Fault::Drags(_)) => TICK,
        };
        while clients.passed < begun + PATIENCE {
            clients.tick(tick);
            if clients.finding(self.fault.test()).is_trip() {
                return Some(clients.passed.saturating_sub(begun));
            }
        }
        None
    }
}

impl Fault {
    const fn test(self) -> Test {
        match self {
            Self::Slower(_) => Test::Latency,
            Self::Drags(_) | Self::Hangs(_) => SLOW,
        }
    }

    /// What was expected of slow requests is of clients that are alike: where some are slow anyway, the limit is far off.
    const fn likeness(self) -> Likeness {
        match self {
            Self::Slower(_) => Likeness::Unlike,
            Self::Drags(_) | Self::Hangs(_) => Likeness::Alike,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Slower(times) => format!("all ×{times}"),
            Self::Drags(share) => format!("{} ×8", page::percent(share)),
            Self::Hangs(share) => format!("{} hang", page::percent(share)),
        }
    }
}

#[test]
fn a_slower_new_side_is_noticed_as_soon_as_the_formulas_say() {
    let mut table = String::from(
        "| Drawn | weight | on new | tolerated | noticed by | median | expected | p95 |\n|---|--:|---|---|---|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for case in &CASES {
        let mut found = of_every_run(runs() / 10, |seed| case.delay(seed).unwrap_or(PATIENCE));
        found.sort_unstable();
        let (median, late) = (page::quantile(&found, 0.5), page::quantile(&found, 0.95));
        let (median, late) = (median.as_secs_f64(), late.as_secs_f64());
        let (unit, expected, fault) = (case.unit, case.expected, case.fault);
        let drawn = match unit {
            Unit::Request => "each request".to_owned(),
            Unit::Slot => format!("{},000 clients", case.clients / 1_000),
        };
        let drawn = match fault.likeness() {
            Likeness::Unlike => drawn,
            Likeness::Alike => format!("{drawn}, alike"),
        };
        let (what, test) = (fault.name(), fault.test());
        let tolerated = match case.tolerance == EXACT {
            true => "nothing",
            false => "1.1x + 5ms",
        };
        let weight = page::percent(f64::from(case.weight) / 10_000.0);
        writeln!(
            table,
            "| {drawn} | {weight} | {what} | {tolerated} | `{test}` | {median:.1} s | {expected} s | {late:.1} s |"
        )
        .expect("a text");
        let scatter = 1.25 * (late - median) / page::count(&found).sqrt();
        let tick = match (unit, fault) {
            (Unit::Request, _) => 0.2,
            // Windows end every ten seconds, and that is where medians lie.
            (Unit::Slot, Fault::Slower(_)) => 5.0,
            (Unit::Slot, Fault::Drags(_) | Fault::Hangs(_)) => 1.0,
        };
        let (late, soon) = (median - expected, expected - median);
        let room = tick + 2.0 * scatter;
        // What is noticed much sooner than was expected would have to be explained as well.
        if late > 0.2 * expected + room || soon > 0.4 * expected + room {
            faults.push(format!("{drawn} at {weight}, {what}: {median} s"));
        }
    }
    println!("{table}");
    page::write("latency-delays", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

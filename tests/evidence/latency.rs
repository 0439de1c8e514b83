//! The test of latencies: how often it trips though new is no slower, and how soon it notices that new is.

mod clients;

use std::{fmt::Write, time::Duration};

use changeover::{
    evidence::Unit,
    plan::{EvidencePlan, LatencyTolerance},
    units::{Factor, PerSide, Side},
};

use crate::{of_every_run, page, runs, world::Mood};
use clients::{Clients, Population};

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

/// What each test may spend here in a quarter of an hour, so that one that overspends would show.
const SHARE: f64 = 0.25;

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

/// Whether the test trips in a run, and whether the rival does.
fn run(population: Population, seed: u64) -> (bool, bool) {
    let mut clients = Clients::new(population, EXACT, 1_000_000, seed);
    clients.run(BEFORE / 2, LOOK);
    let begun = clients.passed;
    let mut steps = RAMP.into_iter().peekable();
    let mut means = Means::default();
    let (mut trips, mut rival) = (false, false);
    while clients.passed < begun + LENGTH {
        let is_due =
            |(second, _): &(u64, u16)| clients.passed >= begun + Duration::from_secs(*second);
        if let Some((_, points)) = steps.next_if(is_due) {
            clients.publish(points);
        }
        clients.tick(LOOK);
        rival |= means.trip(&clients);
        trips |= match population.unit {
            Unit::Request => clients.margin() >= -SHARE.ln(),
            // A window's share of the day is a smaller one of a quarter of an hour.
            Unit::Slot => clients.margin() >= -SHARE.ln() - (24.0_f64 * 4.0).ln(),
        };
    }
    (trips, rival)
}

#[test]
fn latencies_trip_falsely_no_more_often_than_their_budget_allows() {
    let mut table = String::from(
        "| What befalls the traffic | each request drawn | sticky clients | z-test of sticky clients at 5 % |\n|---|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for mood in Mood::ALL {
        write!(table, "| {} |", mood.name_of_latency()).expect("a text");
        for (unit, most) in [(Unit::Request, SHARE * 0.51), (Unit::Slot, SHARE)] {
            let population = Population {
                unit,
                rate: 15.0,
                clients: 200,
                mood,
            };
            let found = of_every_run(runs(), |seed| run(population, seed));
            let trips = page::share(&found, |it| it.0);
            write!(table, " {} |", page::percent(trips)).expect("a text");
            let scatter = (most * (1.0 - most) / page::count(&found)).sqrt();
            if trips > most + 3.0 * scatter {
                faults.push(format!("{mood:?}, {unit:?}: {trips}, at most {most}"));
            }
            if unit == Unit::Slot {
                let rival = page::share(&found, |it| it.1);
                writeln!(table, " {} |", page::percent(rival)).expect("a text");
                // Else the traffic would be no trial.
                let is_trial = rival > 0.2 || mood == Mood::BetterNew;
                assert!(is_trial, "{mood:?}: {rival}");
            }
        }
    }
    println!("{table}");
    page::write("latency-false-trips", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// One slowdown, and how soon it should be noticed.
struct Case {
    unit: Unit,
    weight: u16,
    slower: f64,
    tolerance: LatencyTolerance,
    /// The median that the formulas alone give, in seconds.
    expected: f64,
}

const fn case(
    unit: Unit,
    weight: u16,
    slower: f64,
    tolerance: LatencyTolerance,
    expected: f64,
) -> Case {
    Case {
        unit,
        weight,
        slower,
        tolerance,
        expected,
    }
}

const CASES: [Case; 9] = [
    case(Unit::Request, 1_000, 1.5, EXACT, 6.0),
    case(Unit::Request, 1_000, 1.5, TOLERANT, 14.0),
    case(Unit::Request, 100, 1.5, EXACT, 40.0),
    case(Unit::Slot, 500, 1.5, EXACT, 13.0),
    case(Unit::Slot, 500, 1.5, TOLERANT, 53.0),
    case(Unit::Slot, 5_000, 1.5, TOLERANT, 13.0),
    case(Unit::Slot, 500, 2.0, TOLERANT, 13.0),
    case(Unit::Slot, 100, 3.0, EXACT, 23.0),
    case(Unit::Slot, 1_000, 1.2, EXACT, 53.0),
];

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(420);

impl Case {
    fn delay(&self, seed: u64) -> Option<Duration> {
        let population = Population {
            unit: self.unit,
            rate: 400.0,
            clients: 2_000,
            mood: Mood::Calm,
        };
        // 1e-3 a day for all tests together.
        let mut clients = Clients::new(population, self.tolerance, 1_000, seed);
        clients.run(BEFORE, TICK);
        clients.publish(self.weight);
        // The rise is long past, and the fault comes at any time of a window.
        clients.run(Duration::from_secs(20 + seed * 7 % 30), TICK);
        clients.slower_on_new = self.slower;
        let begun = clients.passed;
        let tick = match self.unit {
            Unit::Request => Duration::from_millis(200),
            Unit::Slot => TICK,
        };
        while clients.passed < begun + PATIENCE {
            clients.tick(tick);
            if clients.finding().is_trip() {
                return Some(clients.passed.saturating_sub(begun));
            }
        }
        None
    }
}

#[test]
fn a_slower_new_side_is_noticed_as_soon_as_the_formulas_say() {
    let mut table = String::from(
        "| Drawn | weight | new slower by | tolerated | median | expected | p95 |\n|---|--:|--:|---|--:|--:|--:|\n",
    );
    let mut faults = Vec::new();
    for case in &CASES {
        let mut found = of_every_run(runs() / 10, |seed| case.delay(seed).unwrap_or(PATIENCE));
        found.sort_unstable();
        let (median, late) = (page::quantile(&found, 0.5), page::quantile(&found, 0.95));
        let (median, late) = (median.as_secs_f64(), late.as_secs_f64());
        let (unit, expected, slower) = (case.unit, case.expected, case.slower);
        let drawn = match unit {
            Unit::Request => "each request",
            Unit::Slot => "2,000 clients",
        };
        let tolerated = match case.tolerance == EXACT {
            true => "nothing",
            false => "1.1x + 5ms",
        };
        let weight = page::percent(f64::from(case.weight) / 10_000.0);
        writeln!(
            table,
            "| {drawn} | {weight} | ×{slower} | {tolerated} | {median:.1} s | {expected} s | {late:.1} s |"
        )
        .expect("a text");
        let scatter = 1.25 * (late - median) / page::count(&found).sqrt();
        let tick = match unit {
            Unit::Request => 0.2,
            // Windows end every ten seconds, and that is where medians lie.
            Unit::Slot => 5.0,
        };
        if (median - expected).abs() > 0.2 * expected + tick + 2.0 * scatter {
            faults.push(format!("{drawn} at {weight}, ×{slower}: {median} s"));
        }
    }
    println!("{table}");
    page::write("latency-delays", &table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

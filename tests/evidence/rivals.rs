//! The same traffic, shown to a threshold over a window and to a test that is not made to be looked at every second.

use std::{collections::VecDeque, fmt::Write, time::Duration};

use changeover::{evidence::Unit, units::PerSide};

use crate::{
    of_every_run,
    page::{self, Line},
    runs,
    world::{Mood, Traffic, World},
};

/// The budget that a plan has by itself.
const FALSE_ALARMS: u32 = 1_000;

const TICK: Duration = Duration::from_secs(1);

/// As long as a healthy new side is watched.
const HEALTHY: Duration = Duration::from_secs(3600);

/// As long as a fault is waited for, which comes after a while without.
const FAULTY: Duration = Duration::from_secs(120);
const QUIET: Duration = Duration::from_secs(130);

const TRAFFIC: Traffic = Traffic {
    unit: Unit::Slot,
    rate: 100.0,
    clients: 2_000,
    errors: 0.001,
    mood: Mood::Calm,
};

const NAMES: [&str; 3] = [
    "evidence, one false trip in a thousand days",
    "over 2% in 10 s, of at least 50 requests",
    "z-test at 5%, looked at every second",
];

/// Requests and errors.
type Counts = (f64, f64);

/// What the rivals remember.
#[derive(Default)]
struct Rivals {
    window: VecDeque<Counts>,
    all: PerSide<Counts>,
}

impl Rivals {
    /// Whether the threshold, and the z-test, trip after these counts.
    fn trip(&mut self, counts: PerSide<Counts>) -> [bool; 2] {
        self.window.push_back(counts.new);
        if self.window.len() > 10 {
            self.window.pop_front();
        }
        let add = |(n, e): Counts, (more, errors): Counts| (n + more, e + errors);
        let (requests, errors) = self.window.iter().copied().fold((0.0, 0.0), add);
        self.all.old = add(self.all.old, counts.old);
        self.all.new = add(self.all.new, counts.new);
        let is_over = requests >= 50.0 && errors / requests > 0.02;
        [is_over, z(self.all) > 1.645]
    }
}

/// The difference of two shares in standard errors, as textbooks have it for one look.
fn z(both: PerSide<Counts>) -> f64 {
    let ((old, old_errors), (new, new_errors)) = (both.old, both.new);
    let pooled = (old_errors + new_errors) / (old + new);
    let variance = pooled * (1.0 - pooled) * (1.0 / old + 1.0 / new);
    if new < 50.0 || variance <= 0.0 {
        return 0.0;
    }
    (new_errors / new - old_errors / old) / variance.sqrt()
}

/// When each of the three trips first; a fault comes after `quiet`.
fn run(seed: u64, quiet: Duration, length: Duration, fault: f64) -> [Option<Duration>; 3] {
    let mut world = World::new(TRAFFIC, FALSE_ALARMS, seed);
    let mut rivals = Rivals::default();
    let mut found = [None; 3];
    world.publish(1_000);
    while world.passed < quiet + length {
        if world.passed >= quiet {
            world.fault = fault;
        }
        world.tick(TICK);
        let evidence = world.trips();
        let [threshold, z] = rivals.trip(world.counts());
        // A trip before the fault would be a false one, and is none of this question.
        let after = world.passed.checked_sub(quiet);
        for (found, is_trip) in found.iter_mut().zip([evidence, threshold, z]) {
            if let Some(after) = after.filter(|it| is_trip && !it.is_zero()) {
                found.get_or_insert(after);
            }
        }
    }
    found
}

/// How many of the runs had tripped by each moment.
fn line(name: &str, found: &[Option<Duration>], length: Duration) -> Line {
    let mut times: Vec<f64> = found.iter().flatten().map(Duration::as_secs_f64).collect();
    times.sort_unstable_by(f64::total_cmp);
    let mut points = vec![(0.0, 0.0)];
    let mut share = 0.0;
    // Many trip at the same second, which is one step of the line.
    for same in times.chunk_by(|one, other| one.total_cmp(other).is_eq()) {
        points.push((same[0], share));
        share += page::count(same) / page::count(found);
        points.push((same[0], share));
    }
    points.push((length.as_secs_f64(), share));
    Line {
        name: name.to_owned(),
        points,
    }
}

#[test]
fn what_reacts_as_fast_trips_far_more_often_without_cause() {
    let count = runs();
    let healthy = of_every_run(count, |seed| run(seed, Duration::ZERO, HEALTHY, 0.0));
    let faulty = of_every_run(count, |seed| run(seed, QUIET, FAULTY, 0.05));
    let mut table = String::from(
        "| Judged by | false trips in an hour | a fault found, median | within 120 s |\n|---|--:|--:|--:|\n",
    );
    let (mut false_trips, mut missed) = ([0.0; 3], [0.0; 3]);
    let mut lines = (Vec::new(), Vec::new());
    for (index, name) in NAMES.iter().enumerate() {
        let falsely: Vec<_> = healthy.iter().map(|it| it[index]).collect();
        let delays: Vec<_> = faulty.iter().map(|it| it[index]).collect();
        false_trips[index] = page::share(&falsely, Option::is_some);
        missed[index] = page::share(&delays, Option::is_none);
        let mut sorted: Vec<Duration> = delays.iter().map(|it| it.unwrap_or(FAULTY)).collect();
        sorted.sort_unstable();
        let median = page::quantile(&sorted, 0.5).as_secs_f64();
        writeln!(
            table,
            "| {name} | {} | {median:.0} s | {} |",
            page::percent(false_trips[index]),
            page::percent(1.0 - missed[index])
        )
        .expect("a text");
        lines.0.push(line(name, &falsely, HEALTHY));
        lines.1.push(line(name, &delays, FAULTY));
    }
    println!("{table}");
    page::write("rivals", &table);
    page::plot(
        "false-trips",
        "A healthy new side: share of runs that have tripped, by second",
        &lines.0,
    );
    page::plot(
        "delays",
        "New fails 5% of its requests: share of runs that have tripped, by second",
        &lines.1,
    );
    let [evidence, threshold, z] = false_trips;
    // A day's budget is 0.1 %, of which an hour with one rise has the smaller part.
    assert!(evidence <= 0.01, "{evidence}");
    assert!(threshold > 0.05, "{threshold}");
    assert!(z > 0.2, "{z}");
    assert!(missed[0] <= 0.02, "{}", missed[0]);
}

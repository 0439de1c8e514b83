//! The simulated world: the shipped `decide`, over the shipped windows and assignment, under virtual time.
//!
//! Every rule that always holds is checked after every decision, whatever befalls the world: see `checker`. A
//! seed gives the same world each time, and a broken rule names the seed and the step.
//!
//! ```text
//! SIM_SEED=17 cargo test --test sim                   one seed
//! SIM_SEEDS=100000 cargo test --release --test sim    a longer run
//! SIM_BLESS=1 cargo test --test sim scenarios         write the scenarios' transcripts anew
//! ```

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by a panic what went wrong"
)]

mod chaos;
mod checker;
mod disk;
mod environment;
mod kills;
mod lag;
mod mutants;
mod plans;
mod process;
mod scenario;
mod traffic;
mod transcript;
mod world;

use std::{
    collections::BTreeMap,
    env,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use changeover::{clock, cutover::decide, plan::Plan};

/// Seeds of the ordinary tests.
const SEEDS: u64 = 480;

/// Steps of 100 ms that each seed is run for.
const STEPS: u32 = 1_000;

/// The plan that random ones are made from.
const BASE: &str = include_str!("scenarios/plan.toml");

#[test]
fn every_rule_holds_whatever_befalls_the_world() {
    let number = |name| env::var(name).ok().map(|it| it.parse().expect("a number"));
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let base = plans::parse(BASE);
    let next = AtomicU64::new(seeds.start);
    let runs: Vec<Run> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let work = || run_seeds(&base, &next, &seeds);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers
            .into_iter()
            .map(|it| it.join().expect("panics are caught"));
        joined.flatten().collect()
    });
    let faults: Vec<&str> = runs
        .iter()
        .filter_map(|it| it.as_ref().err())
        .map(String::as_str)
        .collect();
    let shown = faults
        .iter()
        .take(10)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        faults.is_empty(),
        "{} seeds broke a rule:\n{shown}",
        faults.len()
    );
    if seeds.end - seeds.start >= SEEDS {
        are_eventful(runs.iter().flatten());
    }
}

/// A run of millions of decisions is only made where they take next to no time.
#[test]
fn a_second_has_thousands_of_steps() {
    const WORLDS: u64 = 8;
    let base = plans::parse(BASE);
    // What else the machine does only ever slows a world down, so the fastest of them says what it takes.
    let rates = (0..WORLDS).map(|seed| {
        let begun = clock::now();
        let run = chaos::run(seed, &base, decide, STEPS);
        run.unwrap_or_else(|violation| panic!("SIM_SEED={seed}: {violation}"));
        f64::from(STEPS) / (clock::now() - begun).as_secs_f64()
    });
    let fastest = rates.fold(0.0, f64::max);
    println!("{fastest:.0} steps per second");
    assert!(fastest >= 2_000.0, "{fastest:.0} steps per second");
}

/// The kinds of changes that a world saw, or the rule that it broke.
type Run = Result<BTreeMap<&'static str, u32>, String>;

fn run_seeds(base: &Plan, next: &AtomicU64, seeds: &Range<u64>) -> Vec<Run> {
    let mut runs = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return runs;
        }
        let run = catch_unwind(AssertUnwindSafe(|| chaos::run(seed, base, decide, STEPS)));
        runs.push(match run {
            Ok(Ok(world)) => Ok(world.changes()),
            Ok(Err(violation)) => Err(format!("SIM_SEED={seed}: {violation}")),
            Err(_panic) => Err(format!("SIM_SEED={seed}: a panic, shown above")),
        });
    }
}

/// A world in which nothing happens checks nothing: every kind of change is seen often.
fn are_eventful<'a>(worlds: impl Iterator<Item = &'a BTreeMap<&'static str, u32>>) {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for (kind, count) in worlds.flatten() {
        *seen.entry(kind).or_default() += count;
    }
    for kind in [
        "started",
        "advanced",
        "completed",
        "way_back_closed",
        "resumed",
        "weight_set",
        "held by an operator",
        "held by a changed plan",
        "held by both sides",
        "held by evidence",
        "rolled back by a trigger",
        "rolled back by evidence",
        "rolled back by an operator",
        "overtaken",
        "killed",
        "reloaded",
        "upgraded",
        "reloaded in all",
        "gate_satisfied",
        "gate_broken",
        "rolled back by a lag",
        "kept from going on by a lag",
        "recovered from the marker",
        "drill_started",
    ] {
        let count = seen.get(kind).copied().unwrap_or(0);
        assert!(count >= 5, "{kind} was seen {count} times: {seen:?}");
    }
}

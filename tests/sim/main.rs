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

mod chaos;
mod checker;
mod disk;
mod environment;
mod kills;
mod mutants;
mod plans;
mod process;
mod scenario;
mod traffic;
mod transcript;
mod world;

use std::{
    env,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use changeover::{cutover::decide, plan::Plan};

/// Seeds of the ordinary tests.
const SEEDS: u64 = 256;

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
    let mut faults: Vec<String> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let work = || run_seeds(&base, &next, &seeds);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|it| it.join().expect("panics are caught"));
        joined.flatten().collect()
    });
    faults.sort();
    let shown = faults.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} seeds broke a rule:\n{shown}", faults.len());
}

fn run_seeds(base: &Plan, next: &AtomicU64, seeds: &Range<u64>) -> Vec<String> {
    let mut faults = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return faults;
        }
        let run = catch_unwind(AssertUnwindSafe(|| chaos::run(seed, base, decide, STEPS)));
        match run {
            Ok(Ok(_world)) => (),
            Ok(Err(violation)) => faults.push(format!("SIM_SEED={seed}: {violation}")),
            Err(_panic) => faults.push(format!("SIM_SEED={seed}: a panic, shown above")),
        }
    }
}

//! Proof by simulation: how often the tests trip falsely, and how soon they notice.
//!
//! ```text
//! cargo test --test evidence                                              200 runs of each kind, with their bounds
//! EVIDENCE_RUNS=2000 EVIDENCE_WRITE=1 cargo test --test evidence          more of them, and docs/evidence.md from it
//! ```
//!
//! The same numbers come of the same seeds. What is written are the tables of `docs/evidence.md`, between their marks,
//! and its plots.

mod cost;
mod delays;
mod false_trips;
mod latency;
mod page;
mod rivals;
mod routes;
mod series;
mod world;

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Runs of each kind in the ordinary tests.
const RUNS: u64 = 200;

/// How many runs there are of each kind.
fn runs() -> u64 {
    let asked = env::var("EVIDENCE_RUNS").ok();
    asked.map_or(RUNS, |it| it.parse().expect("EVIDENCE_RUNS is a number"))
}

/// What every run gives, by its seed, on all cores.
fn of_every_run<T: Send>(count: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return found;
            }
            found.push((seed, run(seed)));
        }
    };
    let mut found = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter();
        let joined = joined.flat_map(|it| it.join().expect("no run panics"));
        joined.collect::<Vec<_>>()
    });
    found.sort_unstable_by_key(|(seed, _)| *seed);
    found.into_iter().map(|(_, it)| it).collect()
}

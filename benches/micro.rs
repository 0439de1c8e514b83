//! What each stage of a request costs, and each turn of the control loop: time, and allocations where there are any.
//!
//! ```sh
//! cargo bench --bench micro                 # all of it, in about a minute
//! cargo bench --bench micro -- measure      # those whose path holds that word
//! ```
//!
//! Each number that is no count is named by its unit. On a busy machine the column `fastest` is the one to compare.

#[path = "micro/decide.rs"]
mod decide;
#[path = "micro/heads.rs"]
mod heads;
#[path = "micro/measure.rs"]
mod measure;
#[path = "micro/pool.rs"]
mod pool;
#[path = "micro/split.rs"]
mod split;
#[path = "micro/world.rs"]
mod world;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

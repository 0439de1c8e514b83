//! `changeover demo`: the whole job on loopback, with nothing played.
//!
//! Two small environments answer on loopback, a client sends a few hundred requests a second through the same
//! parts that `serve` is built from, the ramp runs in seconds, and in three of four scenarios the new side
//! goes bad on the way. The demo breaks the new side and then only watches: what takes the traffic back is a
//! trigger of the plan, and the journal's cause is the proof.

mod client;
mod environment;
mod plan;
mod run;
mod scenario;
mod story;
mod summary;

pub use run::{DemoError, Options, run};
pub use scenario::Scenario;
pub use summary::{Summary, Verdict};

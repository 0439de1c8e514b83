//! `changeover demo`: the whole job on loopback, with nothing played.
//!
//! Two small environments and a name server answer on loopback, clients look the service's name up and send a few hundred
//! requests a second through the same parts that `serve` is built from, the ramp runs in seconds, and in all scenarios but one
//! the new side goes bad. The demo breaks the new side and then only watches: what takes the traffic back is a
//! trigger of the plan, and the journal's cause is the proof. Names move by the plan as well, once the shift is complete.

mod client;
mod environment;
mod name_server;
mod names;
mod places;
mod plan;
mod resolver;
mod run;
mod scenario;
mod story;
mod summary;
mod zone;

pub use names::Traffic;
pub use run::{DemoError, Options, run};
pub use scenario::Scenario;
pub use summary::{Summary, Verdict};

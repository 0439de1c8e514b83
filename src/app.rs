//! The only place where things are wired: from a plan to a running program, and to its end.
//!
//! ```text
//! recover ──▶ Store ──▶ State, Clock, Publication      what the journal says is in force before anybody connects
//!    start ──▶ store thread, control thread, workers, admin thread
//!    serve ──▶ start, say where, wait for a signal, drain
//! handover ──▶ from one process to the next
//! ```
//!
//! Every thread has a name and an owner that joins it: the control loop the store's, [`Running`] the others.

mod activation;
mod admin_thread;
mod error;
mod handover;
mod names;
mod order;
mod recover;
mod reload;
mod serve;
mod set_up;
mod start;
mod supervisor;
mod upgrade;

pub use error::ServeError;
pub use handover::Predecessor;
pub use serve::{Source, serve};
pub use start::{Running, start};

#[cfg(test)]
mod tests;

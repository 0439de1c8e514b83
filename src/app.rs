//! The only place where things are wired: from a plan to a running program, and to its end.
//!
//! ```text
//! recover ──▶ Store ──▶ State, Clock, Publication      what the journal says is in force before anybody connects
//!    start ──▶ store thread, control thread, workers, admin thread
//!    serve ──▶ start, say where, wait for a signal, drain
//! ```
//!
//! Every thread has a name and an owner that joins it: the control loop the store's, [`Running`] the others.

mod admin_thread;
mod error;
mod recover;
mod reload;
mod serve;
mod start;

pub use error::ServeError;
pub use serve::{Source, serve};
pub use start::{Running, start};

#[cfg(test)]
mod tests;

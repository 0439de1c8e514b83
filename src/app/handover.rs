//! One process takes over from another, without a connection lost: `changeover upgrade` and SIGUSR2.
//!
//! ```text
//!   old process                                new process
//!   starts it, sends every listening socket ─▶ reads its configuration and certificates, binds what is new
//!                                 loaded    ◀─
//!   fences its control loop: last
//!   snapshot, journal closed      released  ─▶ opens the journal, starts its workers, accepts nobody
//!                                 ready     ◀─
//!   decides nothing any more      lead      ─▶ starts its control loop and its admin API, accepts
//!                                 leading   ◀─
//!   accepts no more, drains ◀── table in force ── leads
//!                           ─── measurements ──▶ counts them with its own
//! ```
//! Until `leading` nothing is lost if the new process fails or is silent: the old one ends it, opens the journal again and
//! goes on. It watches on until `lead`, and takes the lead back at once for a rollback. The sockets are the same ones, so
//! that whoever waits to be accepted is accepted by either.

mod hello;
mod predecessor;
mod successor;
mod translation;
mod wire;

pub(super) use hello::{Farewell, PREDECESSORS_MAX};
pub(super) use predecessor::Inheritance;
pub use predecessor::Predecessor;
pub(super) use successor::{Program, Successor};

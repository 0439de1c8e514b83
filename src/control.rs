//! The shell around `cutover`: builds the observation, asks for the decision, carries out the effects.
//!
//! It chooses nothing. It runs on a thread of its own, so that neither traffic nor the admin API can delay a
//! rollback; others reach it through [`ControlHandle`]. `observe` is its eyes, `apply` its hands,
//! `event_loop` goes from one event to the next, and `describe` shows where it stands.

mod answers;
mod apply;
mod describe;
mod event_loop;
mod handle;
mod observe;
mod salt;
mod start;
mod status;
mod warn;

pub use handle::{CommandError, ControlHandle, Done, Request};
use observe::Observer;
pub use salt::fresh_salt;
pub use start::{Parts, RunningControl, start};
pub use status::{
    EndpointStatus, EvidenceStatus, LatencyStatus, RampStatus, RollbackStatus, SideStatus, Status,
    TriggerStatus,
};

#[cfg(test)]
mod tests;

//! The shell around `cutover`: builds the observation, asks for the decision, carries out the effects.
//!
//! It chooses nothing. It runs on a thread of its own, so that neither traffic nor the admin API can delay a
//! rollback; others reach it through [`ControlHandle`].

mod handle;
mod status;

pub use handle::{CommandError, ControlHandle, Done, Request};
pub use status::{
    EndpointStatus, LatencyStatus, RampStatus, RollbackStatus, SideStatus, Status, TriggerStatus,
};

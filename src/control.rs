//! The shell around `cutover`: builds the observation, asks for the decision, carries out the effects.
//!
//! It chooses nothing. It runs on a thread of its own, so that neither traffic nor the admin API can delay a
//! rollback; others reach it through [`ControlHandle`]. `observe` is its eyes, `apply` its hands,
//! `event_loop` goes from one event to the next, and `describe` shows where it stands.

mod answers;
mod apply;
mod arrivals;
mod databases;
mod describe;
mod event_loop;
mod handle;
mod names;
mod observe;
mod recorder;
mod salt;
mod stand_by;
mod start;
mod status;
mod warn;

use event_loop::ControlLoop;
pub use handle::{CommandError, ControlHandle, Done, Fenced, Lead, Request};
use observe::Observer;
pub use salt::fresh_salt;
pub use start::{Parts, RunningControl, start};
pub use status::{
    ArrivalsStatus, BeforeStatus, DnsOrderStatus, DnsStatus, DrillStatus, EndpointStatus,
    EstimateStatus, EvidenceStatus, GateStatus, LatencyStatus, LoweredStatus, MinuteStatus,
    OutlookStatus, PredecessorStatus, ProcessStatus, QuietStatus, RampStatus, ReplicationStatus,
    ResolverStatus, RollbackStatus, ServerStatus, ShadowStatus, SideStatus, Status, TriggerStatus,
    VisitorStatus,
};

#[cfg(test)]
mod tests;

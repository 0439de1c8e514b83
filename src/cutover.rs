//! The pure core: everything that decides about weight, and nothing that acts.
//!
//! [`decide()`] takes the plan, the state, one event and the latest observation, and returns the next state with
//! the effects that the shell carries out. Each change of position is one journal [`Entry`], and the next
//! position is made by the same [`Position::apply`] that replays a journal, so that replay gives the state.

mod clock_check;
mod command;
mod database;
mod decide;
mod digest;
mod dns;
mod drill;
mod effect;
mod entry;
mod explanation;
mod gate;
mod gathered;
mod observation;
mod position;
mod ramp;
mod reload;
mod restore;
mod rollback;
mod state;
mod steer;
mod stretch;
mod transition;
mod trigger;
mod upgrade;
mod wait;
mod watch;

pub use command::{Actor, Command, REASON_CHARS_MAX, Refusal};
pub use database::DatabaseStep;
pub use decide::{Context, Decision, Event, decide};
pub use digest::plan_digest;
pub use dns::{
    DnsEvent, DnsOrder, DnsPurpose, DnsStanding, DnsStep, DnsWait, Leads, Lowered, Names, Wish,
    due as dns_due, prepare as prepare_dns, quiet_stretch, ttl_stretch, waits as dns_waits,
};
pub use drill::{DRILL_SHARE, Drill, DrillOutcome, DrillProof, DrillStanding};
pub use effect::{Answer, Effect};
pub use entry::{Bake, Change, DatabaseStepOutcome, Entry, HoldCause, RollbackCause};
pub use explanation::{Explanation, RouteSeen, SideSeen};
pub use gate::{GateTerms, GateTold, lag_gates};
pub use gathered::{Basis, Gathered};
pub use observation::{
    ConnectRun, Coverage, Glance, HealthCount, LagReadings, Observation, StoreState,
};
pub use position::{Position, Ramp, ReplayError, RollbackSummary, WayBack};
pub use reload::Reload;
pub use restore::restore;
pub use state::{Phase, Progress, State};
pub use stretch::{Broken, Stretch};
pub use trigger::{RELATIVE_ERRORS_MIN, TriggerReading, Verdict, window_lengths};
pub use upgrade::Upgrade;
pub use wait::{Wait, waits};

#[cfg(test)]
mod tests;

//! The pure core: everything that decides about weight, and nothing that acts.
//!
//! [`decide`] takes the plan, the state, one event and the latest observation, and returns the next state with
//! the effects that the shell carries out. Each change of position is one journal [`Entry`], and the next
//! position is made by the same [`Position::apply`] that replays a journal, so that replay gives the state.

mod command;
mod decide;
mod effect;
mod entry;
mod observation;
mod state;
mod trigger;
mod wait;

pub use command::{Actor, Command, Refusal};
pub use decide::{Context, Decision, Event, decide};
pub use effect::{Answer, Effect};
pub use entry::{Bake, Change, Entry, HoldCause, RollbackCause};
pub use observation::{ConnectRun, Coverage, HealthCount, Observation, StoreState};
pub use state::{Phase, Position, Progress, Ramp, RollbackSummary, State, WayBack};
pub use trigger::{TriggerReading, Verdict};
pub use wait::{Wait, waits};

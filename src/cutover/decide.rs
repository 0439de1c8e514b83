//! The decision: one event in, the next state and the effects out.

use crate::{
    cutover::{Actor, Answer, Command, Effect, Observation, State},
    plan::Plan,
    units::{Salt, Timestamp},
};

/// What the shell reads from clocks and random sources for one decision.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Now; never runs backwards within a process.
    pub now: Timestamp,
    /// The wall clock, only for comparing it with `now`.
    pub wall: Timestamp,
    /// Fresh random bits, should a new salt be needed.
    pub salt: Salt,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Ten times a second, and at once when connects fail in a row: look.
    Turn,
    /// An operator asks.
    Command {
        /// What.
        command: Command,
        /// Who.
        actor: Actor,
    },
    /// The store recorded an entry durably.
    Recorded {
        /// Its number.
        seq: u64,
    },
    /// The store could not record an entry, which will never appear.
    RecordFailed {
        /// Its number.
        seq: u64,
        /// What the store said.
        error: String,
    },
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The next state.
    pub state: State,
    /// What to do, in order.
    pub effects: Vec<Effect>,
    /// The answer to a command; `None` for other events.
    pub answer: Option<Answer>,
}

/// Decides. Pure: the same arguments give the same decision.
#[must_use]
pub fn decide(
    plan: &Plan,
    state: &State,
    event: &Event,
    observation: &Observation<'_>,
    context: Context,
) -> Decision {
    let _ = (plan, event, observation, context);
    Decision {
        state: state.clone(),
        effects: Vec::new(),
        answer: None,
    }
}

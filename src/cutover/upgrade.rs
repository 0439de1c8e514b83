//! The entry about a process that took over from another one. Nothing else changes by it: the ramp goes on.

use serde::{Deserialize, Serialize};

use crate::cutover::{
    Actor, Answer, Change, reload,
    transition::{Draft, Transition},
};

/// One process in another one's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The version of the process before.
    pub from: String,
    /// The version of this one.
    pub to: String,
    /// Which processes, in words; it stands in the journal.
    pub processes: String,
    /// Who asked.
    pub actor: Actor,
}

/// Writes the entry, or refuses to for now.
pub(super) fn upgrade(transition: &mut Transition<'_>, upgrade: &Upgrade) {
    if let Some(refusal) = reload::hindrance(transition) {
        return transition.answer(Answer::Refused(refusal));
    }
    transition.evaluate();
    let draft = Draft {
        change: Change::Upgraded {
            from: upgrade.from.clone(),
            to: upgrade.to.clone(),
        },
        weight: transition.state.position.weight,
        actor: upgrade.actor.clone(),
        reason: upgrade.processes.clone(),
        explanation: None,
    };
    let seq = transition.put_in_force(draft, None);
    transition.answer(Answer::InForce(seq));
}

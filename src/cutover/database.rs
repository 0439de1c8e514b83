//! The entry about a statement that is run on a database for replication. Nothing else changes by it: the ramp goes on.

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Answer, Change, DatabaseStepOutcome, REASON_CHARS_MAX, reload,
        transition::{Draft, Transition},
    },
    units::Side,
};

/// A step of a set-up of replication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStep {
    /// The replication, as the plan names it.
    pub replication: String,
    /// The side whose database it is.
    pub side: Side,
    /// What it makes, in a few words.
    pub what: String,
    /// Whether it begins or has failed.
    pub outcome: DatabaseStepOutcome,
    /// The statements, or why it failed; never with a password.
    pub detail: String,
    /// Who asked.
    pub actor: Actor,
}

/// Writes the entry, or refuses to for now.
pub(super) fn step(transition: &mut Transition<'_>, step: &DatabaseStep) {
    if let Some(refusal) = reload::hindrance(transition) {
        return transition.answer(Answer::Refused(refusal));
    }
    transition.evaluate();
    let draft = Draft {
        explanation: None,
        change: Change::DatabaseStep {
            replication: step.replication.clone(),
            side: step.side,
            what: step.what.clone(),
            outcome: step.outcome,
        },
        weight: transition.state.position.weight,
        actor: step.actor.clone(),
        reason: line(&step.detail),
    };
    let seq = transition.put_in_force(draft, None);
    transition.answer(Answer::InForce(seq));
}

/// The words on one line, cut where a reason has to end.
pub(super) fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = |it: char| if it.is_control() { ' ' } else { it };
    match words.chars().count() <= REASON_CHARS_MAX {
        true => words.chars().map(printable).collect(),
        false => {
            let kept = words.chars().take(REASON_CHARS_MAX - 1);
            kept.map(printable).chain(['…']).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        assert_eq!(
            line("CREATE ROLE a;\n\\password a"),
            "CREATE ROLE a; \\password a"
        );
        let long = line(&"wörd ".repeat(REASON_CHARS_MAX));
        assert_eq!(long.chars().count(), REASON_CHARS_MAX);
        assert!(long.ends_with('…'), "{long}");
    }
}

//! Drills: a fault is injected on purpose, something has to trip, and everything goes back to where it was.
//!
//! ```text
//!  baking ──▶ running ──── a trigger or a test trips ────▶ tripped, weight 0 ──── a moment later ────▶ baking, passed
//!                │                                            │
//!                ├── nothing trips in time ──▶ not noticed    └── somebody steers, or the process ends ──▶ broken off
//!                └── somebody steers, or the process ends ──▶ broken off
//! ```
//!
//! The trip is the real one, by the same triggers and tests, to weight 0. Only what follows differs: clients keep their
//! sides, tunnels stay open, nobody is called, and the ramp goes on at its step. What was measured meanwhile is no evidence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Answer, Change, Coverage, Entry, Position, Ramp, Refusal, RollbackCause,
        transition::{Draft, Transition},
        wait,
    },
    evidence::Finding,
    plan::{DRILL_SPAN_MAX, DRILL_WEIGHT_MAX, DrillGate, Injection, TripAction},
    units::{Share, Timestamp, Weight},
};

/// How long everything stays on old after the trip, so that it is seen to have gone there.
const REST: Duration = Duration::from_secs(1);

/// A drill by the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// What it does.
    pub injection: Injection,
    /// When it was ordered.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// The step that it began at, counted from 0.
    pub step: usize,
    /// How long that step had baked.
    pub baked: Duration,
    /// The requests on new that the step had seen.
    pub requests: u64,
    /// What became of it.
    pub standing: DrillStanding,
}

/// How far a drill is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DrillStanding {
    /// The fault is injected, and nothing has tripped yet.
    Running,
    /// Something tripped: everything is on old.
    Tripped {
        /// When.
        at: Timestamp,
        /// What.
        cause: RollbackCause,
    },
    /// It is over.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: DrillOutcome,
    },
}

/// How a drill ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum DrillOutcome {
    /// Something tripped, and the ramp went on.
    Passed {
        /// What tripped.
        cause: RollbackCause,
        /// From the first moment of the fault to weight 0, in ms.
        reaction_ms: f64,
        /// Requests that the fault was injected into.
        touched: u64,
    },
    /// Nothing tripped.
    NotNoticed {
        /// Requests that the fault was injected into.
        touched: u64,
    },
    /// Something else came between.
    BrokenOff {
        /// What, in words.
        by: String,
    },
}

/// The last drill that was passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillProof {
    /// When it ended.
    pub at: Timestamp,
    /// Digest of the plan that it is a proof of.
    pub plan: String,
}

/// What this process knows of a drill that it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DrillWatch {
    /// Since when the fault is injected.
    pub(super) since: Timestamp,
    /// Requests that earlier drills of this process touched.
    pub(super) touched_before: u64,
}

impl Drill {
    /// Whether it is not over yet.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        !matches!(self.standing, DrillStanding::Ended { .. })
    }

    /// The last drill after an entry: what tripped is what it waited for, and whatever else moves the ramp breaks it off.
    pub(super) fn after(before: Option<&Self>, entry: &Entry) -> Option<Self> {
        if let Change::DrillStarted {
            injection,
            step,
            baked,
            requests,
        } = &entry.change
        {
            return Some(Self {
                injection: *injection,
                at: entry.at,
                actor: entry.actor.clone(),
                step: *step,
                baked: *baked,
                requests: *requests,
                standing: DrillStanding::Running,
            });
        }
        let before = before?;
        Some(Self {
            standing: before.standing.after(entry),
            ..before.clone()
        })
    }
}

impl DrillStanding {
    fn after(&self, entry: &Entry) -> Self {
        let at = entry.at;
        match (self, &entry.change) {
            (Self::Ended { .. }, _) => self.clone(),
            (_, Change::DrillEnded { outcome }) => {
                let outcome = outcome.clone();
                Self::Ended { at, outcome }
            }
            (_, change) if change.leaves_all_as_it_is() => self.clone(),
            (
                Self::Running,
                Change::RolledBack {
                    cause: cause @ (RollbackCause::Trigger(_) | RollbackCause::Evidence(_)),
                    ..
                },
            ) => {
                let cause = cause.clone();
                Self::Tripped { at, cause }
            }
            (Self::Running | Self::Tripped { .. }, change) => {
                let by = change.to_string();
                let outcome = DrillOutcome::BrokenOff { by };
                Self::Ended { at, outcome }
            }
        }
    }
}

impl Position {
    /// The drill that is not over yet.
    #[must_use]
    pub fn drilling(&self) -> Option<&Drill> {
        self.drill.as_ref().filter(|it| it.is_under_way())
    }

    /// What is injected into requests for new.
    #[must_use]
    pub fn injection(&self) -> Option<Injection> {
        let running = |it: &&Drill| it.standing == DrillStanding::Running;
        self.drilling().filter(running).map(|it| it.injection)
    }
}

impl DrillOutcome {
    /// The outcome in a word, as in documents.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed { .. } => "passed",
            Self::NotNoticed { .. } => "not_noticed",
            Self::BrokenOff { .. } => "broken_off",
        }
    }
}

/// Begins a drill, or refuses to.
pub(super) fn begin(
    transition: &mut Transition<'_>,
    actor: &Actor,
    reason: String,
    injection: Injection,
) -> Result<Answer, Refusal> {
    let held = |what: String| Err(Refusal::Held(what));
    let position = &transition.state.position;
    if position.drilling().is_some() {
        return held("the drill that is under way".to_owned());
    }
    let Ramp::Baking { step, .. } = position.ramp else {
        return Err(Refusal::WrongState {
            state: position.ramp.name(),
            hint: "a drill is done while a step bakes".to_owned(),
        });
    };
    let weight = position.weight;
    if weight > DRILL_WEIGHT_MAX {
        return held(format!(
            "the weight, {weight}: a drill is done at {DRILL_WEIGHT_MAX} at most"
        ));
    }
    let plan = transition.plan;
    let mut triggers = plan.triggers.iter();
    let has_tests = plan.evidence.false_alarms.parts_per_million() > 0;
    if !has_tests && !triggers.any(|it| it.action == TripAction::Rollback) {
        return held("the plan, in which nothing rolls back".to_owned());
    }
    let (state, observation) = (&transition.state, transition.observation);
    let mut found = wait::breaches(plan, state);
    found.extend(wait::doubts(observation, Finding::is_doubt));
    found.extend(wait::to_raise(plan, state, observation, weight));
    if let Some(wait) = found.first() {
        return held(wait.to_string());
    }
    if observation.coverage != Coverage::Full {
        return held("workers, not all of which report".to_owned());
    }
    let progress = &state.progress;
    let draft = Draft {
        change: Change::DrillStarted {
            injection,
            step,
            baked: progress.baked,
            requests: progress.requests,
        },
        weight,
        actor: actor.clone(),
        reason,
        explanation: None,
    };
    Ok(Answer::OnRecorded(transition.record_first(draft)))
}

/// Goes on with the drill that is under way; whether there is one.
pub(super) fn go_on(transition: &mut Transition<'_>) -> bool {
    let now = transition.context.now;
    let Some(drill) = transition.state.position.drilling().cloned() else {
        return false;
    };
    let watch = &transition.state.watch;
    if watch.pending.is_some() || watch.retry_at.is_some_and(|at| now < at) {
        return true;
    }
    let Some(begun) = watch.drill else {
        let by = "the process that began it has ended".to_owned();
        end(transition, DrillOutcome::BrokenOff { by });
        return true;
    };
    let touched = transition.observation.drilled;
    let touched = touched.saturating_sub(begun.touched_before);
    match drill.standing {
        DrillStanding::Running if now.since(begun.since) >= DRILL_SPAN_MAX => {
            transition.page(format!(
                "a drill was not noticed: {}, {touched} requests in {} s, and nothing tripped",
                drill.injection,
                DRILL_SPAN_MAX.as_secs()
            ));
            end(transition, DrillOutcome::NotNoticed { touched });
        }
        DrillStanding::Tripped { at, cause } if now.since(at) >= REST => {
            let reaction_ms = at.since(begun.since).as_secs_f64() * 1e3;
            let passed = DrillOutcome::Passed {
                cause,
                reaction_ms,
                touched,
            };
            go_back(transition, drill.step, passed);
        }
        DrillStanding::Running | DrillStanding::Tripped { .. } | DrillStanding::Ended { .. } => (),
    }
    true
}

/// The ramp goes on where it was, once that is recorded.
fn go_back(transition: &mut Transition<'_>, step: usize, outcome: DrillOutcome) {
    let (plan, state, observation) = (transition.plan, &transition.state, transition.observation);
    let Some(step) = plan.ramp.steps.get(step) else {
        let by = "the plan, which has no such step any more".to_owned();
        return end(transition, DrillOutcome::BrokenOff { by });
    };
    let weight = step.weight;
    let is_hindered = wait::store(state, observation).is_some()
        || observation.coverage != Coverage::Full
        || !wait::to_raise(plan, state, observation, weight).is_empty();
    if is_hindered {
        return;
    }
    let draft = draft(outcome, weight);
    transition.record_first(draft);
}

/// It ends here, and the ramp stays as it is.
fn end(transition: &mut Transition<'_>, outcome: DrillOutcome) {
    let draft = draft(outcome, transition.state.position.weight);
    transition.put_in_force(draft, None);
}

fn draft(outcome: DrillOutcome, weight: Weight) -> Draft {
    let reason = match &outcome {
        DrillOutcome::Passed {
            cause,
            reaction_ms,
            touched,
        } => format!(
            "passed: {cause} tripped {reaction_ms:.0} ms after the fault began, which touched {touched} requests"
        ),
        DrillOutcome::NotNoticed { touched } => {
            format!("not noticed: {touched} requests were touched, and nothing tripped")
        }
        DrillOutcome::BrokenOff { by } => format!("broken off: {by}"),
    };
    Draft {
        change: Change::DrillEnded { outcome },
        weight,
        actor: Actor::Plan,
        reason,
        explanation: None,
    }
}

/// Why a gate that asks for a drill is not satisfied; `None` where it is.
pub(super) fn missing(
    gate: DrillGate,
    position: &Position,
    plan: &str,
    now: Timestamp,
) -> Option<String> {
    let days = gate.within.as_secs_f64() / 86_400.0;
    let asked = format!("a drill of this configuration within {days} days");
    match &position.drilled {
        None => Some(format!("{asked} is asked for, and there was none")),
        Some(proof) if proof.plan != plan => Some(format!(
            "{asked} is asked for; the last one, at {}, was of another",
            proof.at
        )),
        Some(proof) if now.since(proof.at) > gate.within => Some(format!(
            "{asked} is asked for; the last one was at {}",
            proof.at
        )),
        Some(_) => None,
    }
}

/// The share that is touched where nobody says another one.
pub const DRILL_SHARE: Share = match Share::from_parts_per_million(500_000) {
    Some(share) => share,
    None => Share::WHOLE,
};

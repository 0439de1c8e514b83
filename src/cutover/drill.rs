//! Drills: a fault is injected on purpose, something has to trip, and everything goes back to where it was.
//!
//! ```text
//!  baking ──▶ running ── something trips ──▶ tripped, weight 0 ── a moment later ──▶ returning, passed ──▶ baking
//!                │                             │                                      │
//!                ├── nothing trips in time     └──────── somebody steers, the process ends, or old has to stay: ────┐
//!                └── somebody steers, or the process ends                          over, and everything stays ◀──────┘
//! ```
//!
//! The trip is the real one, by the same triggers and tests, to weight 0. Only what follows differs: clients keep their
//! sides, tunnels stay open, nobody is called, and the ramp goes on at its step with the evidence from before. If that
//! cannot be within seconds, it is a rollback like any other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Answer, Bake, Change, Coverage, Entry, Position, Ramp, Refusal, RollbackCause, Wait,
        rollback::in_ms,
        transition::{Draft, Transition},
        wait::{self, Span},
    },
    evidence::Finding,
    plan::{DRILL_SPAN_MAX, DRILL_WEIGHT_MAX, DrillGate, Injection, TripAction},
    units::{Share, Side, Timestamp, Weight},
};

/// How long everything stays on old after the trip, so that it is seen to have gone there.
const REST: Duration = Duration::from_secs(1);

/// After this long on old nothing goes back to new by itself: whoever is there by then should look first.
const RETURN_MAX: Duration = Duration::from_secs(10);

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
    /// The weight that it began at.
    pub weight: Weight,
    /// Digest of the plan that it began under.
    pub plan: String,
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
    /// It was passed, and the ramp goes on once that is recorded.
    Returning {
        /// When it was passed.
        at: Timestamp,
        /// How.
        outcome: DrillOutcome,
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
    /// Something tripped.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
                weight: entry.weight,
                plan: entry.plan.clone(),
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
            (Self::Tripped { .. }, Change::DrillEnded { outcome })
                if matches!(outcome, DrillOutcome::Passed { .. }) =>
            {
                let outcome = outcome.clone();
                Self::Returning { at, outcome }
            }
            (_, Change::DrillEnded { outcome }) => {
                let outcome = outcome.clone();
                Self::Ended { at, outcome }
            }
            (_, change) if change.leaves_all_as_it_is() => self.clone(),
            // Whatever comes now, it was passed then.
            (Self::Returning { at, outcome }, _) => Self::Ended {
                at: *at,
                outcome: outcome.clone(),
            },
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

    /// The drill that was passed, and that the ramp returns from.
    pub(super) fn returning(&self) -> Option<&Drill> {
        let returns = |it: &&Drill| matches!(it.standing, DrillStanding::Returning { .. });
        self.drilling().filter(returns)
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
    if let Some(wait) = hindrances(transition, weight).first() {
        return held(wait.to_string());
    }
    let doubts = wait::doubts(transition.observation, Finding::is_doubt);
    if let Some(doubt) = doubts.into_iter().next() {
        return held(doubt.to_string());
    }
    let progress = &transition.state.progress;
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
    // It takes nothing away that a restart would have to know of, so it need not wait for its entry.
    Ok(Answer::InForce(transition.put_in_force(draft, None)))
}

/// What is in the way of beginning at this weight, and of going back to it.
fn hindrances(transition: &Transition<'_>, weight: Weight) -> Vec<Wait> {
    let (plan, state, observation) = (transition.plan, &transition.state, transition.observation);
    let mut found = wait::to_raise(plan, state, observation, weight);
    found.extend(wait::store(state, observation));
    if observation.health[Side::Old].usable == 0 {
        found.push(Wait::Gate {
            what: "old has no usable endpoint".to_owned(),
        });
    }
    if observation.coverage != Coverage::Full {
        found.push(Wait::Coverage);
    }
    found
}

/// Goes on with the drill that is under way; whether there is one.
pub(super) fn go_on(transition: &mut Transition<'_>) -> bool {
    let now = transition.context.now;
    let Some(drill) = transition.state.position.drilling().cloned() else {
        return false;
    };
    let Some(begun) = transition.state.watch.drill else {
        break_off(transition, "the process that began it has ended");
        return true;
    };
    let touched = transition.observation.drilled;
    let touched = touched.saturating_sub(begun.touched_before);
    match &drill.standing {
        DrillStanding::Running => run(transition, &drill, now.since(begun.since), touched),
        DrillStanding::Tripped { at, cause } if now.since(*at) >= REST => {
            if touched == 0 {
                break_off(
                    transition,
                    &format!("{cause} tripped, and no request was touched"),
                );
            } else {
                let passed = DrillOutcome::Passed {
                    cause: cause.clone(),
                    reaction_ms: in_ms(at.since(begun.since)),
                    touched,
                };
                end(transition, passed, Actor::Plan);
            }
        }
        DrillStanding::Returning { at, .. } => go_back(transition, &drill, now.since(*at)),
        DrillStanding::Tripped { .. } | DrillStanding::Ended { .. } => (),
    }
    true
}

/// Goes on injecting, unless it is enough.
fn run(transition: &mut Transition<'_>, drill: &Drill, span: Duration, touched: u64) {
    if transition.observation.health[Side::Old].usable == 0 {
        return break_off(transition, "old has no usable endpoint any more");
    }
    if span < DRILL_SPAN_MAX {
        return;
    }
    transition.page(format!(
        "a drill was not noticed: {}, {touched} requests in {} s, and nothing tripped",
        drill.injection,
        DRILL_SPAN_MAX.as_secs()
    ));
    end(
        transition,
        DrillOutcome::NotNoticed { touched },
        Actor::Plan,
    );
}

/// The ramp goes on where it was, once that is recorded; or stays on old where it cannot be for too long.
fn go_back(transition: &mut Transition<'_>, drill: &Drill, span: Duration) {
    let steps = &transition.plan.ramp.steps;
    let is_there = steps
        .get(drill.step)
        .is_some_and(|it| it.weight == drill.weight);
    if !is_there || transition.state.watch.plan != drill.plan {
        return break_off(transition, "the configuration is another one");
    }
    let found = hindrances(transition, drill.weight);
    if span >= RETURN_MAX {
        let by = found.first().map_or_else(
            || "the journal did not take the return in time".to_owned(),
            ToString::to_string,
        );
        return break_off(transition, &by);
    }
    let watch = &transition.state.watch;
    let now = transition.context.now;
    if !found.is_empty() || watch.pending.is_some() || watch.retry_at.is_some_and(|at| now < at) {
        return;
    }
    transition.record_first(Draft {
        change: Change::Resumed {
            step: drill.step,
            bake: Bake::GoesOn,
        },
        weight: drill.weight,
        actor: Actor::Plan,
        reason: "the drill is over".to_owned(),
        explanation: None,
    });
}

/// An operator wants everything to stay where it is. Returns the entry's number.
pub(super) fn stay(transition: &mut Transition<'_>, actor: &Actor) -> u64 {
    let by = format!("held by {actor}");
    end(transition, DrillOutcome::BrokenOff { by }, actor.clone())
}

/// It ends here. Where everything is on old it stays there, and somebody should know.
fn break_off(transition: &mut Transition<'_>, by: &str) {
    if transition.state.position.weight == Weight::NONE {
        transition.page(format!(
            "a drill was broken off after its trip: {by}; everything is on old until somebody resumes"
        ));
    }
    let by = by.to_owned();
    end(transition, DrillOutcome::BrokenOff { by }, Actor::Plan);
}

/// Writes down how it ended; the weight stays as it is. Returns the entry's number.
fn end(transition: &mut Transition<'_>, outcome: DrillOutcome, actor: Actor) -> u64 {
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
    let draft = Draft {
        change: Change::DrillEnded { outcome },
        weight: transition.state.position.weight,
        actor,
        reason,
        explanation: None,
    };
    transition.put_in_force(draft, None)
}

/// Why a gate that asks for a drill is not satisfied; `None` where it is.
pub(super) fn missing(
    gate: DrillGate,
    position: &Position,
    plan: &str,
    now: Timestamp,
) -> Option<String> {
    let asked = format!("a drill of this configuration within {}", Span(gate.within));
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

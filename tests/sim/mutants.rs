//! The checker itself is tested: each spoilt `decide` here breaks one rule, and must be caught at it.

use std::time::Duration;

use changeover::{
    cutover::{
        Change, Context, Coverage, Decision, Effect, Event, LagReadings, Observation, State,
        StoreState, decide,
    },
    evidence::{Evidence, Settings},
    plan::{AdvanceOn, BothBad, GateCondition, Limit, Plan, Reading, Trigger, TripAction},
    units::{Salt, Weight},
};

use crate::{STEPS, chaos, lag::Trail, plans, world::Decide};

/// Seeds that a mutant may survive before it counts as unnoticed.
const SEEDS: u64 = 200;

fn is_caught_at(mutant: Decide, rules: &[&str]) {
    let base = plans::parse(crate::BASE);
    for seed in 0..SEEDS {
        if let Err(violation) = chaos::run(seed, &base, mutant, STEPS) {
            let found = violation.to_string();
            assert!(
                rules.contains(&found.as_str()),
                "seed {seed} found another rule: {found}"
            );
            return;
        }
    }
    panic!("{SEEDS} seeds did not notice");
}

#[test]
fn a_rollback_that_records_first_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            if is_rollback(&decision) {
                decision.effects.swap(0, 1);
            }
            decision
        },
        &[
            "a rollback publishes first and records second",
            "an operator's rollback publishes weight 0 at once",
        ],
    );
}

#[test]
fn a_rollback_that_publishes_nothing_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            if is_rollback(&decision) {
                decision.effects.remove(0);
            }
            decision
        },
        &[
            "a rollback publishes first and records second",
            "an operator's rollback publishes weight 0 at once",
        ],
    );
}

#[test]
fn a_trip_that_waits_a_turn_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            if *event != Event::Turn || !is_rollback(&decision) {
                return decision;
            }
            decision.state.position = state.position.clone();
            decision.state.progress = state.progress.clone();
            decision.effects.clear();
            decision
        },
        &[
            "a trip rolls back in the same turn while old is well",
            "evidence that trips rolls back or holds",
            "a lag above its limit rolls back while old is well",
        ],
    );
}

#[test]
fn an_advance_that_is_published_before_it_is_recorded_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            let first = decision.effects.iter().find_map(|it| match it {
                Effect::RecordFirst(entry) => Some(entry.clone()),
                _other => None,
            });
            if let Some(entry) = first.filter(|it| it.weight > state.position.weight) {
                let position = decision.state.position.apply(&entry);
                decision.effects.push(Effect::Publish {
                    generation: position.generation,
                    weight: position.weight,
                    salt: position.salt,
                    tunnels: None,
                });
                decision.state.position = position;
            }
            decision
        },
        &["every change has its entry"],
    );
}

#[test]
fn a_bake_that_runs_twice_as_fast_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            let more = decision
                .state
                .progress
                .baked
                .saturating_sub(state.progress.baked);
            if decision.state.progress.seq == state.progress.seq {
                decision.state.progress.baked += more;
            }
            decision
        },
        &[
            "a bake counts observed time only",
            "a snapshot is the progress",
        ],
    );
}

#[test]
fn a_bake_that_counts_unobserved_time_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let blind = Observation {
                coverage: Coverage::Full,
                ..observation.clone()
            };
            decide(plan, state, event, &blind, context)
        },
        &[
            "a bake counts observed time only",
            "nothing goes on unobserved",
        ],
    );
}

#[test]
fn an_advance_before_its_bake_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut hasty = plan.clone();
            hasty
                .ramp
                .steps
                .iter_mut()
                .for_each(|it| it.bake = Duration::ZERO);
            decide(&hasty, state, event, observation, context)
        },
        &["a bake is never shortened"],
    );
}

#[test]
fn an_advance_without_its_requests_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut hasty = plan.clone();
            hasty.ramp.steps.iter_mut().for_each(|it| it.requests = 0);
            decide(&hasty, state, event, observation, context)
        },
        &["a step sees its requests"],
    );
}

#[test]
fn a_verdict_on_too_few_samples_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut rash = plan.clone();
            rash.triggers.iter_mut().for_each(|it| it.requests = 1);
            decide(&rash, state, event, observation, context)
        },
        &["too few samples never trip", "a trip rolls back or holds"],
    );
}

#[test]
fn an_advance_past_a_gate_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut open = plan.clone();
            open.gates.clear();
            decide(&open, state, event, observation, context)
        },
        &["a gate that fails holds"],
    );
}

#[test]
fn a_gate_that_asks_for_no_time_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut hasty = plan.clone();
            for gate in &mut hasty.gates {
                if let GateCondition::Lag(lag) = &mut gate.condition {
                    lag.held_for = Duration::ZERO;
                }
            }
            decide(&hasty, state, event, observation, context)
        },
        &["a gate that fails holds", "a gate is one of the plan"],
    );
}

#[test]
fn a_gate_that_counts_what_nobody_saw_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let is_lag = |it: &Trigger| matches!(it.reading, Reading::ReplicationLag { .. });
            if plan.triggers.iter().any(is_lag) {
                // What a trigger would not see is another rule's.
                return decide(plan, state, event, observation, context);
            }
            let trusting: Vec<LagReadings> = observation
                .lags
                .iter()
                .map(|_| Trail::By(Duration::ZERO).readings())
                .collect();
            let trusting = Observation {
                lags: &trusting,
                ..observation.clone()
            };
            decide(plan, state, event, &trusting, context)
        },
        &[
            "what a gate asks for counts while it is seen to hold",
            "a gate that fails holds",
        ],
    );
}

#[test]
fn a_lag_that_no_trigger_sees_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut blind = plan.clone();
            for trigger in &mut blind.triggers {
                if let Reading::ReplicationLag { .. } = trigger.reading {
                    trigger.limit = Limit::Latency(Duration::from_secs(3_600));
                }
            }
            decide(&blind, state, event, observation, context)
        },
        &[
            "a lag above its limit holds",
            "a lag above its limit rolls back while old is well",
        ],
    );
}

#[test]
fn a_trigger_that_is_to_hold_and_rolls_back_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut eager = plan.clone();
            for trigger in &mut eager.triggers {
                trigger.action = TripAction::Rollback;
            }
            decide(&eager, state, event, observation, context)
        },
        &["a trigger that is to hold rolls nothing back"],
    );
}

#[test]
fn an_advance_on_a_failing_store_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let deaf = Observation {
                store: StoreState::Writable,
                ..observation.clone()
            };
            decide(plan, state, event, &deaf, context)
        },
        &["nothing goes on while the store fails"],
    );
}

#[test]
fn an_advance_after_a_clock_jump_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let trusting = Context {
                wall: context.now,
                ..context
            };
            decide(plan, state, event, observation, trusting)
        },
        &["a clock that jumped holds for a minute"],
    );
}

#[test]
fn moving_everybody_to_an_old_side_that_is_gone_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut stubborn = plan.clone();
            stubborn.rollback.both_bad = BothBad::Rollback;
            decide(&stubborn, state, event, observation, context)
        },
        &[
            "nobody is moved to an old side that is gone",
            "a limit alone moves nobody to an old side that is no better",
        ],
    );
}

#[test]
fn a_step_that_ends_without_its_evidence_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut hasty = plan.clone();
            hasty.ramp.advance = AdvanceOn::Bake;
            decide(&hasty, state, event, observation, context)
        },
        &["a step ends on evidence where it is asked for"],
    );
}

#[test]
fn evidence_that_nobody_looks_at_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let nothing = Evidence::new(Settings::of(plan));
            let observation = Observation {
                evidence: &nothing,
                ..observation.clone()
            };
            decide(plan, state, event, &observation, context)
        },
        &[
            "evidence that trips rolls back or holds",
            "evidence that trips rolls back in the same turn while old is well",
            "nothing advances in doubt",
            "nothing goes on against evidence",
        ],
    );
}

#[test]
fn completing_with_writes_on_old_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut blind = plan.clone();
            blind.split.writes = changeover::plan::Writes::Split;
            blind.routes.clear();
            decide(&blind, state, event, observation, context)
        },
        &["nothing completes that still sends to old"],
    );
}

#[test]
fn a_salt_that_changes_under_the_clients_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            for effect in &mut decision.effects {
                if let Effect::Publish { weight, salt, .. } = effect
                    && *weight > Weight::NONE
                {
                    *salt = Salt::new([1; 16]);
                }
            }
            decision
        },
        &["the salt changes only where everybody is on old"],
    );
}

#[test]
fn a_position_that_the_journal_does_not_give_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            if is_rollback(&decision) {
                decision.state.position.last_rollback = None;
            }
            decision
        },
        &["replaying the journal gives the position"],
    );
}

#[test]
fn an_operator_who_is_not_heard_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| match event {
            Event::Command { .. } => Decision {
                answer: Some(changeover::cutover::Answer::InForce(state.position.seq)),
                ..decide(plan, state, &Event::Turn, observation, context)
            },
            Event::Turn
            | Event::Reload(_)
            | Event::Upgrade(_)
            | Event::DatabaseStep(_)
            | Event::Dns(_)
            | Event::Recorded { .. }
            | Event::RecordFailed { .. } => decide(plan, state, event, observation, context),
        },
        &[
            "an operator's rollback publishes weight 0 at once",
            "a rollback needs a reason",
        ],
    );
}

#[test]
fn a_reload_that_lets_a_changed_ramp_go_on_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let decision = decide(plan, state, event, observation, context);
            let Event::Reload(_) = event else {
                return decision;
            };
            let mut decision = decision;
            decision.state.position.ramp = state.position.ramp.clone();
            for effect in &mut decision.effects {
                if let Effect::RecordAfter(entry) = effect {
                    entry.change = Change::Reloaded;
                }
            }
            decision
        },
        &["a ramp whose rules changed holds, and its bake begins anew"],
    );
}

#[test]
fn a_reload_that_moves_the_weight_is_caught() {
    is_caught_at(
        |plan, state, event, observation, context| {
            let mut decision = decide(plan, state, event, observation, context);
            if let Event::Reload(_) = event
                && state.position.weight > Weight::NONE
            {
                decision.state.position.weight = Weight::FULL;
            }
            decision
        },
        &["a reload never moves the weight"],
    );
}

#[test]
fn the_shipped_decision_is_not_caught() {
    let base = plans::parse(crate::BASE);
    let honest: fn(&Plan, &State, &Event, &Observation<'_>, Context) -> Decision = decide;
    for seed in 0..4 {
        let run = chaos::run(seed, &base, honest, STEPS);
        assert!(run.is_ok(), "seed {seed}");
    }
}

fn is_rollback(decision: &Decision) -> bool {
    matches!(
        decision.effects.first(),
        Some(Effect::Publish {
            tunnels: Some(_),
            ..
        })
    )
}

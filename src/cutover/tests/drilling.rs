//! Drills: a fault on purpose, a real trip, and back to where it was.

use std::{sync::Arc, time::Duration};

use super::bench::{Batch, Bench, plan};
use crate::{
    cutover::{
        Actor, Answer, Change, Command, DrillOutcome, DrillStanding, Effect, Entry, Event,
        Position, Ramp, Reload, RollbackCause, StoreState, Wait, waits,
    },
    plan::{
        DRILL_SPAN_MAX, DRILL_WEIGHT_MAX, DrillFault, DrillGate, Gate, GateCondition, Injection,
        Plan,
    },
    units::{Share, Side, Weight},
};

const ERRORS: Injection = Injection {
    fault: DrillFault::Errors,
    share: Share::WHOLE,
};

fn drill() -> Command {
    Command::Drill {
        injection: ERRORS,
        reason: "before the weekend".to_owned(),
    }
}

/// A ramp that bakes its first step, which takes long, with enough seen for every trigger.
fn baking() -> Bench {
    baking_with(|_| ())
}

fn baking_with(adjust: impl FnOnce(&mut Plan)) -> Bench {
    let mut plan = plan();
    plan.ramp.steps[0].bake = Duration::from_secs(600);
    adjust(&mut plan);
    let mut bench = Bench::at_step(plan, 1);
    bench.run_fine(5);
    bench
}

/// Turns until something is to be recorded, and records it.
fn until_recorded(bench: &mut Bench) -> Entry {
    for _ in 0..100 {
        bench.turn();
        if let Some(entry) = bench.entry().cloned() {
            bench.record();
            return entry;
        }
    }
    panic!("nothing is recorded: {:?}", bench.state.position);
}

fn asked(bench: &mut Bench) -> Result<(), String> {
    match bench.command(drill()) {
        Answer::Refused(refusal) => Err(refusal.to_string()),
        Answer::InForce(_) | Answer::OnRecorded(_) => Ok(()),
    }
}

fn injected(bench: &Bench) -> Vec<Option<Injection>> {
    let injected = bench.effects.iter().filter_map(|it| match it {
        Effect::Inject(injection) => Some(*injection),
        _other => None,
    });
    injected.collect()
}

fn outcome(bench: &Bench) -> Option<DrillOutcome> {
    match &bench.state.position.drill.as_ref()?.standing {
        DrillStanding::Ended { outcome, .. } => Some(outcome.clone()),
        DrillStanding::Running
        | DrillStanding::Tripped { .. }
        | DrillStanding::Returning { .. } => None,
    }
}

/// Turns with nothing but errors on new until everything is on old.
fn until_tripped(bench: &mut Bench) {
    for _ in 0..100 {
        bench.drilled += 10;
        bench.turn_with(&[Batch::fine(Side::Old, 100), Batch::errors(Side::New, 10)]);
        if bench.state.position.weight == Weight::NONE {
            return;
        }
    }
    panic!("nothing tripped: {:?}", bench.state.position);
}

#[test]
fn a_drill_trips_for_real_and_goes_back_to_where_it_was() {
    let mut bench = baking();
    let before = bench.state.clone();
    asked(&mut bench).expect("it may begin");
    assert_eq!(injected(&bench), [Some(ERRORS)]);
    bench.record();
    assert_eq!(bench.state.position.generation, before.position.generation);
    until_tripped(&mut bench);
    assert_eq!(injected(&bench), [None]);
    assert_eq!(bench.pages(), [""; 0], "nobody is called");
    bench.record();
    let position = &bench.state.position;
    assert!(matches!(position.ramp, Ramp::RolledBack { .. }));
    assert_eq!(
        position.salt, before.position.salt,
        "clients keep their sides"
    );
    for _ in 0..9 {
        bench.turn();
        assert_eq!(bench.state.position.weight, Weight::NONE, "it rests");
    }
    assert_eq!(until_recorded(&mut bench).change.kind(), "drill_ended");
    assert_eq!(
        bench.state.position.weight,
        Weight::NONE,
        "it is not recorded"
    );
    assert_eq!(until_recorded(&mut bench).change.kind(), "resumed");
    let position = &bench.state.position;
    assert_eq!(position.weight, before.position.weight);
    assert!(matches!(position.ramp, Ramp::Baking { step: 0, .. }));
    assert_eq!(
        position.evidence_since, position.generation,
        "none of it is evidence"
    );
    assert_eq!(bench.state.progress.baked, before.progress.baked);
    match outcome(&bench) {
        Some(DrillOutcome::Passed {
            cause: RollbackCause::Trigger(_) | RollbackCause::Evidence(_),
            reaction_ms,
            touched,
        }) => assert!(reaction_ms > 0.0 && touched > 0, "{reaction_ms} {touched}"),
        other => panic!("{other:?}"),
    }
    let proof = position.drilled.as_ref().expect("it was passed");
    assert_eq!(proof.plan, position.plan);
    assert_eq!(
        bench.evidence.ledger().weight(),
        before.position.weight,
        "what was learnt before goes on"
    );
}

#[test]
fn the_same_happens_in_replay() {
    let mut bench = baking();
    let began = bench.state.position.clone();
    asked(&mut bench).expect("it may begin");
    let mut entries = vec![bench.entry().expect("it is recorded").clone()];
    bench.record();
    until_tripped(&mut bench);
    entries.push(bench.entry().expect("it is recorded").clone());
    bench.record();
    entries.push(until_recorded(&mut bench));
    let replayed = entries
        .iter()
        .fold(began, |it: Position, entry| it.apply(entry));
    assert_eq!(replayed, bench.state.position);
}

#[test]
fn a_drill_that_nobody_notices_ends_and_calls_somebody() {
    let mut bench = baking();
    asked(&mut bench).expect("it may begin");
    bench.record();
    let (weight, baked) = (bench.state.position.weight, bench.state.progress.baked);
    let seconds = u32::try_from(DRILL_SPAN_MAX.as_secs()).expect("a minute");
    bench.run_fine(seconds - 1);
    assert_eq!(outcome(&bench), None);
    let plan = bench.plan.clone();
    let found = bench.observed(|it| waits(&plan, &bench.state, it, bench.now));
    assert!(matches!(found[..], [Wait::Drill { .. }]), "{found:?}");
    for _ in 0..20 {
        bench.turn();
        if bench.entry().is_some() {
            break;
        }
    }
    assert!(
        bench.pages()[0].starts_with("a drill was not noticed"),
        "{:?}",
        bench.pages()
    );
    bench.record();
    assert_eq!(
        outcome(&bench),
        Some(DrillOutcome::NotNoticed { touched: 0 })
    );
    assert_eq!(
        bench.state.progress.baked, baked,
        "it is no part of the bake"
    );
    assert_eq!(bench.state.position.weight, weight);
    assert_eq!(bench.state.position.injection(), None);
    assert_eq!(bench.state.position.drilled, None);
    assert_eq!(
        bench.state.position.evidence_since, bench.state.position.generation,
        "what was measured meanwhile is no evidence"
    );
}

#[test]
fn whoever_steers_breaks_a_drill_off_and_nothing_goes_back_by_itself() {
    let steered = |command: Command| {
        let mut bench = baking();
        asked(&mut bench).expect("it may begin");
        bench.record();
        let answer = bench.command(command);
        assert!(!matches!(answer, Answer::Refused(_)), "{answer:?}");
        bench.record();
        let ended = outcome(&bench);
        assert!(
            matches!(ended, Some(DrillOutcome::BrokenOff { .. })),
            "{ended:?}"
        );
        assert_eq!(bench.state.position.injection(), None);
        let ramp = bench.state.position.ramp.clone();
        for _ in 0..30 {
            bench.turn();
        }
        assert_eq!(bench.state.position.ramp, ramp);
    };
    steered(Command::Hold);
    steered(Command::Rollback {
        reason: "enough".to_owned(),
    });
    // Also while everything rests on old.
    let mut bench = baking();
    asked(&mut bench).expect("it may begin");
    bench.record();
    until_tripped(&mut bench);
    bench.record();
    bench.command(Command::Rollback {
        reason: "enough".to_owned(),
    });
    bench.record();
    for _ in 0..30 {
        bench.turn();
    }
    assert!(matches!(bench.state.position.ramp, Ramp::RolledBack { .. }));
    assert!(matches!(
        outcome(&bench),
        Some(DrillOutcome::BrokenOff { .. })
    ));
}

#[test]
fn a_process_that_begins_again_does_not_go_on_with_a_drill() {
    let mut bench = baking();
    asked(&mut bench).expect("it may begin");
    bench.record();
    let (position, progress) = (bench.state.position.clone(), bench.state.progress.clone());
    let weight = position.weight;
    let mut bench = Bench::restored(bench.plan.clone(), position, progress);
    until_recorded(&mut bench);
    assert!(matches!(
        outcome(&bench),
        Some(DrillOutcome::BrokenOff { .. })
    ));
    assert_eq!(bench.state.position.weight, weight);
}

#[test]
fn a_drill_is_done_at_a_small_weight_with_a_journal_and_one_at_a_time() {
    let mut bench = baking();
    bench.store = StoreState::Failing {
        error: "disk full".to_owned(),
    };
    let refused = asked(&mut bench).expect_err("nothing can be recorded");
    assert!(refused.contains("disk full"), "{refused}");
    bench.store = StoreState::Writable;
    asked(&mut bench).expect("it may begin");
    bench.record();
    let refused = asked(&mut bench).expect_err("one is under way");
    assert!(refused.contains("the drill that is under way"), "{refused}");
    let mut bench = baking();
    bench.command(Command::Hold);
    bench.record();
    let refused = asked(&mut bench).expect_err("it holds");
    assert!(refused.contains("while a step bakes"), "{refused}");
    let mut bench = baking_with(|plan| {
        plan.ramp.steps[0].weight = Weight::from_basis_points(1_001).expect("a weight");
    });
    let refused = asked(&mut bench).expect_err("it is too much");
    assert!(refused.contains("10% at most"), "{refused}");
}

#[test]
fn a_gate_waits_for_a_drill_of_this_plan_that_is_fresh() {
    let mut bench = baking_with(|plan| {
        plan.gates.push(Gate {
            above_weight: plan.ramp.steps[0].weight,
            condition: GateCondition::Drill(DrillGate {
                within: Duration::from_secs(3600),
            }),
        });
    });
    let said = |bench: &Bench| {
        let found = bench.observed(|it| waits(&bench.plan, &bench.state, it, bench.now));
        let gate = found.into_iter().find_map(|it| match it {
            Wait::Gate { what } => Some(what),
            _other => None,
        });
        gate.unwrap_or_default()
    };
    assert!(said(&bench).contains("there was none"), "{}", said(&bench));
    asked(&mut bench).expect("it may begin");
    bench.record();
    until_tripped(&mut bench);
    bench.record();
    until_recorded(&mut bench);
    until_recorded(&mut bench);
    bench.turn();
    assert_eq!(said(&bench), "");
    let mut other = bench.state.position.clone();
    if let Some(proof) = &mut other.drilled {
        proof.plan = "another".to_owned();
    }
    let kept = std::mem::replace(&mut bench.state.position, other);
    assert!(said(&bench).contains("was of another"), "{}", said(&bench));
    bench.state.position = kept;
    bench.pass(Duration::from_secs(3601), &[], &[]);
    bench.decide(&Event::Turn);
    assert!(
        said(&bench).contains("the last one was at"),
        "{}",
        said(&bench)
    );
}

#[test]
fn entries_say_what_happened() {
    let mut bench = baking();
    asked(&mut bench).expect("it may begin");
    let entry = bench.entry().expect("it is recorded").clone();
    assert!(matches!(entry.actor, Actor::Operator(_)));
    assert_eq!(
        entry.change.to_string(),
        "drill started: errors into 100% of the requests"
    );
    let text = serde_json::to_string(&entry).expect("it is data");
    let read = serde_json::from_str(&text).expect("it was written so");
    assert_eq!(entry, read);
    let ended = Change::DrillEnded {
        outcome: DrillOutcome::NotNoticed { touched: 3 },
    };
    let text = serde_json::to_string(&ended).expect("it is data");
    assert_eq!(
        text,
        r#"{"kind":"drill_ended","outcome":"not_noticed","touched":3}"#
    );
    assert_eq!(
        serde_json::from_str::<Change>(&text).expect("it was"),
        ended
    );
}

/// A drill that has tripped, and rests on old.
fn tripped(adjust: impl FnOnce(&mut Plan)) -> Bench {
    let mut bench = baking_with(adjust);
    asked(&mut bench).expect("it may begin");
    bench.record();
    until_tripped(&mut bench);
    bench.record();
    bench
}

/// That it stays on old whatever time passes, and somebody knows.
fn stays(bench: &mut Bench, by: &str) {
    let mut called = Vec::new();
    for _ in 0..200 {
        bench.turn();
        called.extend(bench.pages().iter().map(|it| (*it).to_owned()));
        if bench.entry().is_some() && bench.store == StoreState::Writable {
            bench.record();
        }
        assert_eq!(bench.state.position.weight, Weight::NONE);
    }
    assert!(matches!(bench.state.position.ramp, Ramp::RolledBack { .. }));
    assert_eq!(bench.state.position.drilling(), None);
    assert!(called.iter().any(|it| it.contains(by)), "{called:?}");
}

#[test]
fn what_cannot_return_in_time_stays_on_old_and_calls_somebody() {
    let mut bench = tripped(|_| ());
    bench.health[Side::New].usable = 0;
    stays(&mut bench, "new has no usable endpoint");
    assert!(
        bench.state.position.drilled.is_some(),
        "it was passed all the same"
    );
    let mut bench = tripped(|_| ());
    bench.health[Side::Old].usable = 0;
    stays(&mut bench, "old has no usable endpoint");
    // A process that begins again knows nothing of what it did.
    let Bench { plan, state, .. } = tripped(|_| ());
    let mut bench = Bench::restored(plan, state.position, state.progress);
    stays(&mut bench, "the process that began it has ended");
    // What nobody touched was no drill's trip.
    let mut bench = baking();
    asked(&mut bench).expect("it may begin");
    bench.record();
    until_tripped(&mut bench);
    bench.record();
    bench.drilled = 0;
    stays(&mut bench, "no request was touched");
}

#[test]
fn another_configuration_gets_no_proof_and_no_traffic() {
    let mut bench = tripped(|_| ());
    let mut other = bench.plan.clone();
    other.ramp.steps[0].weight = Weight::FULL;
    other.ramp.steps.truncate(1);
    let reload = Reload {
        plan: Arc::new(other.clone()),
        difference: "steps".to_owned(),
        actor: Actor::Operator("ada".to_owned()),
    };
    bench.decide(&Event::Reload(reload));
    bench.record();
    bench.plan = other;
    let proven = bench.state.position.plan.clone();
    stays(&mut bench, "the configuration is another one");
    let proof = bench
        .state
        .position
        .drilled
        .as_ref()
        .map(|it| it.plan.clone());
    assert!(
        proof.is_some_and(|it| it != proven),
        "it is of the one before"
    );
}

#[test]
fn a_hold_while_everything_rests_on_old_keeps_it_there() {
    for turns in [0, 12] {
        let mut bench = tripped(|_| ());
        for _ in 0..turns {
            bench.turn();
            if bench
                .entry()
                .is_some_and(|it| it.change.kind() == "drill_ended")
            {
                bench.record();
            }
        }
        bench.accepted(&Command::Hold);
        for _ in 0..200 {
            bench.turn();
            assert_eq!(bench.state.position.weight, Weight::NONE);
        }
        assert_eq!(bench.state.position.drilling(), None);
    }
}

#[test]
fn old_has_to_be_there_when_a_drill_begins_and_while_it_runs() {
    let mut bench = baking();
    bench.health[Side::Old].usable = 0;
    let refused = asked(&mut bench).expect_err("old is gone");
    assert!(refused.contains("old has no usable endpoint"), "{refused}");
    bench.health[Side::Old].usable = 1;
    asked(&mut bench).expect("it may begin");
    bench.record();
    bench.health[Side::Old].usable = 0;
    bench.turn();
    assert_eq!(bench.state.position.injection(), None);
    assert!(matches!(
        outcome(&bench),
        Some(DrillOutcome::BrokenOff { .. })
    ));
}

#[test]
fn a_gate_below_the_weight_in_force_is_not_in_the_way_of_the_drill_that_it_asks_for() {
    let mut bench = baking_with(|plan| {
        plan.ramp.steps[1].weight = DRILL_WEIGHT_MAX;
        plan.ramp.steps[1].bake = Duration::from_secs(86_400);
        plan.gates.push(Gate {
            above_weight: plan.ramp.steps[0].weight,
            condition: GateCondition::Drill(DrillGate {
                within: Duration::from_secs(3600),
            }),
        });
    });
    let pass = |bench: &mut Bench| {
        asked(bench).expect("it may begin");
        bench.record();
        until_tripped(bench);
        bench.record();
        until_recorded(bench);
        until_recorded(bench);
        assert!(bench.state.position.weight > Weight::NONE);
    };
    pass(&mut bench);
    bench.run_fine(5);
    bench.accepted(&Command::Advance);
    bench.run_fine(5);
    bench.pass(Duration::from_secs(3601), &[], &[]);
    bench.run_fine(5);
    assert_eq!(bench.state.position.weight, DRILL_WEIGHT_MAX);
    pass(&mut bench);
}

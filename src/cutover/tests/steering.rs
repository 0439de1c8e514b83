//! Commands: where each leads, and what its refusal says.

use std::time::Duration;

use super::bench::{Batch, Bench, because, percent, plan};
use crate::{
    cutover::{
        Answer, Bake, Change, Command, Coverage, Effect, Event, HoldCause, Ramp, Refusal,
        StoreState,
    },
    plan::{Gate, GateCondition},
    units::{Side, Weight},
};

fn resume(step: Option<usize>) -> Command {
    Command::Resume {
        reason: because("go on"),
        step,
    }
}

fn weight(points: u16) -> Command {
    Command::SetWeight {
        weight: percent(points),
        reason: because("by hand"),
    }
}

fn rollback() -> Command {
    Command::Rollback {
        reason: because("back"),
    }
}

#[test]
fn a_start_is_recorded_before_it_is_published() {
    let mut bench = Bench::new();
    bench.turn();
    let Answer::OnRecorded(seq) = bench.command(Command::Start) else {
        panic!("it waits for its entry");
    };
    assert!(matches!(bench.effects.as_slice(), [Effect::RecordFirst(_)]));
    assert_eq!(bench.state.position.weight, Weight::NONE);
    bench.decide(&Event::Recorded { seq });
    assert_eq!(bench.state.position.weight, percent(5));
    assert!(matches!(
        bench.effects.first(),
        Some(Effect::Publish { .. })
    ));
    assert_eq!(bench.answered(), Some(&Ok(())));
    let fresh = Effect::RestartEvidence(bench.state.position.generation);
    assert!(bench.effects.contains(&fresh));
}

#[test]
fn what_could_not_be_recorded_did_not_happen() {
    let mut bench = Bench::new();
    bench.turn();
    let Answer::OnRecorded(seq) = bench.command(Command::Start) else {
        panic!("it waits for its entry");
    };
    let before = bench.state.position.clone();
    let error = "disk full".to_owned();
    bench.decide(&Event::RecordFailed { seq, error });
    assert_eq!(bench.state.position, before);
    let refusal = Refusal::Store("disk full".to_owned());
    assert_eq!(bench.answered(), Some(&Err(refusal)));
    bench.accepted(&Command::Start);
    let generations = bench.state.position.generation.number();
    assert!(
        generations > before.generation.number() + 1,
        "no generation is given twice"
    );
}

#[test]
fn a_hold_is_in_force_at_once_and_keeps_the_bake() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.run_fine(1);
    let baked = bench.state.progress.baked;
    assert!(baked >= Duration::from_millis(900), "{baked:?}");
    bench.store = StoreState::Failing {
        error: "full".to_owned(),
    };
    assert!(matches!(bench.command(Command::Hold), Answer::InForce(_)));
    assert_eq!(bench.ramp(), "holding");
    bench.store = StoreState::Writable;
    bench.record();
    bench.run_fine(1);
    assert_eq!(
        bench.state.progress.baked, baked,
        "a held step does not bake"
    );
    let generation = bench.state.position.generation;
    bench.accepted(&resume(None));
    assert_eq!(
        bench.state.position.generation, generation,
        "nothing else is published"
    );
    assert_eq!(bench.state.progress.baked, baked);
    bench.run_fine(1);
    assert!(bench.state.progress.baked > baked);
}

#[test]
fn a_hold_overtakes_an_advance() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.command(Command::Advance);
    let advance = bench.entry().expect("recorded first").clone();
    let position = bench.state.position.clone();
    assert!(matches!(bench.command(Command::Hold), Answer::InForce(_)));
    let hold = bench.entry().expect("recorded after").clone();
    assert_eq!(bench.state.position.weight, percent(5));
    assert_eq!(position.apply(&advance).apply(&hold), bench.state.position);
}

#[test]
fn a_weight_by_hand_holds_and_is_resumed_at_the_next_step() {
    let mut bench = Bench::at_step(plan(), 2);
    // Less is in force at once, more is recorded first.
    assert!(matches!(bench.command(weight(10)), Answer::InForce(_)));
    bench.record();
    assert!(matches!(bench.command(weight(12)), Answer::OnRecorded(_)));
    bench.record();
    assert_eq!(bench.state.position.weight, percent(12));
    assert_eq!(bench.ramp(), "holding");
    bench.command(resume(None));
    let entry = bench.entry().expect("recorded first");
    let expected = Change::Resumed {
        step: 1,
        bake: Bake::Anew,
    };
    assert_eq!(entry.change, expected);
    assert_eq!(entry.weight, percent(25));
}

#[test]
fn weight_0_by_hand_is_a_rollback() {
    let mut bench = Bench::at_step(plan(), 2);
    let refusal = bench.refused(&weight(0));
    assert!(refusal.contains("roll back"), "{refusal}");
}

#[test]
fn after_a_rollback_everything_is_fresh() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.accepted(&rollback());
    for command in [
        Command::Start,
        Command::Hold,
        Command::Advance,
        weight(5),
        rollback(),
    ] {
        bench.refused(&command);
    }
    bench.accepted(&resume(None));
    let position = &bench.state.position;
    assert_eq!(position.ramp.step(), Some(0));
    assert_eq!(position.evidence_since, position.generation);
    bench.accepted(&rollback());
    bench.accepted(&resume(Some(1)));
    assert_eq!(bench.state.position.weight, percent(25));
    bench.accepted(&rollback());
    let refusal = bench.refused(&resume(Some(3)));
    assert!(refusal.contains("3 steps"), "{refusal}");
}

#[test]
fn a_step_is_chosen_only_after_a_rollback() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.accepted(&Command::Hold);
    bench.refused(&resume(Some(1)));
}

#[test]
fn reasons_are_needed_and_limited() {
    let mut bench = Bench::at_step(plan(), 1);
    for reason in ["", "  \n", &"x".repeat(501)] {
        let refusal = bench.refused(&Command::Rollback {
            reason: because(reason),
        });
        assert_eq!(refusal, "a reason is needed, of at most 500 characters");
    }
    let reason = format!(" {} ", "x".repeat(500));
    bench.accepted(&Command::Rollback { reason });
    let detail = bench.state.position.last_rollback.map(|it| it.detail.len());
    assert_eq!(detail, Some(500));
}

#[test]
fn an_advance_skips_the_rest_of_a_bake_and_nothing_else() {
    let mut plan = plan();
    plan.gates.push(Gate {
        above_weight: percent(10),
        condition: GateCondition::Healthy(vec![Side::Old, Side::New]),
    });
    let bench = || Bench::at_step(plan.clone(), 1);
    let mut unobserved = bench();
    unobserved.coverage = Coverage::Partial;
    assert_eq!(
        unobserved.refused(&Command::Advance),
        "held by workers: not all of them report"
    );
    let mut gated = bench();
    gated.health.old.usable = 1;
    assert_eq!(
        gated.refused(&Command::Advance),
        "held by gate: above 10% every endpoint of old must be usable, 1 of 2 are"
    );
    let mut unwritable = bench();
    unwritable.store = StoreState::Failing {
        error: "read-only".to_owned(),
    };
    assert_eq!(
        unwritable.refused(&Command::Advance),
        "the journal cannot be written: read-only"
    );
    let mut breaching = bench();
    breaching.pass(
        Duration::from_millis(100),
        &[Batch::errors(Side::New, 50)],
        &[],
    );
    assert_eq!(
        breaching.refused(&Command::Advance),
        "held by trigger errors: in breach"
    );
    bench().accepted(&Command::Advance);
}

#[test]
fn only_one_change_is_recorded_at_a_time() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.command(Command::Advance);
    let refusal = bench.refused(&Command::Advance);
    assert!(refusal.contains("being recorded"), "{refusal}");
}

#[test]
fn a_rollback_overtakes_a_start() {
    let mut bench = Bench::new();
    bench.turn();
    bench.refused(&rollback());
    bench.command(Command::Start);
    assert!(matches!(bench.command(rollback()), Answer::InForce(_)));
    assert_eq!(bench.ramp(), "rolled_back");
    assert_eq!(bench.answered(), Some(&Err(Refusal::Overtaken)));
}

#[test]
fn a_complete_ramp_can_be_taken_down_by_hand() {
    let mut bench = Bench::at_step(plan(), 3);
    bench.accepted(&Command::Advance);
    assert_eq!(bench.ramp(), "complete");
    bench.accepted(&weight(50));
    let ramp = &bench.state.position.ramp;
    assert!(matches!(
        ramp,
        Ramp::Holding {
            step: Some(2),
            cause: HoldCause::WeightSet,
            ..
        }
    ));
    bench.accepted(&resume(None));
    assert_eq!(bench.state.position.weight, Weight::FULL);
}

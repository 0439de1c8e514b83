//! Statements that are run on databases: each has its entry, or is not to be run.

use std::time::Duration;

use super::bench::{Batch, Bench, plan};
use crate::{
    cutover::{
        Actor, Answer, Change, Command, DatabaseStep, DatabaseStepOutcome, Effect, Entry, Event,
        Position, REASON_CHARS_MAX, Refusal, StoreState,
    },
    units::{Salt, Side},
};

fn step(outcome: DatabaseStepOutcome) -> DatabaseStep {
    DatabaseStep {
        replication: "shop".to_owned(),
        side: Side::New,
        what: "subscription and slot".to_owned(),
        outcome,
        detail: "CREATE SUBSCRIPTION changeover\n  CONNECTION 'password=…';".to_owned(),
        actor: Actor::Operator("ada".to_owned()),
    }
}

fn tell(bench: &mut Bench, outcome: DatabaseStepOutcome) -> Answer {
    let answer = bench.decide(&Event::DatabaseStep(step(outcome)));
    answer.expect("it is answered")
}

fn refused(bench: &mut Bench) -> Refusal {
    let before = bench.state.position.clone();
    let answer = tell(bench, DatabaseStepOutcome::Begins);
    assert_eq!(bench.entry(), None, "a refusal writes nothing");
    assert_eq!(bench.state.position, before, "a refusal changes nothing");
    match answer {
        Answer::Refused(refusal) => refusal,
        Answer::InForce(_) | Answer::OnRecorded(_) => panic!("it is not refused"),
    }
}

#[test]
fn a_step_is_written_down_and_the_ramp_goes_on() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.run_fine(1);
    let before = bench.state.clone();
    let answer = tell(&mut bench, DatabaseStepOutcome::Begins);
    let entry = bench.entry().expect("it is written down").clone();
    assert_eq!(answer, Answer::InForce(entry.seq));
    assert_eq!(
        entry.change,
        Change::DatabaseStep {
            replication: "shop".to_owned(),
            side: Side::New,
            what: "subscription and slot".to_owned(),
            outcome: DatabaseStepOutcome::Begins,
        }
    );
    assert_eq!(entry.actor, Actor::Operator("ada".to_owned()));
    assert_eq!(
        entry.reason,
        "CREATE SUBSCRIPTION changeover CONNECTION 'password=…';"
    );
    assert_eq!(entry.readings.len(), 1, "with what triggers say");
    // Nothing else changes.
    assert!(matches!(bench.effects[..], [Effect::RecordAfter(_)]));
    let position = Position {
        seq: entry.seq,
        at: entry.at,
        ..before.position.clone()
    };
    assert_eq!(bench.state.position, position);
    assert_eq!(bench.state.progress.baked, before.progress.baked);
    assert_eq!(bench.state.progress.requests, before.progress.requests);
    bench.record();
    assert!(bench.state.is_recorded());
    bench.run_fine(2);
    let pending = bench.state.watch.pending.as_ref();
    assert_eq!(
        pending.map(|it| &it.change),
        Some(&Change::Advanced { from: 1, to: 2 }),
        "its bake went on"
    );
}

#[test]
fn a_step_that_has_failed_is_another_entry() {
    let mut bench = Bench::new();
    tell(&mut bench, DatabaseStepOutcome::Begins);
    let entry = bench.entry().expect("it is written down");
    assert_eq!(entry.readings.len(), 1, "triggers are looked at for it");
    bench.record();
    tell(&mut bench, DatabaseStepOutcome::Failed);
    let entry = bench.entry().expect("it is written down").clone();
    assert_eq!(
        entry.change.to_string(),
        "shop: subscription and slot on new not set up"
    );
    bench.record();
    let began = Entry::began(&plan(), Salt::new([0; 16]), entry.at);
    let replayed = Position::replay([&began, &entry]).expect("it is a journal");
    assert_eq!(replayed.ramp, bench.state.position.ramp);
}

#[test]
fn a_step_waits_for_what_is_being_recorded() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.command(Command::Advance);
    let seq = bench.entry().expect("it is recorded first").seq;
    assert_eq!(
        refused(&mut bench).to_string(),
        "held by the change before, which is being recorded: try again in a moment"
    );
    bench.decide(&Event::Recorded { seq });
    tell(&mut bench, DatabaseStepOutcome::Begins);
    let seq = bench.entry().expect("it is in force").seq;
    // One after the other, so that each is on disk before its statement is run.
    assert_eq!(
        refused(&mut bench).to_string(),
        format!("held by journal: entry {seq} is not recorded yet")
    );
    bench.decide(&Event::Recorded { seq });
    assert!(matches!(
        tell(&mut bench, DatabaseStepOutcome::Begins),
        Answer::InForce(_)
    ));
}

#[test]
fn no_step_begins_that_the_journal_cannot_take() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.store = StoreState::Failing {
        error: "full".to_owned(),
    };
    assert_eq!(
        refused(&mut bench),
        Refusal::Store("full".to_owned()),
        "whoever asks is told, and does not wait"
    );
}

#[test]
fn a_rollback_does_not_wait_for_a_step_that_is_being_written_down() {
    let mut bench = Bench::at_step(plan(), 2);
    tell(&mut bench, DatabaseStepOutcome::Begins);
    let seq = bench.entry().expect("it is in force").seq;
    bench.turn_with(&[Batch::errors(Side::New, 50)]);
    assert_eq!(bench.ramp(), "rolled_back");
    assert!(matches!(bench.effects[0], Effect::Publish { .. }));
    bench.decide(&Event::Recorded { seq });
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn what_a_server_says_is_cut_to_the_length_of_a_reason() {
    let mut bench = Bench::new();
    let long = DatabaseStep {
        detail: "an\u{7} error ".repeat(REASON_CHARS_MAX),
        ..step(DatabaseStepOutcome::Failed)
    };
    bench.decide(&Event::DatabaseStep(long));
    let entry = bench.entry().expect("it is written down");
    assert_eq!(entry.reason.chars().count(), REASON_CHARS_MAX);
    assert!(entry.reason.ends_with('…'));
    assert!(
        entry.reason.starts_with("an  error an"),
        "and nothing rings"
    );
}

#[test]
fn a_step_that_nobody_could_record_is_told_and_stays_in_force() {
    let mut bench = Bench::at_step(plan(), 1);
    tell(&mut bench, DatabaseStepOutcome::Begins);
    let seq = bench.entry().expect("it is in force").seq;
    bench.decide(&Event::RecordFailed {
        seq,
        error: "full".to_owned(),
    });
    assert_eq!(
        bench.pages(),
        [format!(
            "entry {seq} is in force but will never be in the journal: full"
        )]
    );
    bench.pass(Duration::from_millis(100), &[], &[]);
    assert_eq!(bench.ramp(), "baking");
}

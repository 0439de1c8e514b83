//! What is said of a decision: which check, which numbers, since when, which routes.

use super::bench::{Batch, Bench, because, plan, share, trigger};
use crate::{
    cutover::{Command, Entry, Explanation},
    plan::{AdvanceOn, EvidencePlan, Limit, Plan, Reading},
    units::{PerSide, Side},
};

/// Its only threshold is so wide that nothing but evidence trips.
fn evident() -> Plan {
    Plan {
        evidence: EvidencePlan::DEFAULT,
        triggers: vec![trigger(
            "errors",
            Reading::ErrorRate,
            Limit::Share(share(99)),
        )],
        ..plan()
    }
}

fn explained(bench: &Bench) -> &Explanation {
    let entry = bench.entry().expect("it has an entry");
    entry.explanation.as_deref().expect("it is explained")
}

/// New fails half of its requests, old none.
const NEW_FAILS: [Batch; 3] = [
    Batch::fine(Side::Old, 60),
    Batch::errors(Side::New, 10),
    Batch::fine(Side::New, 10),
];

#[test]
fn a_rollback_by_evidence_names_test_numbers_time_and_route() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&[Batch::fine(Side::Old, 60), Batch::fine(Side::New, 20)]);
    bench.turn_with(&NEW_FAILS);
    let explanation = explained(&bench);
    assert_eq!(explanation.check, "evidence:errors");
    let events = PerSide::from_fn(|side| explanation.sides[side].events);
    let requests = PerSide::from_fn(|side| explanation.sides[side].requests);
    assert_eq!(
        (requests, events),
        (
            PerSide { old: 60, new: 20 },
            PerSide {
                old: Some(0),
                new: Some(10)
            }
        )
    );
    assert!(explanation.evidence_log10 >= explanation.threshold_log10);
    let entry = bench.entry().expect("it has an entry");
    let since = explanation.since.expect("it grew");
    assert_eq!(entry.at.since(since).as_millis(), 100);
    let route = &explanation.routes[0];
    assert_eq!((route.name.as_str(), route.events.new), ("rest", 10));
    let says = "Everything went back to old from 25% by evidence of errors: 10 of 20 requests on new, \
                0 of 60 on old within 100 ms, all of it on route rest; evidence ";
    assert!(
        explanation.sentence.starts_with(says),
        "{}",
        explanation.sentence
    );
    let summary = bench.state.position.last_rollback.as_ref();
    let sentence = summary.and_then(|it| it.sentence.clone());
    assert_eq!(sentence.as_ref(), Some(&explanation.sentence));
}

#[test]
fn a_rollback_by_a_trigger_names_reading_limit_and_route() {
    let mut bench = Bench::at_step(plan(), 2);
    for _ in 0..20 {
        bench.turn_with(&NEW_FAILS);
        if bench.entry().is_some() {
            break;
        }
    }
    let explanation = explained(&bench);
    assert_eq!(explanation.check, "trigger:errors");
    let (reading, limit) = (explanation.sides.new.reading, explanation.limit);
    assert!(reading > limit && limit.is_some(), "{explanation:?}");
    assert!(explanation.sides.new.requests > 0);
    assert_eq!(explanation.routes[0].name, "rest");
    assert!(explanation.since.is_some());
    assert!(
        explanation
            .sentence
            .starts_with("Everything went back to old from 25% by trigger errors: error_rate "),
        "{}",
        explanation.sentence
    );
}

#[test]
fn a_hold_says_that_old_is_no_better() {
    let both_fail = [
        Batch::errors(Side::Old, 30),
        Batch::fine(Side::Old, 30),
        Batch::errors(Side::New, 10),
        Batch::fine(Side::New, 10),
    ];
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&both_fail);
    let explanation = explained(&bench);
    assert_eq!(explanation.check, "evidence:error_limit");
    assert!(
        explanation
            .sentence
            .starts_with("The ramp holds at 25% by evidence of errors above the limit: "),
        "{}",
        explanation.sentence
    );
    let ends = "; old is not known to be better, so that somebody has to decide.";
    assert!(explanation.sentence.ends_with(ends));
}

#[test]
fn an_advance_says_what_the_step_showed() {
    let mut plan = evident();
    plan.ramp.advance = AdvanceOn::Evidence;
    let mut bench = Bench::at_step(plan, 1);
    for _ in 0..20_000 {
        bench.turn_with(&[Batch::fine(Side::Old, 30), Batch::fine(Side::New, 10)]);
        if bench.entry().is_some() {
            break;
        }
    }
    let explanation = explained(&bench);
    assert_eq!(explanation.check, "bake");
    assert_eq!(explanation.evidence_log10, Some(2.0));
    assert_eq!(explanation.threshold_log10, Some(2.0));
    let seen = PerSide::from_fn(|side| explanation.sides[side].requests);
    assert_eq!(seen.old, seen.new * 3);
    let (new, old) = (seen.new, seen.old);
    let says = format!(
        "0 of {new} requests on new failed, 0 of {old} on old, which shows that fewer than 0.5% fail there; \
         nothing speaks against new."
    );
    assert!(
        explanation.sentence.ends_with(&says),
        "{}",
        explanation.sentence
    );
    assert!(
        explanation.sentence.starts_with("Step 1 at 5% baked for "),
        "{}",
        explanation.sentence
    );
}

#[test]
fn what_an_operator_does_is_explained_by_who_and_why() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&[Batch::fine(Side::Old, 60), Batch::errors(Side::New, 1)]);
    bench.accepted(&Command::Hold);
    bench.command(Command::Rollback {
        reason: because("customers complain"),
    });
    let explanation = explained(&bench);
    assert_eq!(explanation.check, "operator:ada");
    assert_eq!(
        explanation.sentence,
        "Everything went back to old from 25%, by ada: customers complain."
    );
    assert_eq!(explanation.sides.new.events, Some(1));
}

#[test]
fn entries_of_earlier_versions_are_read_and_have_none() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&NEW_FAILS);
    let entry = bench.entry().expect("it has an entry").clone();
    let text = serde_json::to_string(&entry).expect("it is JSON");
    let back: Entry = serde_json::from_str(&text).expect("it is an entry");
    assert_eq!(back, entry);
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let removed = document
        .as_object_mut()
        .and_then(|it| it.remove("explanation"));
    assert!(removed.is_some());
    let earlier: Entry = serde_json::from_value(document).expect("it is an entry");
    assert_eq!(earlier.explanation, None);
    assert_eq!((earlier.seq, earlier.change), (entry.seq, entry.change));
}

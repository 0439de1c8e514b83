//! What follows from evidence: a rollback, a hold, a wait.

use super::bench::{Batch, Bench, because, percent, plan, share, trigger};
use crate::{
    cutover::{
        Change, Command, ConnectRun, Effect, HealthCount, HoldCause, Phase, Ramp, RollbackCause,
        Wait, waits,
    },
    measure::Class,
    plan::{AdvanceOn, BothBad, EvidencePlan, Limit, Plan, Reading},
    units::{Side, Weight},
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

/// New fails half of its requests, old none.
const NEW_FAILS: [Batch; 3] = [
    Batch::fine(Side::Old, 60),
    Batch::errors(Side::New, 10),
    Batch::fine(Side::New, 10),
];

/// Both sides fail half of their requests.
const BOTH_FAIL: [Batch; 4] = [
    Batch::errors(Side::Old, 30),
    Batch::fine(Side::Old, 30),
    Batch::errors(Side::New, 10),
    Batch::fine(Side::New, 10),
];

fn rollback_cause(bench: &Bench) -> Option<RollbackCause> {
    match bench.entry().map(|it| &it.change) {
        Some(Change::RolledBack { cause, .. }) => Some(cause.clone()),
        _other => None,
    }
}

fn hold_cause(bench: &Bench) -> Option<HoldCause> {
    match &bench.state.position.ramp {
        Ramp::Holding { cause, .. } => Some(cause.clone()),
        Ramp::Idle | Ramp::Baking { .. } | Ramp::RolledBack { .. } | Ramp::Complete { .. } => None,
    }
}

#[test]
fn evidence_against_new_rolls_back_and_says_why() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&[Batch::fine(Side::Old, 60), Batch::fine(Side::New, 20)]);
    bench.turn_with(&NEW_FAILS);
    let cause = RollbackCause::Evidence("errors".to_owned());
    assert_eq!(rollback_cause(&bench), Some(cause.clone()));
    assert_eq!(cause.to_string(), "evidence:errors");
    let entry = bench.entry().expect("it has an entry");
    let says = "errors: 10 of 20 requests on new, 0 of 60 on old; evidence ";
    assert!(entry.reason.starts_with(says), "{}", entry.reason);
    assert_eq!(entry.reaction_ms, Some(100.0));
    assert!(matches!(bench.effects[0], Effect::Publish { weight, .. } if weight == Weight::NONE));
    assert_eq!(bench.pages().len(), 1);
}

#[test]
fn after_a_rollback_a_resume_begins_without_evidence() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&NEW_FAILS);
    bench.record();
    assert_eq!(bench.ramp(), "rolled_back");
    bench.accepted(&Command::Resume {
        reason: because("it is mended"),
        step: None,
    });
    bench.turn();
    assert_eq!(bench.ramp(), "baking");
}

#[test]
fn a_symptom_that_is_no_error_trips_as_well() {
    let mut bench = Bench::at_step(evident(), 2);
    let redirects = Batch {
        class: Class::Redirect,
        ..Batch::fine(Side::New, 20)
    };
    bench.turn_with(&[Batch::fine(Side::Old, 60), redirects]);
    let cause = RollbackCause::Evidence("redirects".to_owned());
    assert_eq!(rollback_cause(&bench), Some(cause));
}

#[test]
fn a_request_on_the_wrong_side_holds_and_rolls_nothing_back() {
    for both_bad in [BothBad::Hold, BothBad::Rollback] {
        let mut plan = evident();
        plan.rollback.both_bad = both_bad;
        let mut bench = Bench::at_step(plan, 2);
        let fine = [Batch::fine(Side::Old, 60), Batch::fine(Side::New, 20)];
        bench.turn_with(&fine);
        assert_eq!(bench.entry(), None);
        let astray = Batch {
            is_astray: true,
            ..Batch::fine(Side::Old, 1)
        };
        bench.turn_with(&[astray]);
        assert_eq!(hold_cause(&bench), Some(HoldCause::Split));
        assert_eq!(bench.state.position.weight, percent(25));
        let entry = bench.entry().expect("it has an entry");
        let says =
            "the split: 1 drawn requests went to another side than their slot's; evidence infinite";
        assert!(entry.reason.starts_with(says), "{}", entry.reason);
        assert_eq!(bench.pages().len(), 1);
        bench.record();
        bench.turn_with(&fine);
        assert_eq!(bench.entry(), None, "not again");
        // What speaks against new still takes everything back.
        bench.turn_with(&NEW_FAILS);
        assert!(rollback_cause(&bench).is_some());
    }
}

#[test]
fn what_both_sides_suffer_holds_and_calls_once() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&BOTH_FAIL);
    let cause = HoldCause::Evidence("error_limit".to_owned());
    assert_eq!(hold_cause(&bench), Some(cause));
    assert_eq!(bench.state.position.weight, percent(25));
    assert_eq!(bench.pages().len(), 1);
    bench.record();
    bench.turn_with(&BOTH_FAIL);
    assert_eq!(bench.entry(), None, "not again");
    assert_eq!(bench.pages().len(), 0, "not again");
    let refusal = bench.refused(&Command::Resume {
        reason: because("go on"),
        step: None,
    });
    assert!(
        refusal.starts_with("held by evidence against new: errors above the limit: "),
        "{refusal}"
    );
    // Old recovers and new does not: the draw says which is better.
    for _ in 0..10 {
        if bench.ramp() == "holding" {
            bench.turn_with(&NEW_FAILS);
        }
    }
    assert!(rollback_cause(&bench).is_some());
}

#[test]
fn a_hold_by_evidence_goes_on_where_it_was_once_new_is_well() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.turn_with(&BOTH_FAIL);
    bench.record();
    let fine = [Batch::fine(Side::Old, 600), Batch::fine(Side::New, 200)];
    for _ in 0..100 {
        bench.turn_with(&fine);
    }
    bench.accepted(&Command::Resume {
        reason: because("both are well"),
        step: None,
    });
    assert_eq!(bench.state.position.weight, percent(25));
    assert_eq!(bench.ramp(), "baking");
}

#[test]
fn where_the_plan_says_so_both_sides_bad_roll_back() {
    let mut plan = evident();
    plan.rollback.both_bad = BothBad::Rollback;
    let mut bench = Bench::at_step(plan, 2);
    bench.turn_with(&BOTH_FAIL);
    let cause = RollbackCause::Evidence("error_limit".to_owned());
    assert_eq!(rollback_cause(&bench), Some(cause));
}

#[test]
fn with_everything_on_new_the_limit_rolls_back_to_an_old_side_that_is_there() {
    let on_full = |usable| {
        let mut bench = Bench::at_step(evident(), 3);
        bench.health.old = HealthCount {
            endpoints: 2,
            usable,
        };
        bench.turn_with(&[Batch::errors(Side::New, 10), Batch::fine(Side::New, 90)]);
        bench
    };
    let cause = "error_limit".to_owned();
    assert_eq!(
        rollback_cause(&on_full(1)),
        Some(RollbackCause::Evidence(cause.clone()))
    );
    assert_eq!(hold_cause(&on_full(0)), Some(HoldCause::Evidence(cause)));
}

#[test]
fn an_old_side_that_merely_had_no_request_is_not_taken_for_idle() {
    let mut plan = evident();
    plan.ramp.steps[1].weight = Weight::from_basis_points(9_500).expect("below 100 %");
    let mut bench = Bench::at_step(plan, 2);
    bench.turn_with(&[Batch::errors(Side::New, 10), Batch::fine(Side::New, 10)]);
    let cause = HoldCause::Evidence("error_limit".to_owned());
    assert_eq!(hold_cause(&bench), Some(cause));
}

#[test]
fn nobody_is_moved_to_an_old_side_that_is_gone() {
    let mut bench = Bench::at_step(evident(), 2);
    bench.connects.old = ConnectRun {
        failures: 5,
        since: bench.now,
    };
    let refused = Batch {
        class: Class::Connect,
        ..Batch::errors(Side::Old, 1)
    };
    bench.turn_with(&[
        refused,
        Batch::errors(Side::New, 15),
        Batch::fine(Side::New, 15),
    ]);
    assert_eq!(rollback_cause(&bench), None);
    assert!(matches!(hold_cause(&bench), Some(HoldCause::Evidence(_))));
}

fn waits_of(bench: &Bench) -> Vec<Wait> {
    bench.observed(|observation| waits(&bench.plan, &bench.state, observation, bench.now))
}

#[test]
fn a_step_ends_on_evidence_and_an_operator_may_skip_that() {
    let mut plan = evident();
    plan.ramp.advance = AdvanceOn::Evidence;
    let mut bench = Bench::at_step(plan, 1);
    bench.run_fine(3);
    let waits = waits_of(&bench);
    let [Wait::Evidence { requests_left }] = waits.as_slice() else {
        panic!("{waits:?}");
    };
    assert!((600..900).contains(requests_left), "{requests_left}");
    let needed = usize::try_from(*requests_left).expect("few") / 10;
    for _ in 0..needed {
        bench.turn_with(&[Batch::fine(Side::Old, 10), Batch::fine(Side::New, 10)]);
    }
    assert_eq!(bench.entry(), None, "not before the last of them");
    bench.turn_with(&[Batch::fine(Side::Old, 10), Batch::fine(Side::New, 10)]);
    bench.record();
    assert_eq!(bench.state.position.weight, percent(25));
    // The next step begins anew.
    bench.run_fine(3);
    assert!(matches!(waits_of(&bench)[..], [Wait::Evidence { .. }]));
    bench.accepted(&Command::Advance);
    assert_eq!(bench.state.position.weight, Weight::FULL);
}

#[test]
fn doubt_holds_whoever_asks_for_the_next_step() {
    let mut plan = evident();
    // Out of the way: what is looked at is the comparison with old.
    plan.evidence.error_limit = share(20);
    let mut bench = Bench::at_step(plan, 2);
    bench.run_fine(1);
    bench.turn_with(&[
        Batch::fine(Side::Old, 60),
        Batch::errors(Side::New, 6),
        Batch::fine(Side::New, 14),
    ]);
    assert_eq!(bench.ramp(), "baking", "not enough to trip");
    let waits = waits_of(&bench);
    let in_doubt = |it: &Wait| matches!(it, Wait::Doubt { .. });
    assert!(waits.iter().any(in_doubt), "{waits:?}");
    let refusal = bench.refused(&Command::Advance);
    assert!(
        refusal.starts_with("held by evidence against new: errors"),
        "{refusal}"
    );
}

#[test]
fn after_completion_evidence_keeps_the_way_back_open() {
    let mut bench = Bench::at_step(evident(), 3);
    while bench.entry().is_none() {
        bench.turn_with(&[Batch::fine(Side::New, 10)]);
    }
    bench.record();
    assert_eq!(bench.ramp(), "complete");
    bench.health.old.usable = 0;
    for _ in 0..60 {
        bench.turn_with(&[Batch::errors(Side::New, 5), Batch::fine(Side::New, 5)]);
    }
    assert_eq!(bench.ramp(), "complete");
    assert_eq!(bench.state.phase(), Phase::Cutover);
    bench.health.old.usable = 2;
    bench.turn_with(&[Batch::errors(Side::New, 5)]);
    assert_eq!(
        rollback_cause(&bench),
        Some(RollbackCause::Evidence("error_limit".to_owned()))
    );
}

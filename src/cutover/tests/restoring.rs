//! A restart goes on where it was, with what was truly observed, and notices another plan.

use std::time::Duration;

use super::bench::{Bench, because, percent, plan};
use crate::{
    cutover::{Bake, Change, Command, Effect, HoldCause, Progress, Ramp},
    plan::Plan,
    units::Weight,
};

fn restart(bench: &Bench, plan: Plan, progress: Progress) -> Bench {
    Bench::restored(plan, bench.state.position.clone(), progress)
}

#[test]
fn the_bake_goes_on_from_a_snapshot_of_this_very_entry() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.run_fine(1);
    let saved = bench.state.progress.clone();
    let again = restart(&bench, plan(), saved.clone());
    assert_eq!(again.effects, []);
    assert_eq!(again.state.position, bench.state.position);
    assert_eq!(again.state.progress, saved);

    let other_seq = Progress {
        seq: saved.seq - 1,
        ..saved.clone()
    };
    let other_time = Progress {
        at: saved.at.after(Duration::from_micros(1)),
        ..saved
    };
    for progress in [other_seq, other_time, Progress::default()] {
        let again = restart(&bench, plan(), progress);
        assert_eq!(again.state.progress.baked, Duration::ZERO);
        assert_eq!(again.state.progress.requests, 0);
    }
}

#[test]
fn requests_of_both_lives_add_up() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.run_fine(1);
    assert_eq!(bench.state.progress.requests, 100);
    let mut again = restart(&bench, plan(), bench.state.progress.clone());
    again.requests_on_new = 7;
    again.turn();
    assert_eq!(again.state.progress.requests, 107);
}

#[test]
fn another_plan_holds_at_the_weight_in_force() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.run_fine(1);
    let check = |change: fn(&mut Plan), step, weight| {
        let mut other = plan();
        change(&mut other);
        let mut again = restart(&bench, other, bench.state.progress.clone());
        let [Effect::RecordAfter(entry)] = again.effects.as_slice() else {
            panic!("it says so in the journal");
        };
        let held = Change::Held {
            cause: HoldCause::PlanChanged,
            step,
        };
        assert_eq!(entry.change, held);
        assert_eq!(again.state.position.weight, percent(25));
        assert_eq!(again.state.progress.baked, Duration::ZERO);
        again.record();
        again.command(Command::Resume {
            reason: because("I meant it"),
            step: None,
        });
        let entry = again.entry().expect("recorded first");
        let step = step.unwrap_or(0);
        let bake = Bake::Anew;
        assert_eq!(entry.change, Change::Resumed { step, bake });
        assert_eq!(entry.weight, weight);
    };
    // The same step, another bake; a step between; none as low as the weight in force.
    check(|plan| plan.ramp.steps[1].bake *= 2, Some(1), percent(25));
    check(
        |plan| plan.ramp.steps[1].weight = percent(20),
        Some(1),
        percent(20),
    );
    check(|plan| drop(plan.ramp.steps.drain(..2)), None, Weight::FULL);
}

#[test]
fn a_weight_by_hand_stays_one_under_another_plan() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.accepted(&Command::SetWeight {
        weight: percent(7),
        reason: because("less"),
    });
    let mut other = plan();
    other.triggers.clear();
    let again = restart(&bench, other, Progress::default());
    let cause = HoldCause::WeightSet;
    let ramp = &again.state.position.ramp;
    assert!(matches!(ramp, Ramp::Holding { cause: is, step: Some(0), .. } if *is == cause));
}

#[test]
fn another_plan_changes_nothing_where_no_step_is_under_way() {
    let mut other = plan();
    other.triggers.clear();
    let idle = Bench::new();
    let mut back = Bench::at_step(plan(), 2);
    back.accepted(&Command::Rollback {
        reason: because("back"),
    });
    for bench in [idle, back] {
        let again = restart(&bench, other.clone(), Progress::default());
        assert_eq!(again.effects, []);
        assert_eq!(again.state.position, bench.state.position);
    }
}

#[test]
fn a_step_that_is_not_the_plans_holds_though_the_digest_says_nothing() {
    let bench = Bench::at_step(plan(), 2);
    let mut position = bench.state.position;
    position.weight = percent(30);
    let again = Bench::restored(plan(), position, Progress::default());
    assert_eq!(again.ramp(), "holding");
    assert_eq!(again.state.position.weight, percent(30));
}

//! What trips, what does not, and what a trip does.

use std::time::Duration;

use super::bench::{Batch, Bench, because, percent, plan, share, trigger, waiting};
use crate::{
    cutover::{
        Change, Command, ConnectRun, Effect, Event, HealthCount, HoldCause, Ramp, StoreState,
        Verdict,
    },
    measure::Class,
    plan::{BothBad, Limit, Plan, Reading, Trigger},
    split::Cause,
    units::{Factor, Percentile, Side, Weight},
};

const MILLIS: Duration = Duration::from_millis(1);

fn with(trigger: Trigger) -> Bench {
    let plan = Plan {
        triggers: vec![trigger],
        ..plan()
    };
    Bench::at_step(plan, 2)
}

/// One turn with these requests; what the trigger says then.
fn says(trigger: Trigger, batches: &[Batch]) -> Verdict {
    let name = trigger.name.clone();
    let mut bench = with(trigger);
    bench.turn_with(batches);
    bench.verdict(&name)
}

#[test]
fn a_share_breaches_strictly_above_its_limit() {
    let errors = || trigger("errors", Reading::ErrorRate, Limit::Share(share(2)));
    let check = |bad, fine, expected| {
        let batches = [Batch::errors(Side::New, bad), Batch::fine(Side::New, fine)];
        assert_eq!(
            says(errors(), &batches),
            expected,
            "{bad} of {}",
            bad + fine
        );
    };
    check(0, 100, Verdict::Clear);
    check(2, 98, Verdict::Clear);
    check(3, 97, Verdict::Breach);
    check(19, 0, Verdict::Unknown);
    check(20, 0, Verdict::Breach);
}

#[test]
fn forced_requests_and_olds_errors_say_nothing_about_new() {
    let errors = trigger("errors", Reading::ErrorRate, Limit::Share(share(2)));
    let forced = Batch {
        cause: Cause::Forced,
        ..Batch::errors(Side::New, 50)
    };
    let batches = [
        forced,
        Batch::errors(Side::Old, 50),
        Batch::fine(Side::New, 50),
    ];
    assert_eq!(says(errors, &batches), Verdict::Clear);
}

#[test]
fn failures_to_connect_are_a_share_of_requests() {
    let connects = trigger(
        "connects",
        Reading::ConnectFailures,
        Limit::Share(share(10)),
    );
    let refused = |count| Batch {
        class: Class::Connect,
        ..Batch::errors(Side::New, count)
    };
    let fine = Batch::fine(Side::New, 90);
    assert_eq!(says(connects.clone(), &[refused(10), fine]), Verdict::Clear);
    assert_eq!(
        says(connects.clone(), &[refused(11), fine]),
        Verdict::Breach
    );
    let errors = Batch::errors(Side::New, 50);
    assert_eq!(says(connects, &[errors, fine]), Verdict::Clear);
}

#[test]
fn a_percentile_breaches_when_more_than_its_tail_is_slow() {
    let limit = 100 * MILLIS;
    let slow = || {
        trigger(
            "slow",
            Reading::Latency(Percentile::P90),
            Limit::Latency(limit),
        )
    };
    let check = |bad, fine, expected| {
        let batches = [
            Batch::slow(Side::New, bad, 200 * MILLIS),
            Batch::slow(Side::New, fine, limit),
        ];
        assert_eq!(says(slow(), &batches), expected, "{bad} of {}", bad + fine);
    };
    check(10, 90, Verdict::Clear);
    check(11, 89, Verdict::Breach);
    check(19, 0, Verdict::Unknown);
}

#[test]
fn requests_that_wait_for_longer_than_the_limit_are_slow_already() {
    let limit = 100 * MILLIS;
    let slow = trigger(
        "slow",
        Reading::Latency(Percentile::P90),
        Limit::Latency(limit),
    );
    let mut bench = with(slow);
    let generation = bench.state.position.generation;
    let hang = |bench: &mut Bench, age| {
        let waits = [waiting(10, age, generation)];
        bench.pass(100 * MILLIS, &[Batch::fine(Side::New, 50)], &waits);
        bench.decide(&Event::Turn);
    };
    hang(&mut bench, 100 * MILLIS);
    assert_eq!(bench.verdict("slow"), Verdict::Clear);
    hang(&mut bench, 150 * MILLIS);
    // 10 of 110 are fewer than a tenth.
    assert_eq!(bench.verdict("slow"), Verdict::Clear);
    bench.pass(
        Duration::from_secs(3),
        &[],
        &[waiting(20, 150 * MILLIS, generation)],
    );
    bench.decide(&Event::Turn);
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn a_relative_rate_compares_with_old_and_allows_for_a_few() {
    let times = Limit::TimesOld(Factor::from_thousandths(1_500));
    let check = |old: [u32; 2], new: [u32; 2], expected| {
        let trigger = trigger("worse", Reading::ErrorRate, times);
        let batches = [
            Batch::errors(Side::Old, old[0]),
            Batch::fine(Side::Old, old[1]),
            Batch::errors(Side::New, new[0]),
            Batch::fine(Side::New, new[1]),
        ];
        assert_eq!(says(trigger, &batches), expected, "{old:?} {new:?}");
    };
    check([10, 90], [15, 85], Verdict::Clear);
    check([10, 90], [16, 84], Verdict::Breach);
    // 1.5 times none is none, and four errors are not enough to say that new is worse.
    check([0, 100], [4, 96], Verdict::Clear);
    check([0, 100], [5, 95], Verdict::Breach);
    check([0, 19], [50, 50], Verdict::Unknown);
    check([10, 90], [19, 0], Verdict::Unknown);
}

#[test]
fn a_relative_latency_compares_what_was_drawn_only() {
    let times = Limit::TimesOld(Factor::from_thousandths(2_000));
    let slower = || trigger("slower", Reading::Latency(Percentile::P50), times);
    let old = Batch::slow(Side::Old, 100, 50 * MILLIS);
    let new = |millis| Batch::slow(Side::New, 100, millis * MILLIS);
    assert_eq!(says(slower(), &[old, new(90)]), Verdict::Clear);
    assert_eq!(says(slower(), &[old, new(120)]), Verdict::Breach);
    let pinned = Batch {
        cause: Cause::Pinned,
        ..new(500)
    };
    assert_eq!(
        says(slower(), &[old, new(90), pinned, pinned]),
        Verdict::Clear
    );
    assert_eq!(says(slower(), &[new(120)]), Verdict::Unknown);
}

#[test]
fn a_relative_trigger_is_blind_at_full_weight() {
    let times = Limit::TimesOld(Factor::from_thousandths(1_500));
    let plan = Plan {
        triggers: vec![trigger("worse", Reading::ErrorRate, times)],
        ..plan()
    };
    let mut bench = Bench::at_step(plan, 3);
    for _ in 0..30 {
        bench.turn_with(&[Batch::errors(Side::New, 5), Batch::fine(Side::New, 5)]);
    }
    assert_eq!(bench.ramp(), "baking", "it does not trip");
    assert!(
        bench.state.watch.pending.is_some(),
        "it does not hold either"
    );
}

#[test]
fn a_run_trips_when_it_is_reached() {
    let run = trigger("unreachable", Reading::ConnectFailures, Limit::InARow(5));
    let mut bench = with(run);
    let since = bench.now;
    bench.connects.new = ConnectRun { failures: 4, since };
    bench.turn();
    assert_eq!(bench.ramp(), "baking");
    bench.connects.new.failures = 5;
    bench.turn();
    assert_eq!(bench.ramp(), "rolled_back");
    let rollback = bench.state.position.last_rollback.as_ref();
    let rollback = rollback.expect("it was rolled back");
    assert_eq!(rollback.cause.to_string(), "trigger:unreachable");
    assert_eq!(
        rollback.detail,
        "connect_failures 5 in a row on new, limit 5"
    );
    assert_eq!(rollback.reaction_ms, Some(200.0));
}

#[test]
fn a_run_from_before_the_rollback_is_no_evidence_after_it() {
    let run = trigger("unreachable", Reading::ConnectFailures, Limit::InARow(5));
    let mut bench = with(run);
    let since = bench.now;
    bench.connects.new = ConnectRun { failures: 7, since };
    bench.turn();
    bench.record();
    // Nothing was sent to new since, so nothing ended the run.
    bench.accepted(&Command::Resume {
        reason: because("it is back"),
        step: None,
    });
    bench.turn();
    assert_eq!(bench.ramp(), "baking");
    bench.connects.new.failures = 11;
    bench.turn();
    assert_eq!(bench.ramp(), "baking", "four of the eleven are new");
    bench.connects.new.failures = 12;
    bench.turn();
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn endpoints_out_of_choice_are_a_share_of_the_sides() {
    let sick = trigger("sick", Reading::Unhealthy, Limit::Share(share(50)));
    let mut bench = with(sick);
    let usable = |usable| HealthCount {
        endpoints: 2,
        usable,
    };
    bench.health.new = usable(1);
    bench.turn();
    assert_eq!(bench.verdict("sick"), Verdict::Clear);
    bench.health.new = usable(0);
    bench.turn();
    assert_eq!(bench.ramp(), "rolled_back");
    let rollback = bench.state.position.last_rollback.as_ref();
    let detail = rollback.map(|it| it.detail.as_str());
    assert_eq!(
        detail,
        Some("unhealthy 100% of 2 endpoints of new, limit 50%")
    );
}

#[test]
fn a_trip_publishes_first_and_says_what_it_rests_on() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.store = StoreState::Failing {
        error: "full".to_owned(),
    };
    let generation = bench.state.position.generation;
    let salt = bench.state.position.salt;
    bench.turn_with(&[Batch::errors(Side::New, 10), Batch::fine(Side::New, 70)]);
    let position = &bench.state.position;
    assert_eq!(position.weight, Weight::NONE);
    assert_ne!(position.salt, salt, "everybody is on old: a new salt");
    let [first, second, ..] = bench.effects.as_slice() else {
        panic!("two effects at least");
    };
    assert_eq!(
        *first,
        Effect::Publish {
            generation: generation.next(),
            weight: Weight::NONE,
            salt: position.salt,
            tunnels: Some(Duration::from_secs(30)),
        }
    );
    let Effect::RecordAfter(entry) = second else {
        panic!("recorded second");
    };
    assert_eq!(
        entry.reason,
        "error_rate 12.5% of 80 requests on new over 2 s, limit 2%"
    );
    assert_eq!(entry.readings.len(), 1);
    assert_eq!(entry.reaction_ms, Some(50.0));
    assert_eq!(bench.pages().len(), 1);
}

#[test]
fn both_sides_bad_hold_and_call_once() {
    let bad = [
        Batch::errors(Side::Old, 10),
        Batch::fine(Side::Old, 90),
        Batch::errors(Side::New, 50),
        Batch::fine(Side::New, 50),
    ];
    let mut bench = Bench::at_step(plan(), 2);
    bench.turn_with(&bad);
    let cause = HoldCause::BothBad("errors".to_owned());
    assert!(matches!(&bench.state.position.ramp, Ramp::Holding { cause: is, .. } if *is == cause));
    assert_eq!(bench.state.position.weight, percent(25));
    assert_eq!(bench.pages().len(), 1);
    bench.record();
    bench.turn_with(&bad);
    assert_eq!(bench.entry(), None, "not again");
    assert_eq!(bench.pages().len(), 0, "not again");
    let refusal = bench.refused(&Command::Resume {
        reason: because("go on"),
        step: None,
    });
    assert_eq!(refusal, "held by trigger errors: in breach");
    // Operators may know better.
    bench.accepted(&Command::Rollback {
        reason: because("old is the better place"),
    });
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn old_that_is_gone_holds_whatever_trips() {
    let check = |gone: fn(&mut Bench)| {
        let mut bench = Bench::at_step(plan(), 2);
        gone(&mut bench);
        bench.turn_with(&[Batch::errors(Side::New, 50)]);
        assert_eq!(bench.ramp(), "holding");
    };
    check(|bench| bench.health.old.usable = 0);
    check(|bench| {
        let refused = Batch {
            class: Class::Connect,
            ..Batch::errors(Side::Old, 6)
        };
        bench.turn_with(&[refused]);
        let since = bench.now;
        bench.connects.old = ConnectRun { failures: 6, since };
    });
    // Checks that fail while old answers are a fault of the checks.
    let mut bench = Bench::at_step(plan(), 2);
    bench.health.old.usable = 0;
    bench.turn_with(&[Batch::fine(Side::Old, 1), Batch::errors(Side::New, 50)]);
    assert_eq!(bench.ramp(), "rolled_back");
    // A run that no traffic could have ended says nothing.
    let mut bench = Bench::at_step(plan(), 2);
    let since = bench.now;
    bench.connects.old = ConnectRun { failures: 6, since };
    bench.turn_with(&[Batch::errors(Side::New, 50)]);
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn the_plan_may_say_to_roll_back_all_the_same() {
    let mut plan = plan();
    plan.rollback.both_bad = BothBad::Rollback;
    let mut bench = Bench::at_step(plan, 2);
    bench.health.old.usable = 0;
    bench.turn_with(&[Batch::errors(Side::New, 50)]);
    assert_eq!(bench.ramp(), "rolled_back");
}

#[test]
fn a_trip_overtakes_an_advance_that_is_being_recorded() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.command(Command::Advance);
    let advance = bench.entry().expect("it is recorded first").clone();
    assert_eq!(bench.state.position.weight, percent(5));
    bench.turn_with(&[Batch::errors(Side::New, 50)]);
    let rollback = bench.entry().expect("it is recorded after").clone();
    assert!(bench.answered().is_some_and(Result::is_err));
    assert!(rollback.seq > advance.seq);
    assert!(rollback.generation > advance.generation);
    let before = bench.state.position.clone();
    bench.decide(&Event::Recorded { seq: advance.seq });
    assert_eq!(
        bench.state.position, before,
        "a late acknowledgement changes nothing"
    );
    assert_eq!(bench.effects, []);
    // The journal may or may not hold what was overtaken.
    assert_eq!(
        bench.state.position.apply(&advance).apply(&rollback),
        before
    );
}

#[test]
fn a_trip_at_the_acknowledgement_comes_before_the_advance() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.command(Command::Advance);
    let seq = bench.entry().expect("it is recorded first").seq;
    bench.pass(100 * MILLIS, &[Batch::errors(Side::New, 50)], &[]);
    bench.decide(&Event::Recorded { seq });
    assert_eq!(bench.ramp(), "rolled_back");
    let published = bench
        .effects
        .iter()
        .filter(|it| matches!(it, Effect::Publish { .. }));
    assert_eq!(published.count(), 1);
}

#[test]
fn triggers_stay_armed_until_the_way_back_is_closed() {
    let mut plan = plan();
    plan.triggers
        .push(trigger("sick", Reading::Unhealthy, Limit::Share(share(50))));
    let complete = || {
        let mut bench = Bench::at_step(plan.clone(), 3);
        bench.accepted(&Command::Advance);
        assert_eq!(bench.ramp(), "complete");
        bench
    };
    let mut bench = complete();
    bench.health.new.usable = 0;
    bench.turn();
    assert_eq!(bench.ramp(), "rolled_back");

    let mut bench = complete();
    for _ in 0..52 {
        bench.turn();
    }
    let closed = bench
        .state
        .watch
        .pending
        .clone()
        .expect("the window of 5 s is over");
    assert_eq!(closed.change, Change::WayBackClosed);
    bench.decide(&Event::Recorded { seq: closed.seq });
    bench.health.new.usable = 0;
    bench.turn();
    assert_eq!(bench.ramp(), "complete");
    let refusal = bench.refused(&Command::Rollback {
        reason: because("too late"),
    });
    assert!(refusal.contains("way back was closed"), "{refusal}");
}

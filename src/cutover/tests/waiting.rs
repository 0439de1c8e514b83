//! What the ramp waits for, and that it goes on when nothing is left.

use std::time::Duration;

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};

use super::bench::{Batch, Bench, plan};
use crate::{
    cutover::{
        Change, Command, Coverage, Effect, Event, StoreState, Verdict, Wait, wait::Span, waits,
    },
    plan::{Plan, Recurrence, RoutePlan, StartMode, Window, Writes},
    units::{Side, Weight},
};

fn found(bench: &Bench) -> Vec<Wait> {
    bench.observed(|observation| waits(&bench.plan, &bench.state, observation, bench.now))
}

fn phrases(bench: &Bench) -> Vec<String> {
    found(bench).iter().map(ToString::to_string).collect()
}

/// Runs until something is to be recorded, or for so many seconds.
fn next_change(bench: &mut Bench, seconds: u32) -> Option<Change> {
    for _ in 0..seconds * 10 {
        bench.turn_with(&[Batch::fine(Side::Old, 10), Batch::fine(Side::New, 10)]);
        if let Some(entry) = bench.entry() {
            return Some(entry.change.clone());
        }
    }
    None
}

#[test]
fn a_step_advances_once_it_has_baked() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.turn();
    assert_eq!(
        phrases(&bench),
        [
            "bake: 2 s left",
            "requests: 0 of 20 on new",
            "trigger errors: too few requests to say"
        ]
    );
    let advanced = Change::Advanced { from: 0, to: 1 };
    assert_eq!(next_change(&mut bench, 5), Some(advanced));
    let baked = bench.state.progress.baked;
    assert!(baked >= Duration::from_secs(2), "{baked:?}");
    assert!(baked < Duration::from_millis(2_200), "{baked:?}");
}

#[test]
fn a_cold_side_bakes_from_its_first_answer() {
    let mut bench = Bench::at_step(plan(), 1);
    for _ in 0..50 {
        bench.turn();
    }
    assert_eq!(bench.state.progress.baked, Duration::ZERO);
    bench.turn_with(&[Batch::fine(Side::New, 1)]);
    bench.turn();
    assert_eq!(bench.state.progress.baked, Duration::from_millis(200));
}

#[test]
fn nothing_goes_on_without_a_way_back() {
    let what = "gate: old has no usable endpoint, and the way back needs one";
    let mut bench = Bench::new();
    bench.turn();
    bench.health.old.usable = 0;
    assert_eq!(bench.refused(&Command::Start), format!("held by {what}"));

    let mut bench = Bench::at_step(plan(), 1);
    bench.health.old.usable = 0;
    assert_eq!(next_change(&mut bench, 5), None);
    assert_eq!(phrases(&bench), [what]);
    assert_eq!(bench.state.shown(&found(&bench)), "holding");
    assert_eq!(bench.refused(&Command::Advance), format!("held by {what}"));
    bench.health.old.usable = 1;
    let advanced = Change::Advanced { from: 0, to: 1 };
    assert_eq!(next_change(&mut bench, 1), Some(advanced));

    // Old may really be gone, and somebody knows that new is the place to be.
    let mut bench = Bench::at_step(plan(), 1);
    bench.health.old.usable = 0;
    bench.accepted(&Command::SetWeight {
        weight: Weight::FULL,
        reason: "old has burned down".to_owned(),
    });
    assert_eq!(bench.state.position.weight, Weight::FULL);
}

#[test]
fn only_observed_time_counts() {
    let mut bench = Bench::at_step(plan(), 2);
    bench.turn_with(&[Batch::fine(Side::New, 1)]);
    let baked = bench.state.progress.baked;
    bench.coverage = Coverage::Partial;
    bench.run_fine(3);
    assert_eq!(bench.state.progress.baked, baked);
    assert!(phrases(&bench).contains(&"workers: not all of them report".to_owned()));
    bench.coverage = Coverage::Full;
    // The loop itself stood still: nobody knows what happened meanwhile.
    bench.pass(Duration::from_secs(10), &[], &[]);
    bench.turn();
    assert!(bench.state.progress.baked <= baked + Duration::from_millis(100));
}

#[test]
fn little_traffic_delays_an_advance_and_does_not_forbid_it() {
    let mut bench = Bench::at_step(plan(), 1);
    // Four requests in each window of 2 s: never the 20 that the trigger asks for.
    for second in 0..12 {
        for turn in 0..10 {
            let count = u32::from(turn % 5 == 0);
            bench.turn_with(&[Batch::fine(Side::New, count)]);
            assert!(bench.entry().is_none() || second >= 9, "second {second}");
        }
    }
    assert_eq!(bench.verdict("errors"), Verdict::Unknown);
    let pending = bench
        .state
        .watch
        .pending
        .as_ref()
        .map(|it| it.change.clone());
    assert_eq!(pending, Some(Change::Advanced { from: 0, to: 1 }));
}

#[test]
fn a_failing_store_holds_and_calls_somebody_once() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.store = StoreState::Failing {
        error: "full".to_owned(),
    };
    let mut pages = 0;
    for _ in 0..200 {
        bench.turn_with(&[Batch::fine(Side::New, 10)]);
        pages += bench.pages().len();
        assert_eq!(bench.entry(), None);
    }
    assert_eq!(pages, 1);
    assert_eq!(phrases(&bench), ["journal: full"]);
    assert_eq!(bench.state.shown(&found(&bench)), "holding");
    bench.store = StoreState::Writable;
    assert!(next_change(&mut bench, 1).is_some());
}

#[test]
fn a_clock_jump_holds_for_a_minute() {
    let mut bench = Bench::at_step(plan(), 1);
    bench.run_fine(1);
    bench.wall_ahead = Duration::from_secs(60);
    bench.turn();
    assert_eq!(bench.pages().len(), 1);
    assert_eq!(next_change(&mut bench, 59), None);
    assert_eq!(bench.state.shown(&found(&bench)), "holding");
    assert!(next_change(&mut bench, 2).is_some());
}

fn route(pin: Option<Side>, writes: Option<Writes>) -> RoutePlan {
    RoutePlan {
        name: "cart".to_owned(),
        host: None,
        path: "/cart".to_owned(),
        methods: Vec::new(),
        pin,
        writes,
        copied: None,
    }
}

#[test]
fn nothing_completes_that_still_sends_to_old() {
    let check = |change: fn(&mut Plan), phrase: &str| {
        let mut plan = plan();
        change(&mut plan);
        let mut bench = Bench::at_step(plan, 3);
        assert_eq!(next_change(&mut bench, 5), None);
        assert_eq!(phrases(&bench), [format!("still on old: {phrase}")]);
        assert_eq!(bench.state.shown(&found(&bench)), "holding");
        bench.refused(&Command::Advance);
    };
    check(|plan| plan.split.writes = Writes::Old, "writes = \"old\"");
    check(
        |plan| plan.routes.push(route(Some(Side::Old), None)),
        "route cart is pinned to old",
    );
    check(
        |plan| plan.routes.push(route(None, Some(Writes::Old))),
        "route cart sends writes to old",
    );
    let mut fine = Bench::at_step(plan(), 3);
    assert_eq!(next_change(&mut fine, 5), Some(Change::Completed));
}

#[test]
fn a_window_limits_starts_and_advances() {
    let mut plan = plan();
    plan.ramp.start = StartMode::Automatic;
    // It is Sunday at noon in UTC.
    let window = |from, to| Window {
        recurrences: vec![Recurrence {
            days: vec![Weekday::Sunday],
            from: Time::constant(from, 0, 0, 0),
            to: Time::constant(to, 0, 0, 0),
        }],
        zone: TimeZone::UTC,
    };
    plan.ramp.window = Some(window(2, 6));
    let mut closed = Bench::with(plan.clone());
    assert_eq!(next_change(&mut closed, 2), None);
    assert_eq!(
        phrases(&closed),
        ["window: closed until 2026-11-29T02:00:00.000Z"]
    );
    let refusal = closed.refused(&Command::Start);
    assert!(refusal.starts_with("held by window"), "{refusal}");
    plan.ramp.window = Some(window(10, 14));
    let mut open = Bench::with(plan);
    assert_eq!(next_change(&mut open, 2), Some(Change::Started { step: 0 }));
}

#[test]
fn snapshots_are_about_what_is_recorded() {
    let mut bench = Bench::at_step(plan(), 2);
    let is_saved = |bench: &Bench| {
        let mut effects = bench.effects.iter();
        effects.any(|it| matches!(it, Effect::Snapshot(_)))
    };
    let mut saved = 0;
    for _ in 0..30 {
        bench.turn_with(&[Batch::fine(Side::New, 1)]);
        saved += u32::from(is_saved(&bench));
    }
    assert_eq!(saved, 3, "once a second");
    bench.command(Command::Hold);
    for _ in 0..30 {
        bench.turn();
        assert!(!is_saved(&bench), "the hold is not on disk");
    }
    let seq = bench.state.position.seq;
    bench.decide(&Event::Recorded { seq });
    assert!(is_saved(&bench));
}

#[test]
fn spans_are_for_people() {
    let check = |millis, expected: &str| {
        assert_eq!(Span(Duration::from_millis(millis)).to_string(), expected);
    };
    check(0, "0 ms");
    check(250, "250 ms");
    check(2_540, "2.5 s");
    check(34_000, "34 s");
    check(120_000, "2 min");
    check(123_000, "2 min 3 s");
    check(3_600_000, "1 h");
    check(3_900_000, "1 h 5 min");
}

//! Gates that ask for a lag: what they keep from going on, what the status says of them, and what the journal is told.

use std::{sync::Arc, time::Duration};

use super::bench::{Batch, Bench, START, percent, plan, replication, share};
use crate::{
    cutover::{
        Change, Command, Entry, Event, LagReadings, Position, Progress, Reload, StoreState, waits,
    },
    measure::{Lag, LagReading},
    plan::{Gate, GateCondition, LagGate, Plan, ShadowPlan},
    shadow::{Counts, Dropped, GateReport, Report},
    units::{Direction, Salt, Side, Timestamp},
};

const SECOND: Duration = Duration::from_secs(1);

/// Above 10 % new must have trailed by less than a second, for 3 s, of which 2 s may go by unobserved.
fn gated() -> Plan {
    Plan {
        gates: vec![Gate {
            above_weight: percent(10),
            condition: GateCondition::Lag(LagGate {
                replication: 0,
                direction: Direction::Forward,
                lag_below: SECOND,
                held_for: 3 * SECOND,
                gap: 2 * SECOND,
            }),
        }],
        replications: vec![replication("10.0.0.5")],
        ..plan()
    }
}

fn known(millis: u64) -> LagReading {
    LagReading::Known(Lag {
        span: Duration::from_millis(millis),
        bytes: 0,
        wal_lasts: None,
    })
}

/// A cutover that looks at its lag, and all that it wrote down.
struct World {
    bench: Bench,
    journal: Vec<Entry>,
}

impl World {
    fn new() -> Self {
        Self::with(Bench::with(gated()))
    }

    fn with(bench: Bench) -> Self {
        Self {
            bench,
            journal: Vec::new(),
        }
    }

    /// Turns for so long; forward the lag is this one, and reverse it is none that anybody asks for.
    fn run(&mut self, forward: &LagReading, span: Duration) {
        self.bench.lags = vec![LagReadings {
            forward: forward.clone(),
            reverse: known(60_000),
        }];
        for _ in 0..span.as_millis() / 100 {
            self.bench.turn();
            self.keep();
        }
    }

    /// The same, at the pace at which looks may just follow each other.
    fn rest(&mut self, forward: &LagReading, seconds: u32) {
        for _ in 0..seconds {
            self.bench.pass(Duration::from_millis(900), &[], &[]);
            self.run(forward, Duration::from_millis(100));
        }
    }

    fn keep(&mut self) {
        if let Some(entry) = self.bench.entry().cloned() {
            if self.bench.store == StoreState::Writable {
                self.bench.record();
            }
            self.journal.push(entry);
        }
    }

    /// What was written about gates, with the reasons.
    fn told(&self) -> Vec<(&'static str, &str)> {
        let entries = self.journal.iter();
        let told = entries.filter(|it| it.change.kind().starts_with("gate_"));
        told.map(|it| (it.change.kind(), it.reason.as_str()))
            .collect()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.told().iter().map(|(kind, _)| *kind).collect()
    }

    /// What the ramp waits for, of gates.
    fn waits(&self) -> Vec<String> {
        let bench = &self.bench;
        let found = bench.observed(|it| waits(&bench.plan, &bench.state, it, bench.now));
        let found = found.iter().map(ToString::to_string);
        found.filter(|it| it.starts_with("gate: ")).collect()
    }
}

#[test]
fn the_journal_is_told_once_when_a_gate_is_satisfied_and_once_when_it_is_broken() {
    let mut world = World::new();
    world.run(&known(10), 3 * SECOND);
    assert_eq!(world.told(), [], "it was looked at for 2.9 s");
    world.run(&known(10), 10 * SECOND);
    assert_eq!(
        world.told(),
        [(
            "gate_satisfied",
            "the forward lag of shop below 1 s: 3 s observed since 2026-11-22T12:00:00.100Z"
        )]
    );
    // A moment in which nothing is known breaks nothing.
    world.run(&LagReading::unknown("down"), SECOND);
    world.run(&known(10), SECOND);
    world.run(&known(1_000), 5 * SECOND);
    world.run(&known(10), 5 * SECOND);
    assert_eq!(
        world.told()[1..],
        [
            (
                "gate_broken",
                "the forward lag of shop below 1 s: broken at 2026-11-22T12:00:15.100Z (lag 1 s)"
            ),
            (
                "gate_satisfied",
                "the forward lag of shop below 1 s: 3 s observed since 2026-11-22T12:00:20.100Z"
            )
        ]
    );
    let entry = world.journal.last().expect("there are some");
    let Change::GateSatisfied { gate } = &entry.change else {
        panic!("{entry:?}");
    };
    assert_eq!(
        (gate.above_weight, gate.held_for),
        (percent(10), 3 * SECOND)
    );
    assert_eq!(entry.change.to_string(), "gate above 10% satisfied");
}

#[test]
fn what_was_not_observed_is_told_with_it() {
    let mut world = World::new();
    world.run(&known(10), 2 * SECOND);
    world.run(&LagReading::unknown("down"), SECOND);
    world.run(&known(10), 2 * SECOND);
    assert_eq!(
        world.told(),
        [(
            "gate_satisfied",
            "the forward lag of shop below 1 s: 3 s observed since 2026-11-22T12:00:00.100Z, 1 s not observed"
        )]
    );
    // What is not known for longer than the gate bears is.
    world.run(&LagReading::unknown("down"), 3 * SECOND);
    assert_eq!(
        world.told()[1..],
        [(
            "gate_broken",
            "the forward lag of shop below 1 s: broken at 2026-11-22T12:00:07.100Z (down)"
        )]
    );
}

#[test]
fn a_lag_that_swings_does_not_fill_the_journal() {
    let mut world = World::new();
    for _ in 0..100 {
        world.run(&known(10), 4 * SECOND);
        world.run(&known(5_000), SECOND);
    }
    assert_eq!(
        world.kinds(),
        ["gate_satisfied", "gate_broken"].repeat(3),
        "three times within an hour, and no more"
    );
    let reason = world.told()[5].1;
    assert!(
        reason
            .ends_with("(lag 5 s); nothing more is written of it before 2026-11-22T13:00:03.100Z"),
        "{reason}"
    );
    // It has been fine for long. That is said as soon as the bound lets it be.
    world.rest(&known(10), 51 * 60);
    assert_eq!(world.kinds().len(), 6);
    world.run(&known(10), 60 * SECOND);
    assert_eq!(world.kinds().len(), 7);
    let told = &world.bench.state.position.gates[0];
    assert_eq!(told.at.len(), 6, "what bounds nothing is not kept");
    let last = world.journal.last().expect("there are some");
    assert_eq!(last.at.to_string(), "2026-11-22T13:00:03.100Z");
    // The first of the others will be an hour old by then.
    let again = "nothing more is written of it before 2026-11-22T13:00:04.100Z";
    assert!(last.reason.ends_with(again), "{}", last.reason);
}

#[test]
fn a_restart_tells_nothing_twice() {
    let mut world = World::new();
    world.run(&known(10), 10 * SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied"]);
    let began = Entry::began(&gated(), Salt::new([0; 16]), START);
    let journal = std::iter::once(&began).chain(&world.journal);
    let position = Position::replay(journal).expect("it is a journal");
    assert_eq!(position.gates, world.bench.state.position.gates);
    // The snapshot may be of a moment before the entry.
    let mut stretches = world.bench.state.progress.stretches.clone();
    for stretch in stretches.values_mut() {
        stretch.observed = Duration::from_millis(2_500);
        stretch.seen_at = Some(START.after(Duration::from_millis(2_600)));
    }
    let progress = Progress {
        stretches,
        ..Progress::default()
    };
    let mut bench = Bench::restored(gated(), position.clone(), progress.clone());
    bench.now = START.after(4 * SECOND);
    let mut again = World::with(bench);
    again.run(&known(10), 5 * SECOND);
    assert_eq!(again.told(), []);
    // A gap that is too long is told.
    let mut bench = Bench::restored(gated(), position, progress);
    bench.now = START.after(60 * SECOND);
    let mut late = World::with(bench);
    late.run(&known(10), 2 * SECOND);
    assert_eq!(
        late.told(),
        [(
            "gate_broken",
            "the forward lag of shop below 1 s: broken at 2026-11-22T12:01:00.100Z (not observed for 57 s)"
        )]
    );
}

#[test]
fn a_gate_that_asks_for_no_time_is_satisfied_as_soon_as_it_is_looked_at_again() {
    let mut plan = gated();
    let GateCondition::Lag(lag) = &mut plan.gates[0].condition else {
        panic!("it asks for a lag");
    };
    lag.held_for = Duration::ZERO;
    let mut world = World::with(Bench::with(plan));
    world.run(&known(10), SECOND);
    world.bench.pass(60 * SECOND, &[], &[]);
    world.run(&known(10), SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied"], "nobody saw it broken");
    world.run(&known(1_000), SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied", "gate_broken"]);
}

#[test]
fn a_gate_that_bears_no_gap_bears_the_time_between_two_looks() {
    let mut plan = gated();
    let GateCondition::Lag(lag) = &mut plan.gates[0].condition else {
        panic!("it asks for a lag");
    };
    lag.gap = Duration::ZERO;
    let mut world = World::with(Bench::with(plan));
    world.run(&known(10), 4 * SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied"]);
}

#[test]
fn a_gate_that_was_satisfied_is_remembered_though_the_plan_has_it_no_more() {
    let mut world = World::new();
    world.run(&known(10), 4 * SECOND);
    world.bench.plan.gates[0].above_weight = percent(20);
    world.rest(&known(10), 3_700);
    // A change of the other one.
    world.run(&known(2_000), SECOND);
    let gates = world.bench.state.position.gates.iter();
    let gates: Vec<_> = gates
        .map(|it| (it.gate.above_weight, it.is_satisfied))
        .collect();
    assert_eq!(gates, [(percent(10), true), (percent(20), false)]);
}

#[test]
fn the_lag_of_other_databases_is_another_one() {
    let mut world = World::new();
    world.run(&known(10), 4 * SECOND);
    let mut other = gated();
    other.replications = vec![replication("10.0.0.6")];
    world.bench.decide(&Event::Reload(Reload {
        plan: Arc::new(other.clone()),
        difference: "another database".to_owned(),
        actor: crate::cutover::Actor::Operator("ada".to_owned()),
    }));
    world.keep();
    world.bench.plan = other;
    world.run(&known(10), SECOND);
    assert_eq!(
        world.told()[1..],
        [(
            "gate_broken",
            "the forward lag of shop below 1 s: it is looked at anew, as of other databases"
        )]
    );
    // A gate that the plan has no more, and that was not satisfied, is forgotten after a while.
    assert_eq!(world.bench.state.position.gates.len(), 1);
    let mut other = world.bench.plan.clone();
    other.gates[0].above_weight = percent(20);
    world.bench.plan = other;
    world.rest(&known(10), 3_700);
    assert_eq!(world.bench.state.position.gates.len(), 2);
    world.run(&known(2_000), SECOND);
    assert_eq!(world.bench.state.position.gates.len(), 1);
}

#[test]
fn nothing_is_told_that_the_journal_cannot_take() {
    let mut world = World::new();
    world.bench.store = StoreState::Failing {
        error: "full".to_owned(),
    };
    world.run(&known(10), 5 * SECOND);
    assert_eq!(world.told(), []);
    // By then nobody knows whether it still holds.
    world.run(&LagReading::unknown("down"), Duration::from_millis(100));
    world.bench.store = StoreState::Writable;
    world.run(&LagReading::unknown("down"), Duration::from_millis(500));
    assert_eq!(world.told(), []);
    world.run(&known(10), SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied"]);
}

#[test]
fn nothing_that_is_told_comes_before_a_rollback() {
    let mut world = World::with(Bench::at_step(gated(), 1));
    world.run(&known(10), 3 * SECOND);
    assert_eq!(world.told(), []);
    world.bench.turn_with(&[Batch::errors(Side::New, 50)]);
    assert_eq!(world.bench.ramp(), "rolled_back");
    world.keep();
    world.run(&known(10), SECOND);
    assert_eq!(world.kinds(), ["gate_satisfied"]);
}

#[test]
fn a_step_waits_for_its_gate_and_says_what_it_knows() {
    let mut world = World::with(Bench::at_step(gated(), 1));
    assert_eq!(
        world.bench.refused(&Command::Advance),
        "held by gate: above 10% the forward lag of shop must have been below 1 s for 3 s: it does not hold now"
    );
    world.run(&known(10), 2 * SECOND);
    assert_eq!(
        world.waits(),
        [
            "gate: above 10% the forward lag of shop must have been below 1 s for 3 s: 1 s observed since \
             2026-11-22T12:00:00.200Z"
        ]
    );
    world.run(&LagReading::unknown("down"), SECOND);
    world.run(&known(10), 2 * SECOND);
    assert_eq!(world.waits(), [] as [&str; 0]);
    world.run(&LagReading::unknown("down"), Duration::from_millis(100));
    assert_eq!(
        world.waits(),
        [
            "gate: above 10% the forward lag of shop must have been below 1 s for 3 s: 3 s observed since \
             2026-11-22T12:00:00.200Z, 1 s not observed, not known now"
        ],
        "it held for long enough, and whether it does now nobody knows"
    );
    world.bench.refused(&Command::Advance);
    world.run(&known(10), Duration::from_millis(100));
    world.bench.accepted(&Command::Advance);
}

#[test]
fn a_gate_is_for_steps_above_its_weight_alone() {
    let at = |points| {
        let mut plan = gated();
        plan.gates[0].above_weight = percent(points);
        let mut bench = Bench::with(plan);
        bench.turn();
        match bench.command(Command::Start) {
            crate::cutover::Answer::Refused(refusal) => refusal.to_string(),
            crate::cutover::Answer::InForce(_) | crate::cutover::Answer::OnRecorded(_) => {
                String::new()
            }
        }
    };
    // The first step is at 5 %.
    assert_eq!(at(5), "");
    assert!(at(4).starts_with("held by gate: above 4% "), "{}", at(4));
}

#[test]
fn a_break_is_kept_at_once_and_a_stretch_of_names_is_let_be() {
    let mut world = World::new();
    world.run(&known(10), 2 * SECOND);
    let saved = |world: &World| {
        let mut effects = world.bench.effects.iter();
        effects.any(|it| matches!(it, crate::cutover::Effect::Snapshot(_)))
    };
    while !saved(&world) {
        world.run(&known(10), Duration::from_millis(100));
    }
    world.run(&known(5_000), Duration::from_millis(100));
    assert!(saved(&world), "a kill now would make a gap of it");
    let kinds = world.kinds();
    assert_eq!(
        kinds,
        [] as [&str; 0],
        "what was not satisfied is not broken"
    );
    let stretches = &mut world.bench.state.progress.stretches;
    let of_a_gate = stretches.values().next().expect("it is looked at").clone();
    stretches.insert("dns ttl".to_owned(), of_a_gate.clone());
    stretches.insert("forward 1 of a gate that is gone".to_owned(), of_a_gate);
    world.run(&known(10), Duration::from_millis(100));
    let keys: Vec<_> = world.bench.state.progress.stretches.keys().collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys[0], "dns ttl");
}

#[test]
fn the_direction_and_the_limit_are_the_gates_own() {
    let broken = |direction, forward: LagReading| {
        let mut plan = gated();
        let GateCondition::Lag(lag) = &mut plan.gates[0].condition else {
            panic!("it asks for a lag");
        };
        let key = lag.key(&gated());
        lag.direction = direction;
        let mut world = World::with(Bench::with(plan));
        world.run(&forward, SECOND);
        let stretches = &world.bench.state.progress.stretches;
        assert_eq!(
            stretches.contains_key(&key),
            direction == Direction::Forward
        );
        let stretch = stretches.values().next().expect("it is looked at");
        let since: Option<Timestamp> = stretch.since;
        let broken = stretch.broken.as_ref().map(|it| it.by.clone());
        (since.is_some(), broken)
    };
    assert_eq!(broken(Direction::Forward, known(999)), (true, None));
    let at_limit = Some("lag 1 s".to_owned());
    assert_eq!(broken(Direction::Forward, known(1_000)), (false, at_limit));
    let reverse = Some("lag 1 min".to_owned());
    assert_eq!(broken(Direction::Reverse, known(10)), (false, reverse));
}

#[test]
fn a_raise_waits_for_copies_that_hardly_differ() {
    let shadow = ShadowPlan {
        max_difference: Some(share(1)),
        ..ShadowPlan::of_every_request()
    };
    let report = |is_given| Report {
        since: START,
        at: START,
        share: 1.0,
        noise: 0.5,
        compared: Counts { old: 90, new: 110 },
        differing: Counts::default(),
        unexplained: 2,
        dropped: Dropped::default(),
        unread: std::collections::BTreeMap::new(),
        gate: Some(GateReport {
            max_difference: 0.01,
            is_given,
            copies_left: 640,
        }),
        routes: Vec::new(),
        differences: Vec::new(),
        others: 0,
    };
    let mut bench = Bench::with(Plan {
        shadow: Some(shadow),
        ..plan()
    });
    bench.turn();
    let asked = "no more than 1% of copies to new may differ beyond noise";
    let refused = bench.refused(&Command::Start);
    assert!(
        refused.contains(&format!("{asked}: nothing was compared")),
        "{refused}"
    );
    bench.copies = Ok(Arc::new(report(false)));
    bench.turn();
    let refused = bench.refused(&Command::Start);
    let expected =
        format!("{asked}: 2 of 110 did, and 640 more without a difference would show it");
    assert!(refused.contains(&expected), "{refused}");
    let by_hand = Command::SetWeight {
        weight: percent(3),
        reason: "test".to_owned(),
    };
    assert!(bench.refused(&by_hand).contains(asked));
    bench.copies = Ok(Arc::new(report(true)));
    bench.turn();
    bench.accepted(&Command::Start);
    assert_eq!(bench.ramp(), "baking");
    // What is given out of date is not given: the next step waits, and nobody is taken back for it.
    bench.copies = Err("nothing is said of copies any more".to_owned());
    bench.run_fine(60);
    assert_eq!(bench.ramp(), "baking");
    let waits = bench.observed(|it| waits(&bench.plan, &bench.state, it, bench.now));
    let waits: Vec<String> = waits.iter().map(ToString::to_string).collect();
    assert_eq!(
        waits,
        [format!("gate: {asked}: nothing is said of copies any more")]
    );
    // No copy is sent then, so that nothing could ever be shown.
    bench.accepted(&Command::Rollback {
        reason: "test".to_owned(),
    });
    let refused = bench.refused(&Command::Resume {
        reason: "test".to_owned(),
        step: None,
    });
    assert!(
        refused.contains("reload without max_difference"),
        "{refused}"
    );
}

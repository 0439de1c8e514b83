//! The digest changes with everything that a running ramp depends on, and with nothing else.

use std::time::Duration;

use super::bench::{percent, plan, replication, share};
use crate::{
    cutover::plan_digest,
    plan::{
        AdvanceOn, BothBad, DrillGate, Gate, GateCondition, LagGate, Limit, Plan, Reading,
        RoutePlan, ShadowPlan, StartMode, Sticky, Symptom, Symptoms, TripAction, Writes,
    },
    units::{Direction, Factor, Side},
};

#[test]
fn it_is_the_same_in_every_version() {
    // A change of this value makes every running ramp hold when the program is replaced.
    assert_eq!(plan_digest(&plan()), "923a8dffefd80f9f");
}

fn lag_gate(held_for: Duration) -> Gate {
    Gate {
        above_weight: percent(5),
        condition: GateCondition::Lag(LagGate {
            replication: 0,
            direction: Direction::Forward,
            lag_below: Duration::from_secs(1),
            held_for,
            gap: Duration::from_secs(5),
        }),
    }
}

fn pinned(path: &str) -> RoutePlan {
    RoutePlan {
        name: "new".to_owned(),
        host: None,
        path: path.to_owned(),
        methods: Vec::new(),
        pin: Some(Side::New),
        writes: None,
        copied: None,
    }
}

/// Copies of which only so many percent may differ.
fn asking(percent: u32) -> ShadowPlan {
    ShadowPlan {
        max_difference: Some(share(percent)),
        ..ShadowPlan::of_every_request()
    }
}

#[test]
fn it_changes_with_what_a_ramp_depends_on() {
    let changes: [fn(&mut Plan); 34] = [
        |it| it.ramp.steps[0].weight = percent(6),
        |it| it.ramp.steps[0].bake += Duration::from_micros(1),
        |it| it.ramp.steps[0].requests += 1,
        |it| it.ramp.steps.truncate(2),
        |it| it.ramp.advance = AdvanceOn::Evidence,
        |it| it.evidence.false_alarms = share(1),
        |it| it.evidence.tolerated_errors = Factor::from_thousandths(1_001),
        |it| it.evidence.tolerated_latency.times = Factor::from_thousandths(1_101),
        |it| it.evidence.tolerated_latency.plus = Duration::from_millis(6),
        |it| it.evidence.error_limit = share(1),
        |it| it.evidence.by_route = Symptoms::NONE.with(Symptom::Slow),
        |it| it.triggers[0].name.push('!'),
        |it| it.triggers[0].reading = Reading::ConnectFailures,
        |it| it.triggers[0].limit = Limit::Share(share(3)),
        |it| it.triggers[0].limit = Limit::TimesOld(Factor::from_thousandths(20_000)),
        |it| it.triggers[0].window *= 2,
        |it| it.triggers[0].requests += 1,
        |it| it.rollback.both_bad = BothBad::Rollback,
        |it| it.rollback.window *= 2,
        |it| {
            it.gates.push(Gate {
                above_weight: percent(5),
                condition: GateCondition::Healthy(vec![Side::New]),
            });
        },
        |it| {
            it.gates.push(Gate {
                above_weight: percent(5),
                condition: GateCondition::Drill(DrillGate {
                    within: Duration::from_secs(60),
                }),
            });
        },
        |it| it.triggers[0].action = TripAction::Hold,
        |it| {
            it.triggers[0].reading = Reading::ReplicationLag {
                replication: 0,
                direction: Direction::Reverse,
            };
        },
        |it| it.replications.push(replication("old.example")),
        |it| it.replications.push(replication("other.example")),
        |it| it.gates.push(lag_gate(Duration::from_secs(60))),
        |it| it.gates.push(lag_gate(Duration::from_secs(61))),
        |it| it.split.read_your_writes = Some(Duration::from_secs(30)),
        |it| it.split.writes = Writes::Old,
        |it| it.split.sticky = Sticky::ClientIp,
        |it| it.upstreams.new.endpoints[0].port += 1,
        |it| it.routes.push(pinned("/new")),
        |it| it.shadow = Some(asking(1)),
        |it| it.shadow = Some(asking(2)),
    ];
    let mut digests = vec![plan_digest(&plan())];
    for change in changes {
        let mut other = plan();
        change(&mut other);
        digests.push(plan_digest(&other));
    }
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count, "each is another digest");
}

#[test]
fn it_does_not_change_with_anything_else() {
    let changes: [fn(&mut Plan); 3] = [
        |it| it.ramp.start = StartMode::Automatic,
        |it| it.name.push('!'),
        // Copies that nothing waits for.
        |it| it.shadow = Some(ShadowPlan::of_every_request()),
    ];
    for change in changes {
        let mut other = plan();
        change(&mut other);
        assert_eq!(plan_digest(&other), plan_digest(&plan()));
    }
}

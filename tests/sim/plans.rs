//! Plans for simulated worlds: one read from a file's text, and random ones made from it.

use std::{path::Path, time::Duration};

use changeover::{
    config,
    plan::{
        AdvanceOn, BothBad, EvidencePlan, Gate, GateCondition, LagGate, Limit, Plan, Reading,
        RoutePlan, StartMode, Step, Sticky, Trigger, TripAction, Writes,
    },
    units::{Direction, Factor, Percentile, Share, Side, Weight},
};
use fastrand::Rng;

/// Reads a plan as users write it.
pub(crate) fn parse(text: &str) -> Plan {
    let name = Path::new("simulation.toml");
    match config::parse(text, name, Path::new("")) {
        Ok(loaded) => loaded.plan,
        Err(faults) => panic!("the plan is well-formed: {faults}"),
    }
}

/// A plan of short steps and short windows, whatever they may be.
pub(crate) fn random(rng: &mut Rng, base: &Plan) -> Plan {
    let mut plan = base.clone();
    plan.ramp.steps = steps(rng);
    plan.ramp.start = match rng.bool() {
        true => StartMode::Automatic,
        false => StartMode::Manual,
    };
    plan.ramp.advance = match rng.u8(..3) {
        0 => AdvanceOn::Evidence,
        _ => AdvanceOn::Bake,
    };
    plan.evidence = evidence(rng);
    if rng.u8(..3) == 0 {
        plan.split.sticky = Sticky::None;
    }
    // Few lengths, since each costs a running sum.
    let windows = [
        Duration::from_millis(rng.u64(5..30) * 100),
        Duration::from_millis(rng.u64(20..50) * 100),
    ];
    plan.triggers = triggers(rng, windows);
    plan.gates = (0..rng.usize(..3)).map(|_| gate(rng)).collect();
    plan.rollback.both_bad = match rng.u8(..4) {
        0 => BothBad::Rollback,
        _ => BothBad::Hold,
    };
    plan.rollback.window = Duration::from_secs(rng.u64(1..30));
    plan.split.writes = match rng.u8(..6) {
        0 => Writes::Old,
        1 => Writes::New,
        _ => Writes::Split,
    };
    plan.routes = (0..rng.usize(..3)).map(|index| route(rng, index)).collect();
    plan
}

fn evidence(rng: &mut Rng) -> EvidencePlan {
    let share = |parts| Share::from_parts_per_million(parts).expect("below the whole");
    EvidencePlan {
        false_alarms: match rng.u8(..3) {
            0 => share(0),
            _ => share(rng.u32(1..100_000)),
        },
        tolerated_errors: Factor::from_thousandths(rng.u32(1_000..3_000)),
        tolerated_latency: EvidencePlan::DEFAULT.tolerated_latency,
        error_limit: share(rng.u32(10_000..200_000)),
        by_route: EvidencePlan::DEFAULT.by_route,
    }
}

fn steps(rng: &mut Rng) -> Vec<Step> {
    let mut weights: Vec<u16> = (0..rng.usize(..4)).map(|_| rng.u16(1..10_000)).collect();
    weights.push(10_000);
    if rng.bool() {
        // Drills are done at a low one.
        weights.push(rng.u16(1..1_000));
    }
    weights.sort_unstable();
    weights.dedup();
    let step = |points| Step {
        weight: Weight::from_basis_points(points).expect("in range"),
        bake: Duration::from_millis(rng.u64(1..80) * 100),
        requests: rng.u64(..100),
    };
    weights.into_iter().map(step).collect()
}

fn triggers(rng: &mut Rng, windows: [Duration; 2]) -> Vec<Trigger> {
    let mut found = Vec::new();
    for index in 0..rng.usize(1..5) {
        let percent = |rng: &mut Rng, most| {
            Share::from_parts_per_million(rng.u32(1..most) * 10_000).expect("below the whole")
        };
        let times = Limit::TimesOld(Factor::from_thousandths(rng.u32(1_100..4_000)));
        let millis = Limit::Latency(Duration::from_millis(rng.u64(30..400)));
        let percentile = *rng.choice(Percentile::ALL.iter()).expect("there are some");
        let trails = Reading::ReplicationLag {
            replication: 0,
            direction: Direction::Forward,
        };
        let (reading, limit) = match rng.u8(..12) {
            0..3 => (Reading::ErrorRate, Limit::Share(percent(rng, 20))),
            3 => (Reading::ErrorRate, times),
            4 => (Reading::ConnectFailures, Limit::Share(percent(rng, 50))),
            5 => (Reading::ConnectFailures, Limit::InARow(rng.u32(2..8))),
            6 => (Reading::Unhealthy, Limit::Share(percent(rng, 99))),
            7 => (Reading::Latency(percentile), times),
            8 | 9 => (
                trails,
                Limit::Latency(Duration::from_millis(rng.u64(500..4_500))),
            ),
            _ => (Reading::Latency(percentile), millis),
        };
        found.push(Trigger {
            name: match reading == trails {
                true => format!("lag{index}"),
                false => format!("t{index}"),
            },
            reading,
            limit,
            window: windows[rng.usize(..2)],
            requests: rng.u64(1..60),
            action: match rng.bool() && reading == trails {
                true => TripAction::Hold,
                false => TripAction::Rollback,
            },
        });
    }
    found
}

fn gate(rng: &mut Rng) -> Gate {
    let condition = match rng.u8(..5) {
        0 => GateCondition::Healthy(vec![Side::New]),
        1 => GateCondition::Healthy(vec![Side::Old]),
        2 => GateCondition::Healthy(vec![Side::Old, Side::New]),
        _ => GateCondition::Lag(LagGate {
            replication: 0,
            direction: match rng.bool() {
                true => Direction::Forward,
                false => Direction::Reverse,
            },
            lag_below: Duration::from_secs(rng.u64(1..4)),
            held_for: Duration::from_millis(rng.u64(..8_000)),
            gap: Duration::from_millis(rng.u64(..5_000)),
        }),
    };
    Gate {
        above_weight: Weight::from_basis_points(rng.u16(..9_999)).expect("in range"),
        condition,
    }
}

fn route(rng: &mut Rng, index: usize) -> RoutePlan {
    RoutePlan {
        name: format!("r{index}"),
        host: None,
        path: format!("/r{index}"),
        methods: Vec::new(),
        pin: match rng.u8(..6) {
            0 => Some(Side::Old),
            1 => Some(Side::New),
            _ => None,
        },
        writes: match rng.u8(..5) {
            0 => Some(Writes::New),
            1 => Some(Writes::Split),
            _ => None,
        },
        copied: None,
    }
}

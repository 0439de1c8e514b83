//! What the status says of replications, and of the gates that wait for them.

use crate::{
    control::{GateStatus, ReplicationStatus, describe::Scene},
    measure::{Lag, LagReading},
    plan::{Gate, GateCondition},
    units::Direction,
};

/// Each direction of each replication; reverse only where there is one.
pub(super) fn replications(scene: &Scene<'_>) -> Vec<ReplicationStatus> {
    let mut found = Vec::new();
    for replication in &scene.plan().replications {
        for direction in Direction::ALL {
            let board = &scene.observer.lag_board;
            let is_shown = direction == Direction::Forward;
            if is_shown || board.knows(&replication.name, direction) {
                found.push(one(scene, &replication.name, direction));
            }
        }
    }
    found
}

fn one(scene: &Scene<'_>, name: &str, direction: Direction) -> ReplicationStatus {
    let view = scene.observer.lag_board.view(name, direction, scene.at);
    let (lag, unknown): (Option<Lag>, _) = match view.reading {
        LagReading::Known(lag) => (Some(lag), None),
        LagReading::Unknown { why } => (None, Some(why)),
    };
    ReplicationStatus {
        name: name.to_owned(),
        direction,
        lag_s: lag.map(|it| it.span.as_secs_f64()),
        lag_max_s: view.span_max.map(|it| it.as_secs_f64()),
        bytes: lag.map(|it| it.bytes),
        wal_lasts_s: lag.and_then(|it| it.wal_lasts).map(|it| it.as_secs_f64()),
        unknown,
        unknown_readings: view.unknown,
        at: view.at,
    }
}

/// Every gate that asks for a lag.
pub(super) fn gates(scene: &Scene<'_>) -> Vec<GateStatus> {
    let gates = scene.plan().gates.iter().filter_map(|gate: &Gate| {
        let GateCondition::Lag(lag) = &gate.condition else {
            return None;
        };
        let stretch = scene.state.stretch(scene.plan(), lag);
        let stretch = stretch.cloned().unwrap_or_default();
        let name = &scene.plan().replications[lag.replication].name;
        Some(GateStatus {
            above_weight: gate.above_weight.percent(),
            replication: name.clone(),
            direction: lag.direction,
            lag_below_s: lag.lag_below.as_secs_f64(),
            satisfied: stretch.is_satisfied(lag.held_for),
            since: stretch.since,
            observed_s: stretch.observed.as_secs_f64(),
            needed_s: lag.held_for.as_secs_f64(),
            unobserved_s: stretch.unobserved.as_secs_f64(),
            gaps: stretch.gaps,
            earliest: stretch.earliest(lag.held_for, scene.at),
            broken_at: stretch.broken.as_ref().map(|it| it.at),
            broken_by: stretch.broken.map(|it| it.by),
        })
    });
    gates.collect()
}

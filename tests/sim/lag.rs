//! The simulated replication: how far it trails, and what a gate that waits for it has really been shown.

use std::{collections::BTreeMap, time::Duration};

use changeover::{
    cutover::{LagReadings, Observation, State},
    measure::{Lag, LagReading},
    plan::{GateCondition, LagGate, Limit, Plan, Reading, Trigger, TripAction},
    units::Timestamp,
};
use fastrand::Rng;

/// How a replication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trail {
    /// It trails by so much.
    By(Duration),
    /// Nobody knows.
    Unknown,
}

impl Trail {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        match rng.u8(..8) {
            0..5 => Self::By(Duration::from_millis(20)),
            5 => Self::By(Duration::from_millis(rng.u64(..5_000))),
            _ => Self::Unknown,
        }
    }

    /// What the watch says of it.
    pub(crate) fn readings(self) -> LagReadings {
        let reading = match self {
            Self::By(span) => LagReading::Known(Lag {
                span,
                bytes: 0,
                wal_lasts: None,
            }),
            Self::Unknown => LagReading::unknown("nobody knows"),
        };
        LagReadings {
            forward: reading.clone(),
            reverse: reading,
        }
    }
}

/// What the world itself saw of what gates ask for, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<String, Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// For how long it held while the program looked, since it last did not.
    held: Duration,
    /// When the program last looked and it held.
    at: Option<Timestamp>,
}

impl Held {
    /// A process begins with what was saved.
    pub(crate) fn begin(&mut self, state: &State) {
        let saved = state.progress.stretches.iter().map(|(key, it)| {
            let seen = Seen {
                held: it.observed,
                at: it.seen_at,
            };
            (key.clone(), seen)
        });
        self.0 = saved.collect();
    }

    /// The program looks.
    pub(crate) fn look(&mut self, plan: &Plan, observation: &Observation<'_>, now: Timestamp) {
        let before = std::mem::take(&mut self.0);
        for gate in lag_gates(plan) {
            let key = gate.key(plan);
            let Seen { mut held, at } = before.get(&key).copied().unwrap_or_default();
            let passed = at.map_or(Duration::ZERO, |at| now.since(at));
            if passed > gate.gap.max(Duration::from_secs(1)) {
                held = Duration::ZERO;
            }
            let seen = match is_short(gate, observation) {
                Some(true) if passed <= Duration::from_secs(1) => Seen {
                    held: held + passed,
                    at: Some(now),
                },
                Some(true) => Seen {
                    held,
                    at: Some(now),
                },
                Some(false) => Seen::default(),
                None => Seen { held, at },
            };
            self.0.insert(key, seen);
        }
    }

    /// Whether what the program says to have observed is no more than the world has.
    pub(crate) fn covers(&self, state: &State) -> bool {
        let mut stretches = state.progress.stretches.iter();
        stretches.all(|(key, it)| self.0.get(key).is_some_and(|seen| it.observed <= seen.held))
    }

    /// Whether a gate may be passed now.
    pub(crate) fn lets_pass(
        &self,
        plan: &Plan,
        gate: &LagGate,
        observation: &Observation<'_>,
    ) -> bool {
        let seen = self.0.get(&gate.key(plan));
        is_short(gate, observation) == Some(true) && seen.is_some_and(|it| it.held >= gate.held_for)
    }
}

/// The gates of a plan that wait for a replication.
pub(crate) fn lag_gates(plan: &Plan) -> impl Iterator<Item = &LagGate> {
    plan.gates.iter().filter_map(|it| match &it.condition {
        GateCondition::Lag(gate) => Some(gate),
        GateCondition::Healthy(_) | GateCondition::Drill(_) => None,
    })
}

/// The triggers of a plan on a replication, each with what is really known of it: whether it is above the limit.
fn lag_triggers<'a>(
    plan: &'a Plan,
    observation: &'a Observation<'_>,
) -> impl Iterator<Item = (&'a Trigger, Option<bool>)> {
    plan.triggers.iter().filter_map(|it| {
        let (
            Reading::ReplicationLag {
                replication,
                direction,
            },
            Limit::Latency(limit),
        ) = (it.reading, it.limit)
        else {
            return None;
        };
        let is_above = match observation.lags.get(replication)?.of(direction) {
            LagReading::Known(lag) => Some(lag.span > limit),
            LagReading::Unknown { .. } => None,
        };
        Some((it, is_above))
    })
}

/// Whether a replication trails by more than a trigger allows.
pub(crate) fn is_too_long(plan: &Plan, observation: &Observation<'_>) -> bool {
    lag_triggers(plan, observation).any(|(_, is_above)| is_above == Some(true))
}

/// Whether it is known of every replication that a trigger watches how far it trails.
pub(crate) fn is_known(plan: &Plan, observation: &Observation<'_>) -> bool {
    lag_triggers(plan, observation).all(|(_, is_above)| is_above.is_some())
}

/// Whether a replication trails by more than a trigger that rolls back allows.
pub(crate) fn calls_for_rollback(plan: &Plan, observation: &Observation<'_>) -> bool {
    lag_triggers(plan, observation)
        .any(|(trigger, is_above)| trigger.action == TripAction::Rollback && is_above == Some(true))
}

/// Whether the lag is below what the gate asks for; `None` where nobody knows.
fn is_short(gate: &LagGate, observation: &Observation<'_>) -> Option<bool> {
    match observation.lags.get(gate.replication)?.of(gate.direction) {
        LagReading::Known(lag) => Some(lag.span < gate.lag_below),
        LagReading::Unknown { .. } => None,
    }
}

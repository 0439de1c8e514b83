//! The ramp: its steps, what must hold between them, and the way back.

use std::time::Duration;

use crate::{
    plan::{Plan, Window},
    units::{Direction, Side, Weight},
};

/// The sequence of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RampPlan {
    /// Whether `serve` starts the ramp by itself.
    pub start: StartMode,
    /// What ends a step beside its bake and its requests.
    pub advance: AdvanceOn,
    /// At least one; weights strictly rise and the last one is 100 %.
    pub steps: Vec<Step>,
    /// When starts and advances may happen; `None` is always.
    pub window: Option<Window>,
}

/// Who starts the ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// An operator, with `ramp start`.
    Manual,
    /// `serve`, as soon as every worker reports and no trigger breaches.
    Automatic,
}

/// What ends a step beside its bake and its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvanceOn {
    /// Evidence that new fails less often than [`EvidencePlan::error_limit`](crate::plan::EvidencePlan::error_limit).
    Evidence,
    /// Nothing.
    Bake,
}

/// One weight with what it takes to leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The weight during the step.
    pub weight: Weight,
    /// The observed time at this weight before advancing.
    pub bake: Duration,
    /// Finished requests on new at this weight before advancing.
    pub requests: u64,
}

/// Something that must hold before the weight rises above a limit. Failing it holds; it never rolls back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Steps above this weight wait for the condition.
    pub above_weight: Weight,
    /// What must hold.
    pub condition: GateCondition,
}

/// What a gate asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateCondition {
    /// Every endpoint of these sides passes its active health check and is not ejected.
    Healthy(Vec<Side>),
    /// A replication trails by little, and has for a while.
    Lag(LagGate),
    /// A drill has shown that the way back works.
    Drill(DrillGate),
}

/// What a gate asks of drills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrillGate {
    /// How old the last drill may be that was passed with this plan.
    pub within: Duration,
}

/// What a gate asks of a replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagGate {
    /// Its place in [`Plan::replications`].
    pub replication: usize,
    /// Which way.
    pub direction: Direction,
    /// The lag that it must be below.
    pub lag_below: Duration,
    /// For how long, observed.
    pub held_for: Duration,
    /// Not to be observed for longer than this starts that time anew.
    pub gap: Duration,
}

impl LagGate {
    /// What names its stretch from one run of the program to the next: that of other databases, or of another limit, is
    /// another stretch.
    #[must_use]
    pub fn key(&self, plan: &Plan) -> String {
        let replication = &plan.replications[self.replication];
        let (name, databases) = (&replication.name, &replication.databases);
        let (old, new) = (&databases.old, &databases.new);
        let (direction, micros) = (self.direction, self.lag_below.as_micros());
        format!("{direction} {micros} {old} {new} {name}")
    }
}

/// How a rollback is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPlan {
    /// What a trip does when old breaches as well, or is gone.
    pub both_bad: BothBad,
    /// How long tunnels to new may go on after a rollback.
    pub tunnels: Duration,
    /// How long triggers stay armed after completion; then the way back is closed.
    pub window: Duration,
}

/// What a trip does when old is bad as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BothBad {
    /// Stay at the weight in force and page.
    Hold,
    /// Roll back all the same.
    Rollback,
}

//! Gates: what must hold before the weight rises above a limit. A gate that fails holds; it never rolls back.

use crate::{
    cutover::{Observation, Wait},
    plan::{GateCondition, Plan},
    units::Weight,
};

/// The gates that keep the weight from rising to `weight`.
pub(super) fn waits(plan: &Plan, observation: &Observation<'_>, weight: Weight) -> Vec<Wait> {
    let mut found = Vec::new();
    for gate in plan.gates.iter().filter(|it| weight > it.above_weight) {
        match &gate.condition {
            GateCondition::Healthy(sides) => {
                for side in sides {
                    let count = observation.health[*side];
                    if count.usable < count.endpoints {
                        let (usable, all) = (count.usable, count.endpoints);
                        let above = gate.above_weight;
                        let what = format!(
                            "above {above} every endpoint of {side} must be usable, {usable} of {all} are"
                        );
                        found.push(Wait::Gate { what });
                    }
                }
            }
        }
    }
    found
}

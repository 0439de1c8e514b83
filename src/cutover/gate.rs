//! Gates: what must hold before the weight rises above a limit. A gate that fails holds; it never rolls back.

mod told;

pub use told::{GateTerms, GateTold};
pub(super) use told::{after as told_after, tell};

use std::time::Duration;

use crate::{
    cutover::{
        LagReadings, Observation, Ramp, State, Stretch, Wait, dns, drill, stretch::Seen, wait::Span,
    },
    measure::LagReading,
    plan::{Gate, GateCondition, LagGate, Plan},
    units::{Timestamp, Weight},
};

/// The gates that keep the weight from rising to `weight`.
pub(super) fn waits(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    weight: Weight,
) -> Vec<Wait> {
    let mut found = Vec::new();
    found.extend(copies(plan, state, observation, weight));
    for gate in plan.gates.iter().filter(|it| weight > it.above_weight) {
        let above = gate.above_weight;
        match &gate.condition {
            GateCondition::Healthy(sides) => {
                for side in sides {
                    let count = observation.health[*side];
                    if count.usable < count.endpoints {
                        let (usable, all) = (count.usable, count.endpoints);
                        let what = format!(
                            "above {above} every endpoint of {side} must be usable, {usable} of {all} are"
                        );
                        found.push(Wait::Gate { what });
                    }
                }
            }
            // A drill goes back to where it was.
            GateCondition::Drill(_) if weight <= state.position.weight => (),
            GateCondition::Drill(_) if state.position.drilling().is_some() => (),
            GateCondition::Drill(asked) => {
                let (position, watch) = (&state.position, &state.watch);
                let now = watch.turned_at.unwrap_or(position.at);
                if let Some(what) = drill::missing(*asked, position, &watch.plan, now) {
                    let what = format!("above {above} {what}: `changeover drill`");
                    found.push(Wait::Gate { what });
                }
            }
            GateCondition::Lag(lag) => {
                let stretch = state.stretch(plan, lag);
                if !stretch.is_some_and(|it| it.is_satisfied(lag.held_for)) {
                    let what = format!("above {above} {}", sentence(plan, lag, stretch));
                    found.push(Wait::Gate { what });
                }
            }
        }
    }
    found
}

/// What copies of requests have to show before the weight rises, where the plan asks for it.
fn copies(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    weight: Weight,
) -> Option<Wait> {
    let most = plan.shadow.as_ref()?.max_difference?;
    if weight <= state.position.weight {
        return None;
    }
    let asked = format!("no more than {most} of copies to new may differ beyond noise");
    let mut missing = match observation.copies {
        Err(why) => why.clone(),
        Ok(report) => match report.gate {
            Some(gate) if gate.is_given => return None,
            Some(gate) => {
                let (left, unexplained) = (gate.copies_left, report.unexplained);
                let compared = report.compared.new;
                format!(
                    "{unexplained} of {compared} did, and {left} more without a difference would show it"
                )
            }
            None => "the report is of another configuration".to_owned(),
        },
    };
    let is_rolled_back = matches!(state.position.ramp, Ramp::RolledBack { .. });
    if is_rolled_back && state.position.drilling().is_none() {
        missing.push_str(
            "; none is sent while everything is rolled back: reload without max_difference to resume",
        );
    }
    let what = format!("{asked}: {missing}");
    Some(Wait::Gate { what })
}

/// Looks at every gate that has to hold for a while, and goes on from there.
pub(super) fn look(plan: &Plan, state: &mut State, observation: &Observation<'_>, now: Timestamp) {
    let mut before = std::mem::take(&mut state.progress.stretches);
    for lag in lag_gates(plan) {
        let key = lag.key(plan);
        let mut stretch = before.get(&key).cloned().unwrap_or_default();
        let since = stretch.since;
        stretch.look(seen(lag, observation.lags), lag.gap, now);
        if since.is_some() && stretch.since != since {
            // Saved at once, so that a kill does not make a gap of what was seen to be broken.
            state.watch.snapshot_at = None;
        }
        state.progress.stretches.insert(key, stretch);
    }
    // Another look is at these.
    before.retain(|key, _| dns::is_key(key));
    state.progress.stretches.append(&mut before);
}

/// The gates of a plan that ask for a lag.
pub fn lag_gates(plan: &Plan) -> impl Iterator<Item = &LagGate> {
    plan.gates
        .iter()
        .filter_map(|it: &Gate| match &it.condition {
            GateCondition::Lag(lag) => Some(lag),
            GateCondition::Healthy(_) | GateCondition::Drill(_) => None,
        })
}

fn seen(gate: &LagGate, lags: &[LagReadings]) -> Seen {
    let Some(readings) = lags.get(gate.replication) else {
        return Seen::Nothing("it was not read yet".to_owned());
    };
    match readings.of(gate.direction) {
        LagReading::Known(lag) if lag.span < gate.lag_below => Seen::Holds,
        LagReading::Known(lag) => Seen::Fails(format!("lag {}", Span(lag.span))),
        LagReading::Unknown { why } => Seen::Nothing(why.clone()),
    }
}

/// What the gate asks, since when that has held, and what broke it last.
fn sentence(plan: &Plan, gate: &LagGate, stretch: Option<&Stretch>) -> String {
    let name = &plan.replications[gate.replication].name;
    let (direction, below, needed) = (gate.direction, Span(gate.lag_below), Span(gate.held_for));
    let mut said = Vec::new();
    let since = stretch.and_then(|it| Some((it, it.since?)));
    match since {
        Some((stretch, since)) => {
            let observed = Span(whole_seconds(stretch.observed));
            said.push(format!("{observed} observed since {since}"));
            if stretch.gaps > 0 {
                let gaps = Span(whole_seconds(stretch.unobserved));
                said.push(format!("{gaps} not observed"));
            }
            if !stretch.holds {
                said.push("not known now".to_owned());
            }
        }
        None => said.push("it does not hold now".to_owned()),
    }
    if let Some(broken) = stretch.and_then(|it| it.broken.as_ref()) {
        said.push(format!("broken at {} ({})", broken.at, broken.by));
    }
    let said = said.join(", ");
    format!("the {direction} lag of {name} must have been below {below} for {needed}: {said}")
}

fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

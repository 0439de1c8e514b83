//! What an advance (or, while idle, the start) waits for.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Coverage, HoldCause, Observation, Ramp, State, StoreState, Verdict, gate, trigger},
    evidence::Finding,
    measure::LagReading,
    plan::{AdvanceOn, Limit, Plan, Reading, StaysOnOld, Step, Trigger, Writes},
    units::{Side, Timestamp, Weight},
};

/// One thing that keeps the ramp from going on. `Display` is a phrase such as "bake: 34 s left".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Wait {
    /// The bake has this long to go.
    Bake {
        /// Observed time still needed.
        remaining: Duration,
    },
    /// Too few requests on new at this weight.
    Requests {
        /// So far.
        seen: u64,
        /// Needed.
        needed: u64,
    },
    /// A trigger breaches or does not know.
    Trigger {
        /// Its name.
        name: String,
        /// What it says.
        verdict: Verdict,
    },
    /// New is not shown to be good enough yet.
    Evidence {
        /// How many more requests on new without an error would show it.
        requests_left: u64,
    },
    /// A test has gathered much against new, if not enough to trip.
    Doubt {
        /// What, in words.
        what: String,
    },
    /// A replication trails by too much for a trigger, or nobody knows by how much.
    Replication {
        /// Which, and what is known of it, in words.
        what: String,
    },
    /// A gate does not hold.
    Gate {
        /// What it asks and what is there, in words.
        what: String,
    },
    /// The ramp's window is closed.
    Window {
        /// When it opens, if it ever does.
        opens_at: Option<Timestamp>,
    },
    /// The journal cannot be written, or is behind.
    Store {
        /// What the store said.
        error: String,
    },
    /// The wall clock jumped and has not agreed for long enough.
    Clock {
        /// Agreement still needed.
        remaining: Duration,
    },
    /// Some worker does not report.
    Coverage,
    /// The last step cannot complete while the split still sends something to old.
    StillOnOld {
        /// `writes = "old"` or the pinned route, in words.
        what: String,
    },
    /// A drill is under way.
    Drill {
        /// Which, in words.
        what: String,
    },
    /// An operator has to resume.
    Resume {
        /// Why the ramp stays, in words.
        why: String,
    },
}

/// Everything that keeps the ramp from going on now; empty when it may, and where nothing is left to do.
///
/// While the ramp is idle it is what the start waits for; an operator's is needed beside it unless the plan
/// starts by itself.
#[must_use]
pub fn waits(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    now: Timestamp,
) -> Vec<Wait> {
    if let Some(drill) = state.position.drilling() {
        let what = drill.injection.to_string();
        let is_back = state.position.weight == Weight::NONE;
        let what = match is_back {
            true => format!("{what}; it goes back by itself"),
            false => what,
        };
        let mut found = vec![Wait::Drill { what }];
        if is_back {
            found.extend(to_raise(plan, state, observation, drill.weight));
        }
        return found;
    }
    match &state.position.ramp {
        Ramp::Idle => {
            let mut found = ready(plan, state, observation, now);
            found.extend(to_raise(
                plan,
                state,
                observation,
                plan.ramp.steps[0].weight,
            ));
            found
        }
        Ramp::Baking { step, .. } => {
            let mut found = bake(&plan.ramp.steps[*step], state);
            found.extend(triggers(plan, state, observation));
            found.extend(evidence(plan, observation));
            found.extend(doubts(observation, Finding::is_doubt));
            found.extend(ready(plan, state, observation, now));
            match plan.ramp.steps.get(step + 1) {
                Some(next) => found.extend(gate::waits(plan, state, observation, next.weight)),
                None => found.extend(still_on_old(plan)),
            }
            found
        }
        Ramp::Holding { cause, .. } => vec![Wait::resume(cause)],
        Ramp::RolledBack { .. } => vec![Wait::Resume {
            why: "everything was rolled back".to_owned(),
        }],
        Ramp::Complete { .. } => Vec::new(),
    }
}

/// What is left of the step's bake.
fn bake(step: &Step, state: &State) -> Vec<Wait> {
    let mut found = Vec::new();
    let progress = &state.progress;
    let remaining = step.bake.saturating_sub(progress.baked);
    if remaining > Duration::ZERO {
        found.push(Wait::Bake { remaining });
    }
    let (seen, needed) = (progress.requests, step.requests);
    if seen < needed {
        found.push(Wait::Requests { seen, needed });
    }
    found
}

/// The triggers that do not say that all is well. A blind one neither trips nor holds.
fn triggers(plan: &Plan, state: &State, observation: &Observation<'_>) -> Vec<Wait> {
    let judged = plan.triggers.iter().zip(&state.watch.evaluations);
    let seeing = judged.filter(|(trigger, _)| !trigger.is_blind_at(state.position.weight));
    let unclear = seeing.filter(|(_, it)| it.for_advancing != Verdict::Clear);
    unclear
        .map(|(trigger, it)| match trigger.reading {
            Reading::ReplicationLag { .. } => {
                let (name, found) = (&trigger.name, lag_of(plan, trigger, observation));
                Wait::Replication {
                    what: format!("trigger {name}: {found}"),
                }
            }
            Reading::ErrorRate
            | Reading::Latency(_)
            | Reading::ConnectFailures
            | Reading::Unhealthy => Wait::Trigger {
                name: trigger.name.clone(),
                verdict: it.for_advancing,
            },
        })
        .collect()
}

/// The lag that a trigger watches, in words.
fn lag_of(plan: &Plan, trigger: &Trigger, observation: &Observation<'_>) -> String {
    let reading = trigger::lag(trigger.reading, observation);
    let name = match trigger.reading {
        Reading::ReplicationLag { replication, .. } => plan.replications.get(replication),
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::ConnectFailures
        | Reading::Unhealthy => None,
    };
    let name = name.map_or("it", |it| it.name.as_str());
    match reading {
        Some(LagReading::Known(lag)) => format!("the lag of {name} is {}", Span(lag.span)),
        Some(LagReading::Unknown { why }) => format!("the lag of {name} is not known: {why}"),
        None => format!("the lag of {name} was not read yet"),
    }
}

/// What is missing for going on, where that takes evidence.
fn evidence(plan: &Plan, observation: &Observation<'_>) -> Option<Wait> {
    match plan.ramp.advance {
        AdvanceOn::Evidence => {
            let permit = observation.evidence.permit();
            let requests_left = permit.requests_left;
            (!permit.is_given).then_some(Wait::Evidence { requests_left })
        }
        AdvanceOn::Bake => None,
    }
}

/// The tests that have gathered too much against new.
pub(super) fn doubts(
    observation: &Observation<'_>,
    is_too_much: impl Fn(&Finding) -> bool,
) -> impl Iterator<Item = Wait> {
    let found = observation.evidence.findings();
    found.filter(is_too_much).map(|it| Wait::Doubt {
        what: it.to_string(),
    })
}

/// What every start and advance needs, whatever the weight.
pub(super) fn ready(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    now: Timestamp,
) -> Vec<Wait> {
    let mut found = Vec::new();
    let wall = state.watch.clock.wall(now);
    if let Some(window) = &plan.ramp.window
        && !window.is_open(wall)
    {
        let opens_at = window.next_opening(wall);
        found.push(Wait::Window { opens_at });
    }
    found.extend(store(state, observation));
    if let Some(remaining) = state.watch.clock.remaining() {
        found.push(Wait::Clock { remaining });
    }
    match observation.coverage {
        Coverage::Full => (),
        Coverage::Partial => found.push(Wait::Coverage),
    }
    if observation.health[Side::Old].usable == 0 {
        found.push(Wait::Gate {
            what: "old has no usable endpoint, and the way back needs one".to_owned(),
        });
    }
    found
}

/// Whether the journal takes an entry that must be recorded first. What is in force comes before it, so that
/// the journal never says that the ramp went on from where it no longer was.
pub(super) fn store(state: &State, observation: &Observation<'_>) -> Option<Wait> {
    if let StoreState::Failing { error } = &observation.store {
        let error = error.clone();
        return Some(Wait::Store { error });
    }
    let behind = state.watch.unrecorded.first()?;
    Some(Wait::Store {
        error: format!("entry {behind} is not recorded yet"),
    })
}

/// What a raise to `weight` needs of the environments, by the plan or by hand.
pub(super) fn to_raise(
    plan: &Plan,
    state: &State,
    observation: &Observation<'_>,
    weight: Weight,
) -> Vec<Wait> {
    let mut found = breaches(plan, state);
    found.extend(doubts(observation, Finding::is_trip));
    if observation.health[Side::New].usable == 0 {
        found.push(Wait::Gate {
            what: "new has no usable endpoint".to_owned(),
        });
    }
    found.extend(gate::waits(plan, state, observation, weight));
    found
}

/// The triggers that are known to breach. While nothing goes to new, what was measured there is of the past, and
/// only what is known without traffic counts.
pub(super) fn breaches(plan: &Plan, state: &State) -> Vec<Wait> {
    let weight = state.position.weight;
    let judged = plan.triggers.iter().zip(&state.watch.evaluations);
    let present = judged.filter(|(trigger, _)| {
        let is_past = weight == Weight::NONE && !needs_no_traffic(trigger);
        !is_past && !trigger.is_blind_at(weight)
    });
    let bad = present.filter(|(_, it)| it.is_breach());
    bad.map(|(trigger, _)| Wait::Trigger {
        name: trigger.name.clone(),
        verdict: Verdict::Breach,
    })
    .collect()
}

/// Whether a trigger knows how new is while nothing is sent there.
fn needs_no_traffic(trigger: &Trigger) -> bool {
    let is_of_world = matches!(
        trigger.reading,
        Reading::Unhealthy | Reading::ReplicationLag { .. }
    );
    is_of_world || matches!(trigger.limit, Limit::InARow(_))
}

/// What the split sends to old whatever the weight, so that new could not hold all traffic.
pub(super) fn still_on_old(plan: &Plan) -> Vec<Wait> {
    let mut found = Vec::new();
    if plan.split.writes == Writes::Old {
        found.push("writes = \"old\"".to_owned());
    }
    for route in &plan.routes {
        match route.stays_on_old() {
            Some(StaysOnOld::Everything) => {
                found.push(format!("route {} is pinned to old", route.name));
            }
            Some(StaysOnOld::Writes) => {
                found.push(format!("route {} sends writes to old", route.name));
            }
            None => (),
        }
    }
    let waits = found.into_iter().map(|what| Wait::StillOnOld { what });
    waits.collect()
}

impl Wait {
    fn resume(cause: &HoldCause) -> Self {
        Self::Resume {
            why: format!("held {cause}"),
        }
    }

    /// Whether it is a part of the bake: what passing time, more requests and calm triggers end.
    pub(super) const fn is_bake(&self) -> bool {
        match self {
            Self::Bake { .. }
            | Self::Requests { .. }
            | Self::Trigger { .. }
            | Self::Evidence { .. }
            | Self::Doubt { .. } => true,
            Self::Gate { .. }
            | Self::Replication { .. }
            | Self::Window { .. }
            | Self::Store { .. }
            | Self::Clock { .. }
            | Self::Coverage
            | Self::StillOnOld { .. }
            | Self::Drill { .. }
            | Self::Resume { .. } => false,
        }
    }

    /// Whether an operator's advance skips it: the rest of a bake, but never a breach.
    pub(super) fn is_skipped_by_advance(&self) -> bool {
        match self {
            Self::Trigger { verdict, .. } => *verdict != Verdict::Breach,
            Self::Doubt { .. } => false,
            _bake_or_not => self.is_bake(),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bake { remaining } => write!(f, "bake: {} left", Span(*remaining)),
            Self::Requests { seen, needed } => write!(f, "requests: {seen} of {needed} on new"),
            Self::Trigger { name, verdict } => match verdict {
                Verdict::Clear => write!(f, "trigger {name}: clear"),
                Verdict::Breach => write!(f, "trigger {name}: in breach"),
                Verdict::Unknown => write!(f, "trigger {name}: too few requests to say"),
            },
            Self::Evidence { requests_left } => write!(
                f,
                "evidence: {requests_left} more requests on new without an error"
            ),
            Self::Doubt { what } => write!(f, "evidence against new: {what}"),
            Self::Replication { what } => write!(f, "replication: {what}"),
            Self::Gate { what } => write!(f, "gate: {what}"),
            Self::Window { opens_at } => match opens_at {
                Some(at) => write!(f, "window: closed until {at}"),
                None => f.write_str("window: closed"),
            },
            Self::Store { error } => write!(f, "journal: {error}"),
            Self::Clock { remaining } => {
                let left = Span(*remaining);
                write!(f, "clock: jumped, {left} of agreement to go")
            }
            Self::Coverage => f.write_str("workers: not all of them report"),
            Self::StillOnOld { what } => write!(f, "still on old: {what}"),
            Self::Drill { what } => write!(f, "a drill: {what}"),
            Self::Resume { why } => write!(f, "resume: {why}"),
        }
    }
}

/// A span for people: "1 h 5 min", "2 min 3 s", "34 s", "250 ms".
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match (hours, minutes, rest) {
            (0, 0, 0) => write!(f, "{millis} ms"),
            (0, 0, _) if millis > 0 => write!(f, "{rest}.{} s", millis / 100),
            (0, 0, _) => write!(f, "{rest} s"),
            (0, _, 0) => write!(f, "{minutes} min"),
            (0, _, _) => write!(f, "{minutes} min {rest} s"),
            (_, 0, _) => write!(f, "{hours} h"),
            (_, _, _) => write!(f, "{hours} h {minutes} min"),
        }
    }
}

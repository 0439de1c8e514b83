//! What the journal is told of gates that ask for a lag: that one is satisfied, and that one is broken which was.
//!
//! ```text
//!                 it has held for long enough
//! not satisfied ──────────────────────────────▶ satisfied
//!               ◀──────────────────────────────
//!                 its stretch has ended
//! ```
//!
//! What was told last is part of the position, so that a restart tells nothing twice. A lag that swings around its limit
//! would fill the journal: of one gate it is told so many times an hour and no more, and what the journal says may then be
//! behind what `status` says, which a later entry puts right.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Change, Entry, Stretch,
        gate::whole_seconds,
        reload,
        transition::{Draft, Transition},
        wait::Span,
    },
    plan::{Gate, GateCondition, LagGate, Plan},
    units::{Direction, Timestamp, Weight},
};

/// Entries about one gate within [`BOUND_OVER`]: three times satisfied and broken tell that the lag swings.
const ENTRIES_MAX: usize = 6;

/// See [`ENTRIES_MAX`].
const BOUND_OVER: Duration = Duration::from_secs(60 * 60);

/// What a gate asks of a replication, as the plan had it. Another limit, or another time, is another gate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GateTerms {
    /// Steps above this weight wait for it.
    pub above_weight: Weight,
    /// The replication, by its name.
    pub replication: String,
    /// Which way.
    pub direction: Direction,
    /// The lag that it must be below.
    pub lag_below: Duration,
    /// For how long, observed.
    pub held_for: Duration,
}

/// What the journal said last of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateTold {
    /// Which.
    pub gate: GateTerms,
    /// What.
    pub is_satisfied: bool,
    /// When it said something of it, the latest last: as many as the bound is about.
    pub at: Vec<Timestamp>,
}

impl GateTerms {
    /// Those of a gate of the plan.
    #[must_use]
    pub fn of(plan: &Plan, above_weight: Weight, lag: &LagGate) -> Self {
        Self {
            above_weight,
            replication: plan.replications[lag.replication].name.clone(),
            direction: lag.direction,
            lag_below: lag.lag_below,
            held_for: lag.held_for,
        }
    }
}

/// What was told of gates, after an entry.
pub(in crate::cutover) fn after(before: &[GateTold], entry: &Entry) -> Vec<GateTold> {
    let mut told: Vec<GateTold> = before.to_vec();
    let (gate, is_satisfied, at) = match &entry.change {
        Change::GateSatisfied { gate } => (gate, true, entry.at),
        Change::GateBroken { gate } => (gate, false, entry.at),
        _other => return told,
    };
    // One that the plan does not have any more is forgotten once it bounds nothing.
    told.retain(|it| it.gate == *gate || it.is_satisfied || it.bounding(at).next().is_some());
    let index = told.iter().position(|it| it.gate == *gate);
    let index = index.unwrap_or_else(|| {
        told.push(GateTold {
            gate: gate.clone(),
            is_satisfied,
            at: Vec::new(),
        });
        told.len() - 1
    });
    let this = &mut told[index];
    this.is_satisfied = is_satisfied;
    this.at.push(at);
    if this.at.len() > ENTRIES_MAX {
        this.at.remove(0);
    }
    told
}

/// Has the journal told what is new of one gate; of another one next time.
pub(in crate::cutover) fn tell(transition: &mut Transition<'_>) {
    if reload::hindrance(transition).is_some() {
        return;
    }
    let gates = transition.plan.gates.iter();
    let news = gates.filter_map(|it| news(transition, it)).next();
    if let Some((change, reason)) = news {
        let draft = Draft {
            change,
            weight: transition.state.position.weight,
            actor: Actor::Plan,
            reason,
            explanation: None,
        };
        transition.put_in_force(draft, None);
    }
}

/// What the journal does not say yet of a gate, and why it is so.
fn news(transition: &Transition<'_>, gate: &Gate) -> Option<(Change, String)> {
    let GateCondition::Lag(lag) = &gate.condition else {
        return None;
    };
    let (plan, state, now) = (transition.plan, &transition.state, transition.context.now);
    let stretch = state.stretch(plan, lag)?;
    let gate = GateTerms::of(plan, gate.above_weight, lag);
    let told = state.position.gates.iter().find(|it| it.gate == gate);
    let last = told.filter(|it| it.is_satisfied);
    let (change, reason) = match last.and_then(|it| it.at.last()) {
        None if stretch.is_satisfied(gate.held_for) => {
            let reason = satisfied(&gate, stretch);
            (Change::GateSatisfied { gate }, reason)
        }
        Some(at) if is_broken(stretch, gate.held_for, *at) => {
            let reason = broken(&gate, stretch);
            (Change::GateBroken { gate }, reason)
        }
        None | Some(_) => return None,
    };
    let within = told.map_or(0, |it| it.bounding(now).count());
    if within >= ENTRIES_MAX {
        return None;
    }
    let oldest = told.and_then(|it| it.bounding(now).next());
    let oldest = oldest.filter(|_| within + 1 == ENTRIES_MAX);
    Some(match oldest {
        Some(at) => {
            let again = at.after(BOUND_OVER);
            (
                change,
                format!("{reason}; nothing more is written of it before {again}"),
            )
        }
        None => (change, reason),
    })
}

/// Whether the stretch that made a gate satisfied, as was told at that time, has ended. One that a snapshot knows a second
/// less of has not.
fn is_broken(stretch: &Stretch, needed: Duration, told_at: Timestamp) -> bool {
    let goes_on = stretch.since.is_some_and(|since| since <= told_at);
    let stands = stretch.since.is_some() && stretch.observed >= needed;
    !goes_on && !stands
}

fn satisfied(gate: &GateTerms, stretch: &Stretch) -> String {
    let observed = Span(whole_seconds(stretch.observed));
    let held = format!("{}: {observed} observed", condition(gate));
    let held = match stretch.since {
        Some(since) => format!("{held} since {since}"),
        None => held,
    };
    match stretch.gaps {
        0 => held,
        _ => format!(
            "{held}, {} not observed",
            Span(whole_seconds(stretch.unobserved))
        ),
    }
}

fn broken(gate: &GateTerms, stretch: &Stretch) -> String {
    let condition = condition(gate);
    match &stretch.broken {
        Some(broken) => format!("{condition}: broken at {} ({})", broken.at, broken.by),
        None => format!("{condition}: it is looked at anew, as of other databases"),
    }
}

fn condition(gate: &GateTerms) -> String {
    let GateTerms {
        replication,
        direction,
        lag_below,
        ..
    } = gate;
    format!(
        "the {direction} lag of {replication} below {}",
        Span(*lag_below)
    )
}

impl GateTold {
    /// When those entries about it were written that the bound counts at `now`, the oldest first.
    fn bounding(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let written = self.at.iter().copied();
        written.filter(move |at| now.since(*at) < BOUND_OVER)
    }
}

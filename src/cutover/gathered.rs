//! What adds up from what the workers hand over: the part of an [`Observation`] that is reckoned and not read.
//!
//! Pure, so that it comes out the same in the control loop and in a replay of what was recorded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Coverage, Effect, Glance, Observation, Position, window_lengths},
    evidence::{Evidence, Ledger, Settings},
    measure::{Arrivals, Class, Interval, Measurement, Windows},
    plan::{Edition, Plan},
    split::Cause,
    units::{Generation, Side, Timestamp, Weight},
};

/// Windows, evidence and counts.
#[derive(Debug)]
pub struct Gathered {
    /// What triggers read; begins anew with the evidence.
    windows: Windows,
    /// What sequential tests have gathered.
    pub evidence: Evidence,
    /// The evidence from before a fault was injected.
    aside: Option<Box<Evidence>>,
    /// What arrives here.
    pub arrivals: Arrivals,
    /// The table in force, and the requests on new that finished at it.
    generation: Generation,
    weight: Weight,
    requests_on_new: u64,
    /// Requests that drills have touched.
    drilled: u64,
}

/// What of it a replay can begin with. Windows are left out: they fill again from what was handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    evidence: Evidence,
    arrivals: Arrivals,
    generation: Generation,
    weight: Weight,
    requests_on_new: u64,
    drilled: u64,
}

impl Basis {
    /// Whether a replay would go on from both in the same way.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        // As they are stored: what lasts for a tick, and names, which the plan has, are none of it.
        let stored = |it: &Self| serde_json::to_string(it).ok();
        stored(self) == stored(other)
    }
}

impl Gathered {
    /// What a process begins with: nothing but what a snapshot kept.
    #[must_use]
    pub fn new(plan: &Plan, position: &Position, ledger: Option<Ledger>) -> Self {
        let (in_force, since) = (
            (position.generation, position.weight),
            position.evidence_since,
        );
        let mut windows = Windows::new(&window_lengths(plan));
        windows.restart(since);
        Self {
            windows,
            evidence: Evidence::restored(Settings::of(plan), ledger, in_force, since),
            aside: None,
            arrivals: Arrivals::default(),
            generation: position.generation,
            weight: position.weight,
            requests_on_new: 0,
            drilled: 0,
        }
    }

    /// What a replay could begin with; `None` while a fault is injected.
    #[must_use]
    pub fn basis(&self) -> Option<Basis> {
        self.aside.is_none().then(|| Basis {
            evidence: self.evidence.clone(),
            arrivals: self.arrivals.clone(),
            generation: self.generation,
            weight: self.weight,
            requests_on_new: self.requests_on_new,
            drilled: self.drilled,
        })
    }

    /// Goes on from a basis, with the windows that have filled meanwhile.
    pub fn resume(&mut self, basis: Basis, plan: &Plan, evidence_since: Generation) {
        self.windows.keep(&window_lengths(plan));
        self.windows.restart(evidence_since);
        self.evidence = basis.evidence;
        self.aside = None;
        self.arrivals = basis.arrivals;
        self.generation = basis.generation;
        self.weight = basis.weight;
        self.requests_on_new = basis.requests_on_new;
        self.drilled = basis.drilled;
    }

    /// Takes in what was handed over since the last turn, and rolls everything to `now`.
    pub fn turn(&mut self, intervals: &[Interval], coverage: Coverage, now: Timestamp) {
        self.windows.turn(intervals, now);
        self.evidence.turn(intervals, now);
        for interval in intervals {
            self.drilled += interval.drilled;
            let finished = interval.measurements.iter();
            let counted = finished.filter(|it| counts_on_new(it, self.generation));
            self.requests_on_new += counted.map(|_| 1_u64).sum::<u64>();
        }
        let requests = intervals.iter().map(|it| &it.arrived);
        let is_whole = coverage == Coverage::Full;
        self.arrivals.turn(requests, is_whole, now);
    }

    /// Another plan is in force, for the same position. What was measured stays what it is; what is asked of it changes.
    pub fn reload(&mut self, edition: &Edition, position: &Position) {
        let plan = edition.plan();
        self.windows.keep(&window_lengths(plan));
        self.evidence.reload(
            Settings::of(plan),
            (position.generation, position.weight),
            position.evidence_since,
        );
        self.name_routes(edition);
    }

    /// Says what routes are called.
    pub fn name_routes(&mut self, edition: &Edition) {
        let names = edition.routes();
        let names = names.map(|(id, route)| (id, Arc::from(route.name.as_str())));
        self.evidence.name_routes(names.collect());
    }

    /// Follows an effect that changes what counts.
    pub fn follow(&mut self, effect: &Effect) {
        match effect {
            Effect::Publish {
                generation, weight, ..
            } => self.published(*generation, *weight),
            Effect::RestartEvidence(generation) => self.windows.restart(*generation),
            // What is measured from now on is of a fault that is injected.
            Effect::Inject(Some(_)) => self.aside = Some(Box::new(self.evidence.clone())),
            Effect::TakeUpEvidence(generation) => {
                if let Some(before) = self.aside.take() {
                    self.evidence = *before;
                    self.evidence.published(*generation, self.weight);
                }
                self.windows.restart(*generation);
            }
            Effect::Inject(None)
            | Effect::RecordFirst(_)
            | Effect::RecordAfter(_)
            | Effect::Snapshot(_)
            | Effect::Answered { .. }
            | Effect::Page { .. } => (),
        }
    }

    /// A table was published: requests on new are counted anew.
    pub fn published(&mut self, generation: Generation, weight: Weight) {
        self.evidence.published(generation, weight);
        self.generation = generation;
        self.weight = weight;
        self.requests_on_new = 0;
    }

    /// What the core sees, with what was read at this moment.
    #[must_use]
    pub fn observation<'a>(&'a self, glance: &'a Glance) -> Observation<'a> {
        Observation {
            windows: &self.windows,
            evidence: &self.evidence,
            coverage: glance.coverage,
            connects: glance.connects,
            health: glance.health,
            lags: &glance.lags,
            zone: &glance.zone,
            copies: &glance.copies,
            arrivals: &self.arrivals,
            store: glance.store.clone(),
            requests_on_new: self.requests_on_new,
            tunnels: glance.tunnels,
            drilled: self.drilled,
        }
    }
}

/// Whether it is a request on new that finished, sent at the generation in force, and says something about new.
fn counts_on_new(measurement: &Measurement, generation: Generation) -> bool {
    let Measurement::Finished(finished) = measurement else {
        return false;
    };
    let assignment = finished.assignment;
    assignment.side == Side::New
        && assignment.cause != Cause::Forced
        && assignment.generation == generation
        && !matches!(finished.class, Class::ClientAbort | Class::Proxy)
}

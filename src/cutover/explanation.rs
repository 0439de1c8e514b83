//! Why a decision was taken: which check, the numbers on both sides, and a sentence that says it to people.
//!
//! It is kept in the entry's own place in the journal, so that it can be asked for long after the numbers are gone. Nothing
//! is decided by it: replay needs none of it.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Actor, TriggerReading, trigger, wait::Span},
    evidence::{Evidence, Finding, Origin, Permit, Seen, Symptom},
    plan::{AdvanceOn, Reading, Trigger},
    units::{PerSide, Timestamp, Weight},
};

/// Routes that are named.
const ROUTES_MAX: usize = 5;

/// Why a decision was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What decided: `trigger:NAME`, `evidence:NAME`, `operator:NAME`, `bake`, or `plan` where another one was put in force.
    pub check: String,
    /// What was seen of both sides.
    pub sides: PerSide<SideSeen>,
    /// The limit that a trigger's reading was above, in its unit.
    pub limit: Option<f64>,
    /// The decimal logarithm of the evidence.
    pub evidence_log10: Option<f64>,
    /// What it had to reach.
    pub threshold_log10: Option<f64>,
    /// Since when that was seen: the evidence grew, the trigger's samples were bad, the step was baking.
    pub since: Option<Timestamp>,
    /// The routes that most of it came from on new, the first one with the most.
    pub routes: Vec<RouteSeen>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// What was seen of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideSeen {
    /// Requests that were looked at.
    pub requests: u64,
    /// Those of them that speak against the side, or with sticky clients the slots that they came from; absent where
    /// something else was looked at.
    pub events: Option<u64>,
    /// How long answers typically took, in milliseconds; absent where something else was looked at.
    pub latency_ms: Option<f64>,
    /// What a trigger read, in its unit; absent where something else was looked at.
    pub reading: Option<f64>,
}

/// What was seen of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSeen {
    /// Its name, or `rest`.
    pub name: String,
    /// Its requests.
    pub requests: PerSide<u64>,
    /// Those of them that speak against their side.
    pub events: PerSide<u64>,
}

/// What came of a check, as a sentence begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// All was taken back from this weight.
    WentBack(Weight),
    /// The ramp holds at this weight, since old is no better place to be.
    Held(Weight),
    /// The ramp holds at this weight, since its requests are not split as they should be.
    HeldForSplit(Weight),
}

/// A step that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baked<'a> {
    /// What happened of it: "step 2 baked for 10 min".
    pub(super) what: &'a str,
    pub(super) advance: AdvanceOn,
    pub(super) since: Option<Timestamp>,
    pub(super) actor: &'a Actor,
}

impl Explanation {
    /// Of what a sequential test found.
    pub(super) fn of_finding(
        finding: &Finding,
        evidence: &Evidence,
        outcome: Outcome,
        now: Timestamp,
    ) -> Self {
        let symptom = finding.symptom();
        let origins = finding
            .since
            .map(|since| evidence.origins(symptom, since))
            .unwrap_or_default();
        let within = finding
            .since
            .map(|it| format!(" within {}", Span(now.since(it))));
        let (what, numbers) = (finding.what(), finding.numbers());
        let (gathered, needed) = (finding.evidence_shown(), finding.threshold_shown());
        let sentence = format!(
            "{} by evidence of {what}: {numbers}{}{}; evidence {gathered}, threshold {needed}{}.",
            outcome.lead(),
            within.unwrap_or_default(),
            mostly(&origins),
            outcome.why_there(),
        );
        Self {
            check: format!("evidence:{}", finding.name()),
            sides: sides_of(finding),
            evidence_log10: log10(finding.ln_evidence),
            threshold_log10: log10(finding.ln_threshold),
            since: finding.since,
            routes: named(origins),
            ..Self::saying(sentence)
        }
    }

    /// Of a trigger's breach.
    pub(super) fn of_trigger(
        (trigger, reading): (&Trigger, &TriggerReading),
        evidence: &Evidence,
        outcome: Outcome,
        now: Timestamp,
    ) -> Self {
        let symptom = match trigger.reading {
            Reading::ErrorRate | Reading::ConnectFailures => Some(Symptom::Error),
            Reading::Latency(_) => Some(Symptom::Slow),
            Reading::Unhealthy | Reading::ReplicationLag { .. } => None,
        };
        let since = reading.run.map(|run| {
            let run = i64::try_from(run.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_micros(now.micros().saturating_sub(run))
        });
        let origins = symptom.zip(since);
        let origins = origins.map(|(symptom, since)| evidence.origins(symptom, since));
        let origins = origins.unwrap_or_default();
        let run = reading.run.map(|run| {
            let span = Span(run);
            format!(", {span} after the first bad sample")
        });
        let detail = trigger::describe(trigger, reading);
        let name = &trigger.name;
        let sentence = format!(
            "{} by trigger {name}: {detail}{}{}{}.",
            outcome.lead(),
            run.unwrap_or_default(),
            mostly(&origins),
            outcome.why_there(),
        );
        let side = |requests, reading| SideSeen {
            requests,
            reading,
            ..SideSeen::default()
        };
        Self {
            check: format!("trigger:{name}"),
            sides: PerSide {
                old: side(0, reading.old),
                new: side(reading.requests, reading.reading),
            },
            limit: reading.limit,
            since,
            routes: named(origins),
            ..Self::saying(sentence)
        }
    }

    /// Of a step that ended.
    pub(super) fn of_bake(baked: Baked<'_>, evidence: &Evidence) -> Self {
        let drawn = evidence.drawn();
        let permit = evidence.permit();
        let (new, old) = (drawn.new, drawn.old);
        let failed = format!(
            "{} of {} requests on new failed, {} of {} on old",
            new.errors, new.requests, old.errors, old.requests
        );
        let shown = shown(baked.advance, &permit);
        let skipped = match baked.actor {
            Actor::Plan => String::new(),
            Actor::Operator(name) => format!("; {name} skipped the rest"),
        };
        let mut sentence = format!("{}: {failed}{shown}{skipped}.", baked.what);
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let (evidence_log10, threshold_log10) = match baked.advance {
            AdvanceOn::Evidence => (log10(permit.ln_evidence), log10(permit.ln_threshold)),
            AdvanceOn::Bake => (None, None),
        };
        Self {
            check: match baked.actor {
                Actor::Plan => "bake".to_owned(),
                Actor::Operator(name) => format!("operator:{name}"),
            },
            sides: drawn_of(evidence),
            evidence_log10,
            threshold_log10,
            since: baked.since,
            ..Self::saying(sentence)
        }
    }

    /// Of what an operator asked for: "went back to old from 5%".
    pub(super) fn of_order(actor: &Actor, what: &str, reason: &str, evidence: &Evidence) -> Self {
        Self {
            check: format!("operator:{actor}"),
            sides: drawn_of(evidence),
            ..Self::saying(format!("{what}, by {actor}: {reason}."))
        }
    }

    /// Of another plan that was put in force.
    pub(super) fn of_plan(weight: Weight, difference: &str) -> Self {
        let sentence =
            format!("The ramp holds at {weight} since it runs under another plan: {difference}.");
        Self {
            check: "plan".to_owned(),
            ..Self::saying(sentence)
        }
    }

    fn saying(sentence: String) -> Self {
        Self {
            check: String::new(),
            sides: PerSide::default(),
            limit: None,
            evidence_log10: None,
            threshold_log10: None,
            since: None,
            routes: Vec::new(),
            sentence,
        }
    }
}

impl Outcome {
    fn lead(self) -> String {
        match self {
            Self::WentBack(from) => format!("Everything went back to old from {from}"),
            Self::Held(weight) | Self::HeldForSplit(weight) => {
                format!("The ramp holds at {weight}")
            }
        }
    }

    const fn why_there(self) -> &'static str {
        match self {
            Self::WentBack(_) => "",
            Self::Held(_) => "; old is not known to be better, so that somebody has to decide",
            Self::HeldForSplit(_) => {
                "; it says nothing of either side, so that somebody has to look"
            }
        }
    }
}

/// What the step showed of new, where steps end on that.
fn shown(advance: AdvanceOn, permit: &Permit) -> String {
    match advance {
        AdvanceOn::Evidence if permit.is_given => {
            let accepted = (permit.accepted * 1e6).round() / 1e4;
            format!(
                ", which shows that fewer than {accepted}% fail there; nothing speaks against new"
            )
        }
        AdvanceOn::Evidence | AdvanceOn::Bake => String::new(),
    }
}

/// ", 11 of the 12 on route checkout", where a route can be named.
fn mostly(origins: &[Origin]) -> String {
    let all: u64 = origins.iter().map(|it| it.events.new).sum();
    let mut text = String::new();
    if let Some(most) = origins.first().filter(|it| it.events.new > 0) {
        let (own, name) = (most.events.new, &most.name);
        let of = if own == all {
            "all of it".to_owned()
        } else {
            format!("{own} of {all} requests")
        };
        write!(text, ", {of} on route {name}").expect("writing to a string does not fail");
    }
    text
}

fn named(origins: Vec<Origin>) -> Vec<RouteSeen> {
    let most = origins.into_iter().filter(|it| it.events.new > 0);
    let most = most.take(ROUTES_MAX).map(|it| RouteSeen {
        name: it.name.to_string(),
        requests: it.requests,
        events: it.events,
    });
    most.collect()
}

fn sides_of(finding: &Finding) -> PerSide<SideSeen> {
    let (events, latency) = (finding.events(), finding.latency());
    PerSide::from_fn(|side| SideSeen {
        requests: finding.requests[side],
        events: match finding.seen {
            Seen::Events(_) => Some(events[side]),
            Seen::Latency(_) | Seen::Split { .. } => None,
        },
        latency_ms: latency[side].map(|it| thousandths(it.as_secs_f64() * 1e3)),
        reading: None,
    })
}

fn drawn_of(evidence: &Evidence) -> PerSide<SideSeen> {
    evidence.drawn().map(|it| SideSeen {
        requests: it.requests,
        events: Some(it.errors),
        ..SideSeen::default()
    })
}

/// Absent where there is none, or where there is no end to it.
fn log10(ln: f64) -> Option<f64> {
    let log10 = ln / std::f64::consts::LN_10;
    log10.is_finite().then(|| thousandths(log10))
}

/// To three places, which come back unchanged from any JSON parser.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

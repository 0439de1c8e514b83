//! What copies have shown so far: per route and place, with the evidence that it is no noise.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use crate::{
    evidence::{Excess, Sameness},
    plan::{LatencyTolerance, Samples, ShadowPlan},
    shadow::{
        Comparison, Counts, DifferenceReport, Dropped, GateReport, LatencyReport, Place, Report,
        RouteReport, Sample, Verdict,
        mask::{masked, shown},
        recent::Recent,
    },
    units::{PerSide, Share, Side, Timestamp},
};

/// Places that are kept count of; what is found at others is counted in one number.
const PLACES_MAX: usize = 1_000;

/// The evidence from which on a place is not taken for noise any more, though it is not shown to be a difference. Of places that are
/// noise no more than a quarter ever gets there, and comes back: that is a delay, and no fault.
const SUSPICION: f64 = 4.0;

/// Samples of one place and side.
const SAMPLES_MAX: usize = 3;

/// A copy that was compared.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The route's name.
    pub route: Arc<str>,
    /// Method and target.
    pub request: Request,
    /// Where it was sent.
    pub side: Side,
    /// The chance with which it was drawn to new; 1 where none goes to old.
    pub on_new: f64,
    /// How long its answer took; `None` where there was none.
    pub latency: Option<Duration>,
    /// What comparing it gave.
    pub comparison: Comparison,
}

/// What a sample says of its request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The beginning of the path that is the route's, and no secret.
    pub prefix: usize,
}

/// What copies have shown.
#[derive(Clone, Debug)]
pub struct Tally {
    plan: ShadowPlan,
    tolerated: LatencyTolerance,
    since: Timestamp,
    routes: BTreeMap<Arc<str>, Route>,
    places: u32,
    /// Differences at places beyond those that are kept count of.
    others: u64,
    sent: PerSide<u64>,
    differing: PerSide<u64>,
    /// Copies to new that differ beyond noise.
    unexplained: u64,
    unread: BTreeMap<&'static str, u64>,
    sameness: Sameness,
}

#[derive(Clone, Debug, Default)]
struct Route {
    compared: PerSide<u64>,
    differing: PerSide<u64>,
    latency: PerSide<Recent>,
    places: BTreeMap<Place, Seen>,
}

/// What was seen at one place.
#[derive(Clone, Debug)]
struct Seen {
    /// Its number among all places, in the order of their first difference.
    number: u32,
    excess: Excess,
    samples: PerSide<Vec<Sample>>,
}

impl Seen {
    /// Whether it may be taken for noise where new is to be shown to be the same: copies to old differ there as well, and nothing
    /// speaks for new differing more often. One of old's at a place where new keeps differing does not explain all of new's.
    fn is_known_noise(&self) -> bool {
        self.excess.events().old > 0 && self.excess.ln_evidence() < SUSPICION.ln()
    }

    fn verdict(&self) -> Verdict {
        if self.excess.ln_evidence() >= Excess::ln_threshold(self.number) {
            Verdict::Difference
        } else if self.excess.events().old > 0 {
            Verdict::Noise
        } else {
            Verdict::Open
        }
    }
}

impl Tally {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(plan: ShadowPlan, tolerated: LatencyTolerance, since: Timestamp) -> Self {
        Self {
            plan,
            tolerated,
            since,
            routes: BTreeMap::new(),
            places: 0,
            others: 0,
            sent: PerSide::default(),
            differing: PerSide::default(),
            unexplained: 0,
            unread: BTreeMap::new(),
            sameness: Sameness::new(),
        }
    }

    /// Takes a copy in.
    pub fn add(&mut self, compared: Compared) {
        let Compared {
            route,
            request,
            side,
            on_new,
            latency,
            comparison,
        } = compared;
        let Comparison {
            mut differences,
            unread,
        } = comparison;
        let route = self.routes.entry(route).or_default();
        if let Some(latency) = latency {
            differences.extend(late(route, side, latency, self.tolerated));
            route.latency[side].add(latency);
        }
        if let Some(why) = unread {
            *self.unread.entry(why).or_default() += 1;
        }
        let is_read = unread.is_none();
        let differs = !differences.is_empty();
        self.sent[side] += 1;
        route.compared[side] += 1;
        self.differing[side] += u64::from(differs);
        route.differing[side] += u64::from(differs);
        // What is noise is known from the copies before this one.
        let is_unexplained = differences.iter().any(|it| {
            let seen = route.places.get(&it.place);
            !seen.is_some_and(Seen::is_known_noise)
        });
        for difference in differences {
            let is_full = usize::try_from(self.places).is_ok_and(|it| it >= PLACES_MAX);
            let of_values = samples_of(&difference.place, self.plan.samples);
            let seen = match route.places.entry(difference.place) {
                Entry::Occupied(seen) => seen.into_mut(),
                Entry::Vacant(_) if is_full => {
                    self.others += 1;
                    continue;
                }
                Entry::Vacant(free) => {
                    self.places += 1;
                    free.insert(Seen {
                        number: self.places,
                        excess: Excess::new(),
                        samples: PerSide::default(),
                    })
                }
            };
            seen.excess.add(side, on_new);
            let samples = &mut seen.samples[side];
            if samples.len() < SAMPLES_MAX {
                let (old, copy) = (difference.old, difference.copy);
                let shown_as = (self.plan.samples, of_values);
                let sample = sample(shown_as, &request, side, &old, &copy);
                // Masked ones often say the same.
                if !samples.contains(&sample) {
                    samples.push(sample);
                }
            }
        }
        if side == Side::New {
            self.unexplained += u64::from(is_unexplained);
            let accepted = self.plan.max_difference.unwrap_or(Share::WHOLE);
            // What could not be read was not shown to be the same.
            if self.plan.max_difference.is_some() && (is_read || is_unexplained) {
                self.sameness.add(is_unexplained, accepted);
            }
        }
    }

    /// What that amounts to, and what was dropped.
    #[must_use]
    pub fn report(&self, at: Timestamp, dropped: Dropped) -> Report {
        let gate = self.plan.max_difference.map(|accepted| {
            let permit = self.sameness.permit(accepted);
            GateReport {
                max_difference: accepted.ratio(),
                is_given: permit.is_given,
                copies_left: permit.requests_left,
            }
        });
        let counts = |of: PerSide<u64>| Counts {
            old: of.old,
            new: of.new,
        };
        let unread = self.unread.iter().map(|(why, it)| ((*why).to_owned(), *it));
        Report {
            since: self.since,
            at,
            share: self.plan.share.ratio(),
            noise: self.plan.noise.ratio(),
            compared: counts(self.sent),
            differing: counts(self.differing),
            unexplained: self.unexplained,
            dropped,
            unread: unread.collect(),
            gate,
            routes: self.routes.iter().map(route_report).collect(),
            differences: self.differences(),
            others: self.others,
        }
    }

    /// Every place, what is worst first.
    fn differences(&self) -> Vec<DifferenceReport> {
        let places = self
            .routes
            .iter()
            .flat_map(|(name, route)| route.places.iter().map(move |it| (name, route, it)));
        let mut found: Vec<DifferenceReport> = places
            .map(|(name, route, (place, seen))| {
                let (events, all) = (seen.excess.events(), route.compared);
                DifferenceReport {
                    route: name.to_string(),
                    place: place.to_string(),
                    verdict: seen.verdict(),
                    old: events.old,
                    of_old: all.old,
                    new: events.new,
                    of_new: all.new,
                    ln_evidence: seen.excess.ln_evidence(),
                    ln_threshold: Excess::ln_threshold(seen.number),
                    samples: Side::ALL
                        .into_iter()
                        .rev()
                        .flat_map(|side| seen.samples[side].clone())
                        .collect(),
                }
            })
            .collect();
        let excess = |it: &DifferenceReport| it.ln_evidence - it.ln_threshold;
        found.sort_by(|a, b| {
            let by_verdict = a.verdict.cmp(&b.verdict);
            by_verdict
                .then(excess(b).total_cmp(&excess(a)))
                .then(b.new.cmp(&a.new))
        });
        found
    }
}

fn route_report((name, route): (&Arc<str>, &Route)) -> RouteReport {
    let latency = |percent| {
        let of = |side: Side| {
            let latency = route.latency[side].percentile(percent);
            latency.map(|it| it.as_secs_f64() * 1_000.0)
        };
        LatencyReport {
            old: of(Side::Old),
            new: of(Side::New),
        }
    };
    let counts = |of: PerSide<u64>| Counts {
        old: of.old,
        new: of.new,
    };
    RouteReport {
        name: name.to_string(),
        compared: counts(route.compared),
        differing: counts(route.differing),
        p50_ms: latency(50),
        p95_ms: latency(95),
    }
}

/// That an answer is late: later than nine of ten copies to old were so far, and for new by more than is tolerated.
fn late(
    route: &Route,
    side: Side,
    latency: Duration,
    tolerated: LatencyTolerance,
) -> Option<crate::shadow::Difference> {
    let usual = route.latency.old.usual()?;
    let most = match side {
        Side::Old => usual,
        Side::New => tolerated.of(usual),
    };
    let shown = |it: Duration| format!("{} ms", it.as_millis());
    (latency > most).then(|| crate::shadow::Difference {
        place: Place::Latency,
        old: format!("{} in nine of ten", shown(usual)),
        copy: shown(latency),
    })
}

/// How much is shown of what differs at a place: a status, a length or a time says nothing of anybody.
fn samples_of(place: &Place, samples: Samples) -> Samples {
    match place {
        Place::Header(_) | Place::Json(_) => samples,
        Place::Answer | Place::Status | Place::Body | Place::Latency => Samples::Shown,
    }
}

/// What was seen, its request and its values each shown as the pair says.
fn sample(
    (of_request, of_values): (Samples, Samples),
    request: &Request,
    side: Side,
    old: &str,
    copy: &str,
) -> Sample {
    let Request {
        method,
        target,
        prefix,
    } = request;
    let show = |samples, text: &str| match samples {
        Samples::Masked => masked(text),
        Samples::Shown => shown(text),
    };
    let (own, rest) = target.split_at_checked(*prefix).unwrap_or(("", target));
    Sample {
        request: format!("{method} {own}{}", show(of_request, rest)),
        to: side,
        old: show(of_values, old),
        copy: show(of_values, copy),
    }
}

//! What a trigger says about an observation.
//!
//! Whatever decides is compared as integers, and a reading breaches only strictly above its limit. For tripping
//! a reading is of its window; for advancing it reaches back within the step until `requests` is met, so that
//! little traffic delays an advance and does not forbid it.
//!
//! | Reading | Population | Samples | Bad ones |
//! |---|---|---|---|
//! | error rate, connect failures | all but forced | finished requests | errors, failures to connect |
//! | latency | all but forced | response heads and requests that wait for longer than the limit | those above it |
//! | either of them times old's own | drawn by weight | the same, on both sides | the same |
//! | connect failures in a row | all | | a run as long as the limit |
//! | unhealthy | | endpoints | those out of choice |
//! | replication lag | | the present reading | one above the limit |

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{ConnectRun, Observation, wait::Span},
    measure::{Class, LagReading, Population, Tally},
    plan::{Limit, Plan, Reading, Trigger},
    units::{Factor, PerSide, Percentile, Share, Side, Timestamp},
};

/// A relative limit on errors needs this many on new to be breached: 1.5 times no error at all is none, and
/// nobody wants a rollback for the first one. An absolute trigger beside it has no such allowance.
pub const RELATIVE_ERRORS_MIN: u64 = 5;

/// Failures to connect in a row that say that old is gone, where no trigger of the plan names a number.
const OLD_GONE_AFTER: u32 = 5;

/// What one trigger says; `reading` and `limit` are in the trigger's unit: a ratio, seconds, or a count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerReading {
    /// The trigger's name.
    pub name: String,
    /// What is measured, as in the configuration.
    pub kind: String,
    /// New's reading; absent without samples.
    pub reading: Option<f64>,
    /// The limit; absent where it is relative and old has no reading.
    pub limit: Option<f64>,
    /// Old's reading over the same window, where the limit is relative.
    pub old: Option<f64>,
    /// Samples on new in the window.
    pub requests: u64,
    /// What it says.
    pub verdict: Verdict,
    /// For a breach: how long ago the run of bad samples began.
    pub run: Option<Duration>,
}

/// What a trigger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the limit.
    Clear,
    /// Above the limit.
    Breach,
    /// Too few samples to say: holds, never trips.
    Unknown,
}

/// One look at a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evaluation {
    /// What it says about its window: what trips.
    pub(super) reading: TriggerReading,
    /// What it says to an advance.
    pub(super) for_advancing: Verdict,
}

/// What a look needs beside the trigger.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) observation: &'a Observation<'a>,
    /// New's failures to connect in a row, less those that are no evidence.
    pub(super) connects_on_new: ConnectRun,
    /// How far back an advance may look; `None` where the window has to do.
    pub(super) reach: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// Bad samples among all samples.
#[derive(Clone, Copy, Debug)]
struct Sample {
    bad: u64,
    of: u64,
}

/// The windows that the plan's triggers read: what [`Windows::new`](crate::measure::Windows::new) is to be given.
#[must_use]
pub fn window_lengths(plan: &Plan) -> Vec<Duration> {
    let mut lengths: Vec<Duration> = plan.triggers.iter().map(|it| it.window).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Looks at one trigger.
pub(super) fn evaluate(trigger: &Trigger, view: View<'_>) -> Evaluation {
    let look = look(trigger, view, Stretch::Window);
    let for_advancing = match (look.verdict, view.reach) {
        (Verdict::Unknown, Some(since)) => self::look(trigger, view, Stretch::Since(since)).verdict,
        (Verdict::Unknown, None) | (Verdict::Clear | Verdict::Breach, _) => look.verdict,
    };
    let run = match look.verdict {
        Verdict::Breach => run(trigger, view).map(|it| view.now.since(it)),
        Verdict::Clear | Verdict::Unknown => None,
    };
    let reading = TriggerReading {
        name: trigger.name.clone(),
        kind: trigger.reading.to_string(),
        reading: look.reading.map(rounded),
        limit: look.limit.map(rounded),
        old: look.old.map(rounded),
        requests: look.samples,
        verdict: look.verdict,
        run,
    };
    Evaluation {
        reading,
        for_advancing,
    }
}

/// Whether old is no better place to be: it breaches the same absolute limit, or is gone.
pub(super) fn is_old_bad(plan: &Plan, trigger: &Trigger, view: View<'_>) -> bool {
    let seen = tally(trigger, view, Stretch::Window, Side::Old, Population::All);
    if is_old_gone(plan, view, &seen) {
        return true;
    }
    match (trigger.reading, trigger.limit) {
        (Reading::ErrorRate | Reading::ConnectFailures, Limit::Share(share)) => {
            let sample = outcomes(trigger.reading, &seen);
            sample.judge(share, trigger.requests) == Verdict::Breach
        }
        (Reading::Latency(percentile), Limit::Latency(limit)) => {
            let sample = latencies(&seen, view, Side::Old, Population::All, limit);
            sample.judge(percentile.tail(), trigger.requests) == Verdict::Breach
        }
        (Reading::Unhealthy, Limit::Share(share)) => {
            unusable(view, Side::Old).judge(share, 0) == Verdict::Breach
        }
        // What is relative was already better on old, and a run was looked at above. The rest is no trigger.
        (_, Limit::TimesOld(_) | Limit::InARow(_))
        | (Reading::ErrorRate | Reading::ConnectFailures | Reading::Unhealthy, Limit::Latency(_))
        | (Reading::Latency(_), Limit::Share(_))
        | (Reading::ReplicationLag { .. }, Limit::Share(_) | Limit::Latency(_)) => false,
    }
}

/// Whether old is gone, by what was `seen` of it lately: it answers nothing well, or takes no connections.
pub(super) fn is_old_gone(plan: &Plan, view: View<'_>, seen: &Tally) -> bool {
    // Health checks alone may ask for a path that is not there: whoever answers requests is not gone.
    let answers = seen.requests() > seen.errors();
    if view.observation.health[Side::Old].usable == 0 && !answers {
        return true;
    }
    // A run says nothing once old gets no traffic that could end it, so the window must have seen it.
    let in_a_row = plan.triggers.iter().filter_map(|it| match it.limit {
        Limit::InARow(count) => Some(count),
        Limit::Share(_) | Limit::Latency(_) | Limit::TimesOld(_) => None,
    });
    let gone_after = in_a_row.min().unwrap_or(OLD_GONE_AFTER);
    let run = view.observation.connects[Side::Old];
    run.failures >= gone_after && seen.count(Class::Connect) > 0
}

/// The numbers of a trip in words: "error_rate 12.4% of 310 requests on new over 10 s, limit 2%".
pub(super) fn describe(trigger: &Trigger, look: &TriggerReading) -> String {
    let shown = |value: Option<f64>| match (value, trigger.reading) {
        (None, _) => "unknown".to_owned(),
        (Some(value), Reading::Latency(_) | Reading::ReplicationLag { .. }) => {
            Span(seconds(value)).to_string()
        }
        (Some(value), _) => format!("{}%", (value * 10_000.0).round() / 100.0),
    };
    let (kind, samples) = (&look.kind, look.requests);
    let over = Span(trigger.window);
    let reading = shown(look.reading);
    match (trigger.reading, trigger.limit) {
        (_, Limit::InARow(count)) => {
            let run = look.reading.unwrap_or_default();
            format!("{kind} {run} in a row on new, limit {count}")
        }
        (Reading::ReplicationLag { direction, .. }, _) => {
            let limit = shown(look.limit);
            format!("{kind} {reading} {direction}, limit {limit}")
        }
        (Reading::Unhealthy, _) => {
            let limit = shown(look.limit);
            format!("{kind} {reading} of {samples} endpoints of new, limit {limit}")
        }
        (_, Limit::TimesOld(factor)) => {
            let old = shown(look.old);
            format!(
                "{kind} {reading} of {samples} requests on new over {over}, limit {factor} old's {old}"
            )
        }
        (_, Limit::Share(_) | Limit::Latency(_)) => {
            let limit = shown(look.limit);
            format!("{kind} {reading} of {samples} requests on new over {over}, limit {limit}")
        }
    }
}

/// The stretch of time that is looked at.
#[derive(Clone, Copy, Debug)]
enum Stretch {
    /// The trigger's window.
    Window,
    /// At least that, and as far back as `requests` takes, but not before this.
    Since(Timestamp),
}

/// What a stretch shows.
#[derive(Clone, Copy, Debug)]
struct Look {
    reading: Option<f64>,
    limit: Option<f64>,
    old: Option<f64>,
    samples: u64,
    verdict: Verdict,
}

fn look(trigger: &Trigger, view: View<'_>, stretch: Stretch) -> Look {
    let on = |side, population| tally(trigger, view, stretch, side, population);
    match (trigger.reading, trigger.limit) {
        (Reading::ErrorRate | Reading::ConnectFailures, Limit::Share(share)) => {
            let sample = outcomes(trigger.reading, &on(Side::New, Population::All));
            sample.look(sample.judge(share, trigger.requests), share.ratio())
        }
        (Reading::ErrorRate | Reading::ConnectFailures, Limit::TimesOld(factor)) => {
            let both =
                PerSide::from_fn(|side| outcomes(trigger.reading, &on(side, Population::Drawn)));
            look_relative(both, factor, trigger.requests)
        }
        (Reading::Latency(percentile), Limit::Latency(limit)) => {
            let seen = on(Side::New, Population::All);
            look_latency(trigger, view, &seen, (Population::All, percentile, limit))
        }
        (Reading::Latency(percentile), Limit::TimesOld(factor)) => {
            let old = on(Side::Old, Population::Drawn);
            let limit = times(factor, old.latency(percentile));
            let seen = on(Side::New, Population::Drawn);
            let look = look_latency(trigger, view, &seen, (Population::Drawn, percentile, limit));
            look.beside(old.heads(), old.latency(percentile), trigger.requests)
        }
        (Reading::ConnectFailures, Limit::InARow(count)) => {
            let failures = view.connects_on_new.failures;
            Look {
                reading: Some(f64::from(failures)),
                limit: Some(f64::from(count)),
                old: None,
                samples: u64::from(failures),
                verdict: if failures >= count {
                    Verdict::Breach
                } else {
                    Verdict::Clear
                },
            }
        }
        (Reading::Unhealthy, Limit::Share(share)) => {
            let sample = unusable(view, Side::New);
            sample.look(sample.judge(share, 0), share.ratio())
        }
        (Reading::ReplicationLag { .. }, Limit::Latency(limit)) => {
            look_lag(lag(trigger.reading, view.observation), limit)
        }
        // The configuration lets none of these through; what cannot be read is not known.
        (Reading::ErrorRate, Limit::Latency(_) | Limit::InARow(_))
        | (Reading::ConnectFailures, Limit::Latency(_))
        | (Reading::Latency(_), Limit::Share(_) | Limit::InARow(_))
        | (Reading::Unhealthy, Limit::Latency(_) | Limit::TimesOld(_) | Limit::InARow(_))
        | (
            Reading::ReplicationLag { .. },
            Limit::Share(_) | Limit::TimesOld(_) | Limit::InARow(_),
        ) => Look {
            reading: None,
            limit: None,
            old: None,
            samples: 0,
            verdict: Verdict::Unknown,
        },
    }
}

/// What is known of the lag that a trigger reads, where it reads one.
pub(super) fn lag<'a>(reading: Reading, observation: &Observation<'a>) -> Option<&'a LagReading> {
    match reading {
        Reading::ReplicationLag {
            replication,
            direction,
        } => observation.lags.get(replication).map(|it| it.of(direction)),
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::ConnectFailures
        | Reading::Unhealthy => None,
    }
}

fn look_lag(reading: Option<&LagReading>, limit: Duration) -> Look {
    let span = match reading {
        Some(LagReading::Known(lag)) => Some(lag.span),
        Some(LagReading::Unknown { .. }) | None => None,
    };
    Look {
        reading: span.map(|it| it.as_secs_f64()),
        limit: Some(limit.as_secs_f64()),
        old: None,
        samples: u64::from(span.is_some()),
        verdict: match span {
            Some(span) if span > limit => Verdict::Breach,
            Some(_) => Verdict::Clear,
            None => Verdict::Unknown,
        },
    }
}

fn look_relative(both: PerSide<Sample>, factor: Factor, requests: u64) -> Look {
    let PerSide { old, new } = both;
    // new / new.of > factor * old / old.of, without a division.
    let left = u128::from(new.bad) * u128::from(old.of) * 1000;
    let right = u128::from(factor.thousandths()) * u128::from(old.bad) * u128::from(new.of);
    let verdict = if new.of < requests || old.of < requests {
        Verdict::Unknown
    } else if left > right && new.bad >= RELATIVE_ERRORS_MIN {
        Verdict::Breach
    } else {
        Verdict::Clear
    };
    let limit = old.ratio().map(|it| it * factor.ratio());
    Look {
        limit,
        old: old.ratio(),
        ..new.look(verdict, 0.0)
    }
}

fn look_latency(
    trigger: &Trigger,
    view: View<'_>,
    seen: &Tally,
    (population, percentile, limit): (Population, Percentile, Duration),
) -> Look {
    let sample = latencies(seen, view, Side::New, population, limit);
    let verdict = sample.judge(percentile.tail(), trigger.requests);
    let windows = view.observation.windows;
    let reading = windows.latency_beyond(Side::New, population, trigger.window, percentile, limit);
    Look {
        reading: reading.map(|it| it.as_secs_f64()),
        limit: Some(limit.as_secs_f64()),
        old: None,
        samples: sample.of,
        verdict,
    }
}

/// When the run that breaches began: what [`Entry::reaction_ms`](crate::cutover::Entry::reaction_ms) counts from.
/// `None` where that is not known, as for what health checks found.
fn run(trigger: &Trigger, view: View<'_>) -> Option<Timestamp> {
    let windows = view.observation.windows;
    let length = trigger.window;
    let run_of = |population, tolerated| match trigger.reading {
        Reading::ConnectFailures => {
            windows.run_of_connect_failures(Side::New, population, length, tolerated)
        }
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::Unhealthy
        | Reading::ReplicationLag { .. } => {
            windows.run_of_errors(Side::New, population, length, tolerated)
        }
    };
    let run_above = |population, percentile: Percentile, limit| {
        windows.run_above(Side::New, population, length, limit, percentile.tail())
    };
    match (trigger.reading, trigger.limit) {
        (Reading::Unhealthy | Reading::ReplicationLag { .. }, _) => None,
        (_, Limit::InARow(_)) => Some(view.connects_on_new.since),
        (Reading::Latency(percentile), Limit::Latency(limit)) => {
            run_above(Population::All, percentile, limit)
        }
        (Reading::Latency(percentile), Limit::TimesOld(factor)) => {
            let old = windows.tally(Side::Old, Population::Drawn, length);
            let limit = times(factor, old.latency(percentile));
            run_above(Population::Drawn, percentile, limit)
        }
        (_, Limit::Share(share)) => run_of(Population::All, share),
        (_, Limit::TimesOld(factor)) => {
            let old = windows.tally(Side::Old, Population::Drawn, length);
            let old = outcomes(trigger.reading, &old);
            run_of(Population::Drawn, old.times(factor))
        }
        (_, Limit::Latency(_)) => None,
    }
}

fn tally<'a>(
    trigger: &Trigger,
    view: View<'a>,
    stretch: Stretch,
    side: Side,
    population: Population,
) -> Cow<'a, Tally> {
    let windows = view.observation.windows;
    let (requests, length) = (trigger.requests, trigger.window);
    match stretch {
        Stretch::Window => windows.tally(side, population, length),
        Stretch::Since(since) => {
            Cow::Owned(windows.reaching_back(side, population, requests, length, since))
        }
    }
}

fn outcomes(reading: Reading, tally: &Tally) -> Sample {
    let bad = match reading {
        Reading::ConnectFailures => tally.count(Class::Connect),
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::Unhealthy
        | Reading::ReplicationLag { .. } => tally.errors(),
    };
    let of = tally.requests();
    Sample { bad, of }
}

/// Latencies above a limit, with the requests that have already waited for longer.
fn latencies(
    seen: &Tally,
    view: View<'_>,
    side: Side,
    population: Population,
    limit: Duration,
) -> Sample {
    let windows = view.observation.windows;
    let waiting = windows.waiting_above(side, population, limit);
    Sample {
        bad: seen.heads_above(limit).saturating_add(waiting),
        of: seen.heads().saturating_add(waiting),
    }
}

fn unusable(view: View<'_>, side: Side) -> Sample {
    let count = view.observation.health[side];
    let bad = count.endpoints.saturating_sub(count.usable);
    Sample {
        bad: u64::from(bad),
        of: u64::from(count.endpoints),
    }
}

fn times(factor: Factor, latency: Duration) -> Duration {
    let micros = latency.as_micros() * u128::from(factor.thousandths()) / 1000;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX)
}

/// Six decimals, which is what people read, and what comes back unchanged from any JSON parser.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl Sample {
    fn judge(self, limit: Share, requests: u64) -> Verdict {
        if self.of < requests {
            Verdict::Unknown
        } else if limit.is_exceeded_by(self.bad, self.of) {
            Verdict::Breach
        } else {
            Verdict::Clear
        }
    }

    fn look(self, verdict: Verdict, limit: f64) -> Look {
        Look {
            reading: self.ratio(),
            limit: Some(limit),
            old: None,
            samples: self.of,
            verdict,
        }
    }

    /// For display.
    fn ratio(self) -> Option<f64> {
        (self.of > 0).then(|| self.bad as f64 / self.of as f64)
    }

    /// This share times `factor`, at most the whole.
    fn times(self, factor: Factor) -> Share {
        let whole = u128::from(Share::WHOLE.parts_per_million());
        let parts = u128::from(self.bad) * u128::from(factor.thousandths()) * whole;
        let parts = parts / (u128::from(self.of).max(1) * 1000);
        let parts = u32::try_from(parts.min(whole)).unwrap_or(u32::MAX);
        Share::from_parts_per_million(parts).unwrap_or(Share::WHOLE)
    }
}

impl Look {
    /// With old's reading beside it, without which nothing is known.
    fn beside(self, samples: u64, old: Duration, requests: u64) -> Self {
        let is_known = samples > 0 && samples >= requests;
        Self {
            limit: self.limit.filter(|_| is_known),
            old: is_known.then_some(old.as_secs_f64()),
            verdict: if is_known {
                self.verdict
            } else {
                Verdict::Unknown
            },
            ..self
        }
    }
}

impl Evaluation {
    pub(super) fn is_breach(&self) -> bool {
        self.reading.verdict == Verdict::Breach
    }
}

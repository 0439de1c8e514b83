//! Rolling windows over what the workers measured: what triggers read.
//!
//! Measurements lie in bins of 100 ms for the last minute, 1 s for the last ten, and 10 s for the last hour, by the
//! time at which they were measured. Each declared length has a running sum: a bin is added when it comes in and
//! subtracted when it leaves. A window of up to a minute therefore covers its length and up to 100 ms more, one of up
//! to ten minutes up to 1 s more, a longer one up to 10 s more.
//!
//! Costs, for two sides:
//! - a declared length: four tallies, 736 KiB at most (64 KiB while every latency is below 2 ms);
//! - a bin: 16 bytes for each latency that the histogram tells apart, never more than there were requests.

mod bin;
mod run;
mod sum;
mod tier;
mod waiting;

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use crate::{
    measure::{
        Class, Interval, Latencies, Tally, latencies,
        windows::{
            bin::{Bin, strata},
            run::Samples,
            sum::Sum,
            tier::Tier,
            waiting::WaitingRoom,
        },
    },
    units::{Generation, Percentile, Share, Side, Timestamp},
};

/// The shortest window.
const LENGTH_MIN: Duration = Duration::from_millis(100);

/// The longest window.
const LENGTH_MAX: Duration = Duration::from_secs(3600);

/// Lengths that have a running sum, in 24 MiB at most; further ones are summed up when they are read.
const SUMS_MAX: usize = 32;

/// Which requests a reading is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// All but forced ones: what absolute limits are held against.
    All,
    /// Only those assigned by weight: the ones that may be compared between the sides.
    Drawn,
}

/// Rolling sums of any length from 100 ms to an hour, for each side.
#[derive(Debug)]
pub struct Windows {
    tiers: [Tier; 3],
    sums: Vec<Sum>,
    waiting: WaitingRoom,
    since: Generation,
    /// The last turn.
    now: Option<Timestamp>,
    /// What leaves a sum within a turn; empty between two turns.
    leaving: Tally,
    /// Knows which latencies are told apart.
    scale: Latencies,
}

impl Windows {
    /// Windows that keep a running sum for each of `lengths`.
    #[must_use]
    pub fn new(lengths: &[Duration]) -> Self {
        let tiers = [
            Tier::new(100, 600),
            Tier::new(1_000, 600),
            Tier::new(10_000, 360),
        ];
        Self::over(tiers, lengths)
    }

    /// A window of one length, at most a minute, which keeps next to nothing that is older: for display.
    #[must_use]
    pub fn of_one(length: Duration) -> Self {
        let length = clamp(length).min(Duration::from_secs(60));
        let granules = i64::try_from(length.as_millis().div_ceil(100)).unwrap_or(600);
        let tiers = [
            Tier::new(100, granules),
            Tier::new(1_000, 1),
            Tier::new(10_000, 1),
        ];
        Self::over(tiers, &[length])
    }

    fn over(tiers: [Tier; 3], lengths: &[Duration]) -> Self {
        Self {
            sums: sums_of(&tiers, lengths),
            tiers,
            waiting: WaitingRoom::default(),
            since: Generation::ZERO,
            now: None,
            leaving: Tally::default(),
            scale: Latencies::default(),
        }
    }

    /// Keeps a running sum for each of `lengths`, and for no other, of what was measured already and of what comes.
    pub fn keep(&mut self, lengths: &[Duration]) {
        self.sums = sums_of(&self.tiers, lengths);
        let now = self.now.unwrap_or_default();
        for sum in &mut self.sums {
            let tier = &self.tiers[sum.tier];
            sum.first = tier.first(sum.length, now);
            for bin in tier.since(sum.first) {
                sum.add(bin);
            }
        }
    }

    /// Forgets everything sent before `generation`, now and when it comes in late: fresh evidence.
    pub fn restart(&mut self, generation: Generation) {
        self.since = generation;
        for tier in &mut self.tiers {
            tier.forget_before(generation);
        }
        for sum in &mut self.sums {
            sum.clear();
            for bin in self.tiers[sum.tier].since(sum.first) {
                sum.add(bin);
            }
        }
    }

    /// Takes in one turn's intervals, one or more of each worker, and rolls to `now`.
    ///
    /// A measurement that comes in late, of a time before the last turn's bin, goes into that bin; one that claims to
    /// be of the future goes into the present one.
    pub fn turn(&mut self, intervals: &[Interval], now: Timestamp) {
        let now = self.now.map_or(now, |before| before.max(now));
        let fresh = self.bins_of(intervals, now);
        for sum in &mut self.sums {
            sum.roll(&self.tiers[sum.tier], now, &mut self.leaving);
        }
        for tier in &mut self.tiers {
            tier.drop_beyond_reach(now);
        }
        for bin in &fresh {
            let start = self.tiers[0].start(bin.index);
            for tier in &mut self.tiers {
                let index = tier.index(start);
                tier.absorb(bin, index);
            }
            for sum in &mut self.sums {
                if self.tiers[sum.tier].index(start) >= sum.first {
                    sum.add(bin);
                }
            }
        }
        self.waiting.turn(intervals, now);
        self.now = Some(now);
    }

    /// What happened on `side` in the last `length`, among `population`: borrowed for a declared length, summed up
    /// for any other.
    #[must_use]
    pub fn tally(&self, side: Side, population: Population, length: Duration) -> Cow<'_, Tally> {
        let length = clamp(length);
        match self.sums.binary_search_by_key(&length, |sum| sum.length) {
            Ok(index) => Cow::Borrowed(self.sums[index].tally(side, population)),
            Err(_) => {
                let tier = &self.tiers[tier_of(&self.tiers, length)];
                let first = tier.first(length, self.now.unwrap_or_default());
                Cow::Owned(sum_of(tier.since(first), side, population))
            }
        }
    }

    /// For advancing: what happened on `side` in the shortest stretch that ends now, is at least `length` long, and
    /// holds `requests` finished requests; the longest one there is, where none holds as many.
    ///
    /// It begins with a bin, and with none that begins before `since` (so that up to a bin's time after `since` is
    /// left out), nor further back than an hour. Unlike [`Windows::tally`] this sums up from the bins, which is long
    /// work for an hour of much traffic: to be asked only when nothing else is in the way.
    #[must_use]
    pub fn reaching_back(
        &self,
        side: Side,
        population: Population,
        requests: u64,
        length: Duration,
        since: Timestamp,
    ) -> Tally {
        let now = self.now.unwrap_or_default();
        let length = clamp(length);
        let from = tier_of(&self.tiers, length);
        for (place, tier) in self.tiers.iter().enumerate().skip(from) {
            let earliest = tier.index(Timestamp::from_micros(since.micros().saturating_sub(1))) + 1;
            let first = tier.first(length, now);
            let mut found = 0;
            let mut begin = None;
            for bin in tier
                .since(earliest.max(tier.first(tier.reach(), now)))
                .rev()
            {
                if bin.index < first && found >= requests {
                    break;
                }
                found += requests_of(bin, side, population);
                begin = Some(bin.index);
            }
            let is_last = place + 1 == self.tiers.len();
            let reaches_since = tier.first(tier.reach(), now) <= earliest;
            if found >= requests || reaches_since || is_last {
                let begin = begin.unwrap_or(i64::MAX);
                return sum_of(tier.since(begin), side, population);
            }
        }
        Tally::default()
    }

    /// Requests of `side` that have waited for a response head for longer than `limit`.
    #[must_use]
    pub fn waiting_above(&self, side: Side, population: Population, limit: Duration) -> u64 {
        let waits = self.waiting.of(side, population, self.since);
        waits
            .filter(|it| it.age > limit)
            .map(|it| it.requests)
            .sum()
    }

    /// A percentile of the latency in the last `length`, for display: requests that have waited for longer than the
    /// percentile of the finished ones count with the time they have waited. `None` without samples.
    #[must_use]
    pub fn latency_with_waiting(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        percentile: Percentile,
    ) -> Option<Duration> {
        let plain = self.tally(side, population, length).latency(percentile);
        self.latency_beyond(side, population, length, percentile, plain)
    }

    /// As [`Windows::latency_with_waiting`], but of exactly the samples that a trigger with this limit judges: requests
    /// that have waited for longer than `limit` count, so that the percentile is above the limit where the trigger
    /// says so, to the resolution of the histogram.
    #[must_use]
    pub fn latency_beyond(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        percentile: Percentile,
        limit: Duration,
    ) -> Option<Duration> {
        let tally = self.tally(side, population, length);
        let waits = self.waiting.of(side, population, self.since);
        let longer = waits.filter(|it| it.age > limit && it.requests > 0);
        let longer: Vec<_> = longer.collect();
        if longer.is_empty() {
            return (tally.heads() > 0).then(|| tally.latency(percentile));
        }
        let mut tally = tally.into_owned();
        for it in longer {
            tally.add_heads(it.age, it.requests);
        }
        Some(tally.latency(percentile))
    }

    /// When the present run of errors on `side` began, looked for in the last `length`: the first error of the
    /// stretch in which errors exceed the `tolerated` share of requests by most, to the microsecond. `None` while they
    /// exceed it in no stretch that ends now.
    #[must_use]
    pub fn run_of_errors(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        tolerated: Share,
    ) -> Option<Timestamp> {
        self.run_of(side, population, length, Class::is_error)
            .run(tolerated)
    }

    /// As [`Windows::run_of_errors`], of requests that could not get a connection.
    #[must_use]
    pub fn run_of_connect_failures(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        tolerated: Share,
    ) -> Option<Timestamp> {
        let is_bad = |class| class == Class::Connect;
        self.run_of(side, population, length, is_bad).run(tolerated)
    }

    /// As [`Windows::run_of_errors`], of latencies above `limit`. A slow response, and a request that still waits,
    /// is bad from the moment at which it has taken as long as the limit.
    #[must_use]
    pub fn run_above(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        limit: Duration,
        tolerated: Share,
    ) -> Option<Timestamp> {
        let length = clamp(length);
        let limit_micros = latencies::micros(limit);
        let tier = &self.tiers[tier_of(&self.tiers, length)];
        let first = tier.first(length, self.now.unwrap_or_default());
        let mut samples = Samples::default();
        for (bin, stratum) in strata(tier.since(first), side, population) {
            for heads in &stratum.heads {
                let (micros, count) = (u64::from(heads.micros), u64::from(heads.count));
                if micros <= limit_micros {
                    samples.good(bin.index, count);
                    continue;
                }
                let over = Duration::from_micros(micros - limit_micros);
                let turned_bad = before(heads.first, over);
                samples.bad(tier.index(turned_bad).max(first), count, turned_bad);
            }
        }
        let waits = self.waiting.of(side, population, self.since);
        for it in waits.filter(|it| it.age > limit) {
            let over = it.age.saturating_sub(limit);
            let turned_bad = before(it.at, over);
            samples.bad(tier.index(turned_bad).max(first), it.requests, turned_bad);
        }
        samples.run(tolerated)
    }
}

impl Windows {
    /// The measurements that count, in settled bins of the finest tier, oldest first.
    fn bins_of(&self, intervals: &[Interval], now: Timestamp) -> Vec<Bin> {
        let tier = &self.tiers[0];
        let newest = tier.index(now);
        let oldest = self.now.map_or(newest, |before| tier.index(before));
        let resolved = |latency| {
            let micros = self.scale.resolved(latency);
            u32::try_from(micros).expect("an hour of microseconds fits 32 bits")
        };
        let mut bins: BTreeMap<i64, Bin> = BTreeMap::new();
        for measurement in intervals.iter().flat_map(|it| &it.measurements) {
            if measurement.assignment().generation < self.since {
                continue;
            }
            let index = tier.index(measurement.at()).clamp(oldest, newest);
            let bin = bins.entry(index).or_insert_with(|| Bin::new(index));
            bin.add(measurement, resolved);
        }
        bins.into_values().map(Bin::settled).collect()
    }

    /// Finished requests of the last `length` by granule, bad where their class is.
    fn run_of(
        &self,
        side: Side,
        population: Population,
        length: Duration,
        is_bad: impl Fn(Class) -> bool,
    ) -> Samples {
        let length = clamp(length);
        let tier = &self.tiers[tier_of(&self.tiers, length)];
        let first = tier.first(length, self.now.unwrap_or_default());
        let mut samples = Samples::default();
        for (bin, stratum) in strata(tier.since(first), side, population) {
            for class in Class::ALL.into_iter().filter(|it| it.is_request()) {
                let outcomes = stratum.outcomes[class.index()];
                if is_bad(class) {
                    samples.bad(bin.index, outcomes.count, outcomes.first);
                } else {
                    samples.good(bin.index, outcomes.count);
                }
            }
        }
        samples
    }
}

/// An empty running sum for each of `lengths`, in their order.
fn sums_of(tiers: &[Tier; 3], lengths: &[Duration]) -> Vec<Sum> {
    let mut lengths: Vec<Duration> = lengths.iter().map(|it| clamp(*it)).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths.truncate(SUMS_MAX);
    let sums = lengths.into_iter();
    sums.map(|length| Sum::new(length, tier_of(tiers, length)))
        .collect()
}

/// The time `span` earlier. Saturates.
fn before(at: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.micros().saturating_sub(span))
}

fn clamp(length: Duration) -> Duration {
    length.clamp(LENGTH_MIN, LENGTH_MAX)
}

/// The finest tier that reaches back that far.
fn tier_of(tiers: &[Tier; 3], length: Duration) -> usize {
    let found = tiers.iter().position(|tier| length <= tier.reach());
    found.unwrap_or(tiers.len() - 1)
}

fn sum_of<'a>(bins: impl Iterator<Item = &'a Bin>, side: Side, population: Population) -> Tally {
    let mut tally = Tally::default();
    for (_, stratum) in strata(bins, side, population) {
        stratum.add_to(&mut tally);
    }
    tally
}

fn requests_of(bin: &Bin, side: Side, population: Population) -> u64 {
    let strata = bin
        .strata
        .iter()
        .filter(|it| it.counts_for(side, population));
    let outcomes = strata.flat_map(|it| Class::ALL.into_iter().zip(it.outcomes));
    let requests = outcomes.filter(|(class, _)| class.is_request());
    requests.map(|(_, outcomes)| outcomes.count).sum()
}

#[cfg(test)]
mod tests;

//! Requests that wait for a response head, as each worker reported last.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    measure::{Interval, Waiting, WorkerId, windows::Population},
    units::{Generation, PerSide, Side, Timestamp},
};

/// How long a silent worker's word is believed. Beyond it nothing is known of its requests, which neither trips
/// nor advances.
const BELIEVED: Duration = Duration::from_secs(1);

/// The waiting requests of all workers.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    workers: BTreeMap<WorkerId, Report>,
}

#[derive(Debug)]
struct Report {
    at: Timestamp,
    waiting: PerSide<Vec<Waiting>>,
}

/// Requests that have waited for the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// When their age was taken.
    pub(super) at: Timestamp,
    pub(super) age: Duration,
    pub(super) requests: u64,
}

impl WaitingRoom {
    /// Each worker's newest interval replaces what it reported before.
    pub(super) fn turn(&mut self, intervals: &[Interval], now: Timestamp) {
        for interval in intervals {
            let reported = self.workers.get(&interval.worker);
            if reported.is_none_or(|it| it.at <= interval.at) {
                let report = Report {
                    at: interval.at,
                    waiting: interval.waiting.clone(),
                };
                self.workers.insert(interval.worker, report);
            }
        }
        self.workers.retain(|_, it| now.since(it.at) <= BELIEVED);
    }

    /// Those of `side` sent at `since` or later.
    pub(super) fn of(
        &self,
        side: Side,
        population: Population,
        since: Generation,
    ) -> impl Iterator<Item = Waits> {
        let reports = self.workers.values();
        let all = reports.flat_map(move |report| {
            let waits = report.waiting[side].iter();
            waits.map(move |it| (report.at, it))
        });
        let counted = all.filter(move |(_, it)| it.generation >= since);
        counted.map(move |(at, it)| Waits {
            at,
            age: it.age,
            requests: u64::from(match population {
                Population::All => it.requests,
                Population::Drawn => it.drawn,
            }),
        })
    }
}

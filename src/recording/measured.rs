//! An interval as it is kept: what decisions rest on, and nothing else of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    measure::{
        Arrived, Class, Finished, Head, Interval, Measurement, Overdue, WaitMark, Waiting, WorkerId,
    },
    plan::RouteId,
    split::{Assignment, Cause},
    units::{Generation, PerSide, Side, Slot, Timestamp},
};

/// An interval, about 28 bytes for a request.
#[derive(Serialize, Deserialize)]
pub(super) struct Measured {
    worker: WorkerId,
    at: i64,
    /// The generations that its requests were sent at.
    generations: Vec<Generation>,
    requests: Vec<Kept>,
    overdue: Vec<Overdue>,
    waiting: PerSide<Vec<Waiting>>,
    arrived: Vec<u32>,
    drilled: u64,
    lost: u64,
}

/// A measurement.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kept {
    Head {
        request: Request,
        /// In nanoseconds.
        latency: u64,
        told: WaitMark,
    },
    Finished {
        request: Request,
        class: Class,
        /// 0 where there was none.
        status: u16,
    },
}

/// What both kinds have.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Request {
    /// Microseconds since the measurement before.
    after: i64,
    side: Side,
    cause: Cause,
    slot: Slot,
    /// The place of its generation.
    generation: usize,
    route: RouteId,
}

impl From<&Interval> for Measured {
    fn from(interval: &Interval) -> Self {
        let mut generations = Vec::new();
        let mut last = interval.at.micros();
        let kept = interval.measurements.iter().map(|it| {
            let assignment = it.assignment();
            let known = generations
                .iter()
                .position(|it| *it == assignment.generation);
            let generation = known.unwrap_or_else(|| {
                generations.push(assignment.generation);
                generations.len() - 1
            });
            let at = it.at().micros();
            let after = at.wrapping_sub(std::mem::replace(&mut last, at));
            let request = |route: RouteId| Request {
                after,
                side: assignment.side,
                cause: assignment.cause,
                slot: assignment.slot,
                generation,
                route,
            };
            match it {
                Measurement::Head(head) => Kept::Head {
                    request: request(head.route),
                    latency: u64::try_from(head.latency.as_nanos()).unwrap_or(u64::MAX),
                    told: head.told,
                },
                Measurement::Finished(finished) => Kept::Finished {
                    request: request(finished.route),
                    class: finished.class,
                    status: finished.status.unwrap_or_default(),
                },
            }
        });
        let requests = kept.collect();
        Self {
            worker: interval.worker,
            at: interval.at.micros(),
            generations,
            requests,
            overdue: interval.overdue.clone(),
            waiting: interval.waiting.clone(),
            arrived: interval.arrived.requests.clone(),
            drilled: interval.drilled,
            lost: interval.lost,
        }
    }
}

impl From<Measured> for Interval {
    fn from(kept: Measured) -> Self {
        let Measured {
            worker,
            at,
            generations,
            requests,
            overdue,
            waiting,
            arrived,
            drilled,
            lost,
        } = kept;
        let mut last = at;
        let requests = requests.into_iter();
        let measurements = requests.map(|it| it.measurement(&mut last, &generations));
        Self {
            measurements: measurements.collect(),
            overdue,
            waiting,
            arrived: Arrived {
                requests: arrived,
                clients: Vec::new(),
            },
            drilled,
            lost,
            ..Self::empty(worker, Timestamp::from_micros(at))
        }
    }
}

impl Kept {
    fn measurement(self, last: &mut i64, generations: &[Generation]) -> Measurement {
        let (Self::Head { request, .. } | Self::Finished { request, .. }) = self;
        *last = last.wrapping_add(request.after);
        let at = Timestamp::from_micros(*last);
        let assignment = Assignment {
            side: request.side,
            cause: request.cause,
            slot: request.slot,
            generation: generations
                .get(request.generation)
                .copied()
                .unwrap_or_default(),
        };
        match self {
            Self::Head { latency, told, .. } => Measurement::Head(Head {
                at,
                assignment,
                route: request.route,
                endpoint: None,
                latency: Duration::from_nanos(latency),
                told,
            }),
            Self::Finished { class, status, .. } => Measurement::Finished(Finished {
                at,
                assignment,
                route: request.route,
                endpoint: None,
                class,
                status: (status > 0).then_some(status),
                is_failover: false,
                attempts: 1,
                duration: Duration::ZERO,
                bytes_up: 0,
                bytes_down: 0,
            }),
        }
    }
}

//! Recording a request, handing over what was recorded, and rolling the windows.

use std::{cell::RefCell, time::Duration};

use changeover::{
    clock::Clock,
    measure::{
        Class, Finished, Head, Interval, Measurement, Outcome, Recorder, Ticket, Totals, WaitMark,
        Windows, WorkerId,
    },
    units::{PerSide, Timestamp},
};
use divan::{Bencher, counter::ItemsCount};

use crate::world::{ROUTE, START, assignment};

/// Requests between two hand-overs of one worker at 40,000 a second.
const PER_TURN: usize = 4_000;

const TURN: Duration = Duration::from_millis(100);

/// One request from assignment to outcome, as the proxy records it, with its part of the hand-over: all that measuring
/// adds to a worker but the reading of clocks.
#[divan::bench]
fn request(bencher: Bencher<'_, '_>) {
    let mut worker = Worker::new();
    bencher.bench_local(|| worker.request(|| START));
}

/// The same with its three looks at the clock, of which the first and the last are taken for other purposes as well.
#[divan::bench]
fn request_with_clock(bencher: Bencher<'_, '_>) {
    let clock = Clock::start();
    let mut worker = Worker::new();
    bencher.bench_local(|| worker.request(|| clock.timestamp()));
}

/// One look at the clock.
#[divan::bench]
fn clock(bencher: Bencher<'_, '_>) {
    let clock = Clock::start();
    bencher.bench_local(|| clock.timestamp());
}

/// Taking an interval with so many requests in flight, into memory that was given back.
#[divan::bench(args = [0, 64, 1_000])]
fn hand_over(bencher: Bencher<'_, '_>, in_flight: usize) {
    let worker = Worker::new();
    let tickets: Vec<Ticket> = (0..in_flight)
        .map(|it| worker.recorder.begin(assignment(it), ROUTE, START))
        .collect();
    let spare = RefCell::new(Some(worker.empty()));
    bencher.bench_local(|| {
        let back = spare.borrow_mut().take().expect("it was given back");
        let taken = worker.recorder.take(START.after(TURN), back);
        spare.replace(Some(taken));
    });
    drop(tickets);
}

/// The control loop's windows of 10 s take in an interval and roll on; the counter is requests.
#[divan::bench(args = [10, 400, 4_000, 10_000], sample_size = 1, sample_count = 200)]
fn windows_turn(bencher: Bencher<'_, '_>, requests: usize) {
    let mut windows = Windows::new(&[Duration::from_secs(10)]);
    let mut now = START;
    // Until as much leaves as comes in.
    for _ in 0..110 {
        now = now.after(TURN);
        windows.turn(&[interval(requests, now)], now);
    }
    let windows = RefCell::new(windows);
    bencher
        .counter(ItemsCount::new(requests))
        .with_inputs(|| {
            now = now.after(TURN);
            [interval(requests, now)]
        })
        .bench_local_refs(|intervals| {
            let now = intervals[0].at;
            windows.borrow_mut().turn(intervals, now);
        });
}

/// Counts since start take in an interval; the counter is requests.
#[divan::bench(args = [10, 400, 4_000, 10_000])]
fn totals_add(bencher: Bencher<'_, '_>, requests: usize) {
    let interval = interval(requests, START);
    let mut totals = Totals::default();
    bencher
        .counter(ItemsCount::new(requests))
        .bench_local(|| totals.add(&interval));
}

/// A worker with 64 requests in flight.
struct Worker {
    recorder: Recorder,
    in_flight: Vec<Ticket>,
    spare: Option<Interval>,
    requests: usize,
}

impl Worker {
    fn new() -> Self {
        let recorder = Recorder::new(WorkerId(0), PerSide { old: 2, new: 2 });
        let in_flight = (0..64).map(|it| recorder.begin(assignment(it), ROUTE, START));
        let mut worker = Self {
            in_flight: in_flight.collect(),
            recorder,
            spare: None,
            requests: 0,
        };
        // Both buffers grow to the traffic.
        worker.spare = Some(worker.empty());
        for _ in 0..2 * PER_TURN {
            worker.request(|| START);
        }
        worker
    }

    fn empty(&self) -> Interval {
        Interval::empty(WorkerId(0), START)
    }

    /// A request begins, and the oldest one is answered and ends.
    fn request(&mut self, now: impl Fn() -> Timestamp) {
        self.requests += 1;
        let begun = self.recorder.begin(assignment(self.requests), ROUTE, now());
        let place = self.requests % self.in_flight.len();
        let mut ticket = std::mem::replace(&mut self.in_flight[place], begun);
        ticket.choose(1);
        ticket.sent();
        ticket.head(now());
        ticket.finish(OUTCOME, now());
        if self.requests.is_multiple_of(PER_TURN) {
            let spare = self.spare.take().expect("it was given back");
            self.spare = Some(self.recorder.take(START, spare));
        }
    }
}

const OUTCOME: Outcome = Outcome {
    class: Class::Success,
    status: Some(200),
    is_failover: false,
    bytes_up: 0,
    bytes_down: 15,
};

/// So many requests that were answered within the last turn, in 200 µs to 2 ms.
pub(crate) fn interval(requests: usize, now: Timestamp) -> Interval {
    let mut random = fastrand::Rng::with_seed(7);
    let mut interval = Interval::empty(WorkerId(0), now);
    for number in 0..requests {
        let assignment = assignment(number);
        let latency = Duration::from_micros(200 + random.u64(..1_800));
        interval.measurements.push(Measurement::Head(Head {
            at: now,
            assignment,
            route: ROUTE,
            endpoint: Some(0),
            latency,
            told: WaitMark::NONE,
        }));
        interval.measurements.push(Measurement::Finished(Finished {
            at: now,
            assignment,
            route: ROUTE,
            endpoint: Some(0),
            class: Class::Success,
            status: Some(200),
            is_failover: false,
            attempts: 1,
            duration: latency,
            bytes_up: 0,
            bytes_down: 15,
        }));
    }
    interval
}

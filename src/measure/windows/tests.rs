//! Rolling windows against a naive recomputation, and what else they promise.

use proptest::prelude::*;

use super::*;
use crate::{
    measure::{Finished, Head, Measurement, WaitMark, Waiting, WorkerId},
    plan::RouteId,
    split::{Assignment, Cause},
    units::Slot,
};

const LENGTHS: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(90),
    Duration::from_secs(1800),
];
/// Not declared: summed up when read.
const UNDECLARED: [Duration; 3] = [
    Duration::from_millis(1700),
    Duration::from_secs(601),
    Duration::from_secs(3600),
];
const START: i64 = 1_790_000_000_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START + micros)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn assignment(side: Side, cause: Cause, generation: u64) -> Assignment {
    Assignment {
        side,
        cause,
        slot: Slot::from_hash(0),
        generation: Generation::new(generation),
    }
}

fn finished(assignment: Assignment, at: Timestamp, class: Class) -> Measurement {
    Measurement::Finished(Finished {
        at,
        assignment,
        route: RouteId::REST,
        endpoint: None,
        class,
        status: None,
        is_failover: false,
        attempts: 1,
        duration: Duration::ZERO,
        bytes_up: 0,
        bytes_down: 0,
    })
}

fn head(assignment: Assignment, at: Timestamp, latency: Duration) -> Measurement {
    Measurement::Head(Head {
        at,
        assignment,
        route: RouteId::REST,
        endpoint: None,
        latency,
        told: WaitMark::NONE,
    })
}

fn interval(at: Timestamp, measurements: Vec<Measurement>) -> Interval {
    Interval {
        measurements,
        ..Interval::empty(WorkerId(0), at)
    }
}

fn on_new() -> Assignment {
    assignment(Side::New, Cause::Weighted, 0)
}

fn share(parts: u32) -> Share {
    Share::from_parts_per_million(parts).expect("it is a share")
}

/// Keeps every measurement with the granule of 100 ms that it belongs to, and adds up on demand.
#[derive(Default)]
struct Naive {
    kept: Vec<(i64, Measurement)>,
    since: Generation,
    now: Option<Timestamp>,
}

impl Naive {
    fn turn(&mut self, measurements: &[Measurement], now: Timestamp) {
        let granule = |at: Timestamp| at.micros().div_euclid(100_000);
        let oldest = granule(self.now.unwrap_or(now));
        for it in measurements {
            let place = granule(it.at()).clamp(oldest, granule(now));
            self.kept.push((place, *it));
        }
        self.now = Some(now);
    }

    fn counted(
        &self,
        side: Side,
        population: Population,
    ) -> impl Iterator<Item = &(i64, Measurement)> {
        self.kept.iter().filter(move |(_, it)| {
            let assignment = it.assignment();
            let counts = match population {
                Population::All => assignment.cause != Cause::Forced,
                Population::Drawn => assignment.cause == Cause::Weighted,
            };
            counts && assignment.side == side && assignment.generation >= self.since
        })
    }

    fn tally(&self, side: Side, population: Population, length: Duration) -> Tally {
        let now = self.now.unwrap_or_default();
        let granule = match length.as_secs() {
            0..=60 => 1,
            61..=600 => 10,
            _ => 100,
        };
        let begin = now.micros() - i64::try_from(length.as_micros()).expect("it fits");
        let begin = begin.div_euclid(100_000 * granule);
        let mut tally = Tally::default();
        for (place, it) in self.counted(side, population) {
            if place.div_euclid(granule) >= begin {
                add(&mut tally, it);
            }
        }
        tally
    }
}

fn add(tally: &mut Tally, it: &Measurement) {
    match it {
        Measurement::Head(head) => tally.add_heads(head.latency, 1),
        Measurement::Finished(finished) => tally.add_finished(finished),
    }
}

fn assert_same(found: &Tally, expected: &Tally, what: &str) {
    for class in Class::ALL {
        assert_eq!(
            found.count(class),
            expected.count(class),
            "{what}: {class:?}"
        );
    }
    assert_eq!(found.heads(), expected.heads(), "{what}: heads");
    for limit in [1, 10, 100, 1_000, 10_000] {
        let limit = millis(limit);
        assert_eq!(
            found.heads_above(limit),
            expected.heads_above(limit),
            "{what}: above {limit:?}"
        );
    }
    for percentile in Percentile::ALL {
        assert_eq!(
            found.latency(percentile),
            expected.latency(percentile),
            "{what}: {percentile}"
        );
    }
}

/// How long before its turn it was made, and what it is.
type Sample = (i64, Assignment, Result<Class, Duration>);

fn some_measurement() -> impl Strategy<Value = Sample> {
    let cause = prop::sample::select(vec![
        Cause::Weighted,
        Cause::Weighted,
        Cause::Writes,
        Cause::Pinned,
        Cause::Forced,
    ]);
    let side = prop::sample::select(Side::ALL.to_vec());
    let class = prop::sample::select(Class::ALL.to_vec());
    let latency = (0_u32..34, 1_u64..2).prop_map(|(bits, one)| Duration::from_micros(one << bits));
    let what = prop_oneof![class.prop_map(Ok), latency.prop_map(Err)];
    // Mostly of the last 100 ms, at times late, at times of the future.
    let age = prop_oneof![4 => 0..100_000_i64, 1 => 0..5_000_000_i64, 1 => -1_000_000..0_i64];
    (age, side, cause, 0..4_u64, what).prop_map(|(age, side, cause, generation, what)| {
        (age, assignment(side, cause, generation), what)
    })
}

/// Turns mostly come every 100 ms, and at times after a stall of any length.
fn some_turn() -> impl Strategy<Value = (i64, Vec<Sample>)> {
    let gap = prop_oneof![
        6 => 90_000..110_000_i64,
        2 => 0..2_000_000_i64,
        1 => 0..70_000_000_i64,
        1 => 0..2_000_000_000_i64,
    ];
    (gap, prop::collection::vec(some_measurement(), 0..12))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sums_equal_a_naive_recomputation(
        turns in prop::collection::vec(some_turn(), 1..60),
        restart in (0_usize..60, 0..4_u64),
    ) {
        let mut windows = Windows::new(&LENGTHS);
        let mut naive = Naive::default();
        let mut now = 0;
        for (place, (gap, stream)) in turns.into_iter().enumerate() {
            now += gap;
            let measure = |(age, assignment, what)| match what {
                Ok(class) => finished(assignment, at(now - age), class),
                Err(latency) => head(assignment, at(now - age), latency),
            };
            let measurements: Vec<Measurement> = stream.into_iter().map(measure).collect();
            naive.turn(&measurements, at(now));
            windows.turn(&[interval(at(now), measurements)], at(now));
            if place == restart.0 {
                naive.since = Generation::new(restart.1);
                windows.restart(Generation::new(restart.1));
            }
            for side in Side::ALL {
                for population in [Population::All, Population::Drawn] {
                    for length in LENGTHS.into_iter().chain(UNDECLARED) {
                        let what = format!("turn {place}, {side}, {population:?}, {length:?}");
                        let found = windows.tally(side, population, length);
                        assert_same(&found, &naive.tally(side, population, length), &what);
                    }
                }
            }
        }
    }

    #[test]
    fn reaching_back_takes_the_shortest_stretch_that_holds_enough(
        gaps in prop::collection::vec(0..1_000_000_i64, 1..60),
        requests in 0_u64..80,
        length in 100..20_000_i64,
        since in 0..60_000_000_i64,
    ) {
        let mut windows = Windows::new(&[]);
        let mut times = Vec::new();
        let mut now = 0;
        for gap in gaps {
            now += gap;
            times.push(now);
            let one = finished(on_new(), at(now), Class::Success);
            windows.turn(&[interval(at(now), vec![one])], at(now));
        }
        let span = millis(length.unsigned_abs());
        let found = windows.reaching_back(Side::New, Population::All, requests, span, at(since));

        // START lies on a granule, so that granules can be counted from 0.
        let granule = |micros: i64| micros.div_euclid(100_000);
        let held = |first: i64| times.iter().filter(|it| granule(**it) >= first).count() as u64;
        let earliest = granule(since - 1) + 1;
        let latest = granule(now - length * 1000);
        let enough = (earliest..=latest).rev().find(|first| held(*first) >= requests);
        prop_assert_eq!(found.requests(), held(enough.unwrap_or(earliest)));
    }
}

#[test]
fn reaching_back_goes_on_in_coarser_bins_and_stops_at_since() {
    let mut windows = Windows::new(&[]);
    // One request a second for 50 minutes.
    for second in 0..3000 {
        let now = at(second * 1_000_000);
        windows.turn(
            &[interval(now, vec![finished(on_new(), now, Class::Success)])],
            now,
        );
    }
    let check = |requests, since: i64, expected| {
        let since = at(since * 1_000_000);
        let tally =
            windows.reaching_back(Side::New, Population::Drawn, requests, millis(500), since);
        assert_eq!(tally.requests(), expected, "{requests} since {since}");
    };
    check(0, 0, 1);
    check(40, 0, 40);
    check(300, 0, 300);
    check(1000, 0, 1000);
    check(9999, 0, 3000);
    check(9999, 2990, 10);
    check(9999, 2500, 500);
    // In bins of 10 s, of which the one that `since` lies in is left out.
    check(9999, 1001, 1990);
    let other = windows.reaching_back(Side::Old, Population::All, 5, millis(500), at(0));
    assert_eq!(other.requests(), 0);
}

#[test]
fn a_restart_forgets_what_was_sent_before_and_what_of_it_comes_in_late() {
    let mut windows = Windows::new(&[millis(10_000)]);
    let of = |generation| {
        let it = assignment(Side::New, Cause::Weighted, generation);
        finished(it, at(0), Class::Timeout)
    };
    let waiting = |generation| Waiting {
        age: millis(900),
        requests: 3,
        drawn: 2,
        generation: Generation::new(generation),
    };
    let mut first = interval(at(0), vec![of(1), of(2)]);
    first.waiting.new = vec![waiting(1), waiting(2)];
    windows.turn(&[first], at(0));
    let errors = |windows: &Windows| {
        windows
            .tally(Side::New, Population::All, millis(10_000))
            .errors()
    };
    let waiting =
        |windows: &Windows| windows.waiting_above(Side::New, Population::All, millis(500));
    assert_eq!((errors(&windows), waiting(&windows)), (2, 6));
    windows.restart(Generation::new(2));
    assert_eq!((errors(&windows), waiting(&windows)), (1, 3));
    windows.turn(
        &[interval(at(100_000), vec![of(1), of(2), of(3)])],
        at(100_000),
    );
    assert_eq!(errors(&windows), 3);
}

#[test]
fn waiting_requests_are_each_workers_last_word_and_are_believed_for_a_second() {
    let mut windows = Windows::new(&[]);
    let report = |worker, age, micros| {
        let mut it = Interval::empty(WorkerId(worker), at(micros));
        it.waiting.new = vec![Waiting {
            age: millis(age),
            requests: 5,
            drawn: 4,
            generation: Generation::ZERO,
        }];
        it
    };
    let above = |windows: &Windows, population, limit| {
        windows.waiting_above(Side::New, population, millis(limit))
    };
    windows.turn(
        &[
            report(0, 100, 0),
            report(0, 200, 90_000),
            report(1, 300, 50_000),
        ],
        at(90_000),
    );
    assert_eq!(above(&windows, Population::All, 100), 10);
    assert_eq!(above(&windows, Population::Drawn, 100), 8);
    assert_eq!(
        above(&windows, Population::All, 200),
        5,
        "as old as the limit is not above it"
    );
    assert_eq!(
        windows.waiting_above(Side::Old, Population::All, millis(100)),
        0
    );
    // Worker 1 is silent for a turn, then for too long.
    windows.turn(
        &[Interval::empty(WorkerId(0), at(1_000_000))],
        at(1_000_000),
    );
    assert_eq!(above(&windows, Population::All, 0), 5);
    windows.turn(&[], at(1_060_000));
    assert_eq!(above(&windows, Population::All, 0), 0);
}

#[test]
fn a_side_that_hangs_shows_in_latencies_before_anything_ends() {
    let window = millis(10_000);
    let mut windows = Windows::new(&[window]);
    let fast = (0..90).map(|_| head(on_new(), at(0), millis(10)));
    let mut all = interval(at(0), fast.collect());
    all.waiting.new = vec![
        Waiting {
            age: millis(5),
            requests: 50,
            drawn: 50,
            generation: Generation::ZERO,
        },
        Waiting {
            age: millis(2_000),
            requests: 10,
            drawn: 10,
            generation: Generation::ZERO,
        },
    ];
    windows.turn(&[all], at(0));
    let waiting = |limit| windows.waiting_above(Side::New, Population::All, millis(limit));
    assert_eq!(waiting(1), 60);
    assert_eq!(waiting(800), 10);
    assert_eq!(waiting(5_000), 0);
    let latency = |percentile| {
        let found = windows.latency_with_waiting(Side::New, Population::All, window, percentile);
        found.map(|it| it.as_millis())
    };
    assert_eq!(latency(Percentile::P50), Some(10));
    assert_eq!(latency(Percentile::P90), Some(10));
    assert_eq!(latency(Percentile::P95), Some(2_000));
    let old = windows.latency_with_waiting(Side::Old, Population::All, window, Percentile::P50);
    assert_eq!(old, None);

    // Of what a trigger judges at 100 ms, 90 finished and 10 that wait for longer, the tenth part is above.
    let judged = |percentile, limit| {
        let found = windows.latency_beyond(
            Side::New,
            Population::All,
            window,
            percentile,
            millis(limit),
        );
        found.map(|it| it.as_millis())
    };
    assert_eq!(judged(Percentile::P90, 100), Some(10));
    assert_eq!(judged(Percentile::P95, 100), Some(2_000));
    assert_eq!(judged(Percentile::P99, 5_000), Some(10));
}

#[test]
fn a_run_of_errors_begins_with_its_first_error_to_the_microsecond() {
    let window = millis(10_000);
    let mut windows = Windows::new(&[window]);
    let good = |micros| finished(on_new(), at(micros), Class::Success);
    let bad = |micros| finished(on_new(), at(micros), Class::Connect);
    let mut stream: Vec<Measurement> = (0..200).map(|it| good(it * 10_000)).collect();
    // A stray one, long before the fault.
    stream.push(bad(500_007));
    stream.extend((0..50).map(|it| bad(2_012_345 + it * 10_000)));
    windows.turn(&[], at(0));
    windows.turn(&[interval(at(2_600_000), stream)], at(2_600_000));
    let tolerated = share(20_000);
    let errors = windows.run_of_errors(Side::New, Population::All, window, tolerated);
    assert_eq!(errors, Some(at(2_012_345)));
    let connects = windows.run_of_connect_failures(Side::New, Population::Drawn, window, tolerated);
    assert_eq!(connects, Some(at(2_012_345)));
    assert_eq!(
        windows.run_of_errors(Side::Old, Population::All, window, tolerated),
        None
    );
    // Beyond the window there is nothing to see.
    windows.turn(&[], at(20_000_000));
    assert_eq!(
        windows.run_of_errors(Side::New, Population::All, window, tolerated),
        None
    );
}

#[test]
fn a_slow_request_is_bad_from_when_it_has_taken_as_long_as_the_limit() {
    let window = millis(10_000);
    let limit = millis(800);
    let tolerated = Percentile::P99.tail();
    let mut windows = Windows::new(&[window]);
    let fast = (0..200).map(|it| head(on_new(), at(it * 10_000), millis(5)));
    windows.turn(&[], at(0));
    windows.turn(&[interval(at(2_000_000), fast.collect())], at(2_000_000));
    let run =
        |windows: &Windows| windows.run_above(Side::New, Population::All, window, limit, tolerated);
    assert_eq!(run(&windows), None);

    let mut hanging = Interval::empty(WorkerId(0), at(3_000_000));
    hanging.waiting.new = vec![
        Waiting {
            age: millis(1_000),
            requests: 20,
            drawn: 20,
            generation: Generation::ZERO,
        },
        Waiting {
            age: millis(810),
            requests: 5,
            drawn: 5,
            generation: Generation::ZERO,
        },
    ];
    windows.turn(&[hanging], at(3_000_000));
    assert_eq!(run(&windows), Some(at(2_800_000)));

    // The same requests, answered at last: 1.024 s is a latency that the histogram holds exactly.
    let slow = (0..25).map(|it| head(on_new(), at(3_024_000 + it), millis(1_024)));
    windows.turn(&[interval(at(3_100_000), slow.collect())], at(3_100_000));
    assert_eq!(run(&windows), Some(at(2_800_000)));
}

#[test]
fn more_lengths_than_have_a_running_sum_are_read_all_the_same() {
    let lengths: Vec<Duration> = (1..=40).map(|it| millis(it * 1_000)).collect();
    let mut windows = Windows::new(&lengths);
    assert_eq!(windows.sums.len(), SUMS_MAX);
    windows.turn(
        &[interval(
            at(0),
            vec![finished(on_new(), at(0), Class::Success)],
        )],
        at(0),
    );
    for length in lengths {
        assert_eq!(
            windows.tally(Side::New, Population::All, length).requests(),
            1
        );
    }
}

#[test]
fn time_that_runs_backwards_is_taken_as_standing_still() {
    let mut windows = Windows::new(&[millis(1_000)]);
    let one = |micros| {
        interval(
            at(micros),
            vec![finished(on_new(), at(micros), Class::Success)],
        )
    };
    windows.turn(&[one(5_000_000)], at(5_000_000));
    windows.turn(&[one(1_000_000)], at(1_000_000));
    assert_eq!(
        windows
            .tally(Side::New, Population::All, millis(1_000))
            .requests(),
        2
    );
}

#[test]
fn a_window_of_one_length_keeps_that_length() {
    let ten = Duration::from_secs(10);
    let mut windows = Windows::of_one(ten);
    let seen = |windows: &Windows| windows.tally(Side::New, Population::All, ten).requests();
    for second in 0..30 {
        let now = at(second * 1_000_000);
        let one = finished(on_new(), now, Class::Success);
        windows.turn(&[interval(now, vec![one])], now);
        // What the tenth second ago began with is still in.
        assert_eq!(seen(&windows), 11.min(second.unsigned_abs() + 1));
    }
    windows.turn(&[], at(41_000_000));
    assert_eq!(seen(&windows), 0);
}

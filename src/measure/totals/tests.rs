//! What is counted where, and what is in flight.

use std::time::Duration;

use super::*;
use crate::{
    measure::{Class, WaitMark},
    split::Assignment,
    units::{Generation, Percentile, Slot},
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + millis * 1000)
}

fn finished(side: Side, cause: Cause, class: Class) -> Finished {
    Finished {
        at: at(0),
        assignment: Assignment {
            side,
            cause,
            slot: Slot::from_hash(0),
            generation: Generation::ZERO,
        },
        route: RouteId(1),
        endpoint: Some(2),
        class,
        status: None,
        is_failover: false,
        attempts: 1,
        duration: Duration::from_millis(30),
        bytes_up: 5,
        bytes_down: 7,
    }
}

fn head(finished: &Finished, latency: u64) -> Measurement {
    Measurement::Head(Head {
        at: finished.at,
        assignment: finished.assignment,
        route: finished.route,
        endpoint: finished.endpoint,
        latency: Duration::from_millis(latency),
        told: WaitMark::NONE,
    })
}

fn totals(measurements: Vec<Measurement>) -> Totals {
    let mut totals = Totals::default();
    totals.add(&Interval {
        measurements,
        ..Interval::empty(WorkerId(0), at(0))
    });
    totals
}

#[test]
fn a_request_counts_for_its_side_its_route_and_its_endpoint() {
    let good = finished(Side::New, Cause::Weighted, Class::Success);
    let bad = Finished {
        is_failover: true,
        attempts: 2,
        ..finished(Side::New, Cause::Weighted, Class::Connect)
    };
    let all = [good, bad].map(Measurement::Finished);
    let totals = totals([vec![head(&good, 20)], all.to_vec()].concat());
    let side = &totals.sides.new;
    assert_eq!((side.tally.requests(), side.tally.errors()), (2, 1));
    assert_eq!((side.attempts, side.failovers, side.weighted), (3, 1, 2));
    assert_eq!((side.bytes_up, side.bytes_down), (10, 14));
    assert_eq!(side.tally.heads(), 1);
    assert_eq!(side.durations.count(), 2);
    let median = side.durations.percentile(Percentile::P50);
    assert!(median.abs_diff(Duration::from_millis(30)) < Duration::from_micros(31));
    let route = &totals.routes[&RouteId(1)];
    assert_eq!(
        (
            route.new.requests(),
            route.new.errors(),
            route.old.requests()
        ),
        (2, 1, 0)
    );
    assert_eq!(
        (route.new.heads.count(), route.new.durations.count()),
        (1, 2)
    );
    let endpoint = &totals.endpoints[&EndpointId {
        side: Side::New,
        index: 2,
    }];
    assert_eq!(
        (
            endpoint.requests(),
            endpoint.errors(),
            endpoint.heads.count()
        ),
        (2, 1, 1)
    );
    assert_eq!(totals.sides.old.tally.requests(), 0);
}

#[test]
fn a_forced_request_counts_nowhere_but_as_forced() {
    let forced = finished(Side::New, Cause::Forced, Class::ServerError);
    let totals = totals(vec![head(&forced, 20), Measurement::Finished(forced)]);
    let side = &totals.sides.new;
    assert_eq!(side.forced, 1);
    assert!(side.tally.is_empty());
    assert_eq!(
        (side.attempts, side.bytes_down, side.durations.count()),
        (0, 0, 0)
    );
    assert!(totals.routes.is_empty());
    assert!(totals.endpoints.is_empty());
}

#[test]
fn pins_writes_and_kept_reads_are_counted_with_the_side_and_apart() {
    let pinned = finished(Side::Old, Cause::Pinned, Class::Success);
    let write = finished(Side::Old, Cause::Writes, Class::Success);
    let kept = finished(Side::Old, Cause::Kept, Class::Success);
    let all = [pinned, write, write, kept];
    let totals = totals(all.map(Measurement::Finished).to_vec());
    let side = &totals.sides.old;
    let apart = (side.pinned, side.by_writes, side.kept);
    assert_eq!((apart, side.weighted), ((1, 2, 1), 0));
    assert_eq!(side.tally.requests(), 4);
}

#[test]
fn an_abort_is_the_clients_and_no_request_of_the_side() {
    let abort = finished(Side::New, Cause::Weighted, Class::ClientAbort);
    let totals = totals(vec![Measurement::Finished(abort)]);
    let tally = &totals.sides.new.tally;
    assert_eq!((tally.requests(), tally.errors()), (0, 0));
    assert_eq!(tally.count(Class::ClientAbort), 1);
    assert_eq!(totals.routes[&RouteId(1)].new.requests(), 0);
}

#[test]
fn gauges_are_each_workers_last_word_summed_up() {
    let report = |worker, millis, number: u32| {
        let mut it = Interval::empty(WorkerId(worker), at(millis));
        it.in_flight.new = number;
        it.endpoints_in_flight.new = vec![number, number];
        it.routes_in_flight = vec![(
            RouteId(1),
            PerSide {
                old: 0,
                new: number,
            },
        )];
        it.tunnels.new = number;
        it.connections = number;
        it.rejected[Rejection::Overload.index()] = 1;
        it.lost = 1;
        it
    };
    let mut totals = Totals::default();
    totals.add(&report(0, 0, 100));
    totals.add(&report(0, 200, 3));
    totals.add(&report(1, 100, 4));
    // Comes in late: what was open then is no longer true, what was counted is.
    totals.add(&report(0, 100, 1_000));
    assert_eq!(totals.in_flight(Side::New), 7);
    assert_eq!(totals.in_flight(Side::Old), 0);
    assert_eq!(totals.tunnels(Side::New), 7);
    assert_eq!(totals.connections(), 7);
    assert_eq!(totals.route_in_flight(RouteId(1), Side::New), 7);
    assert_eq!(totals.route_in_flight(RouteId(2), Side::New), 0);
    let endpoint = |index| {
        totals.endpoint_in_flight(EndpointId {
            side: Side::New,
            index,
        })
    };
    assert_eq!((endpoint(1), endpoint(9)), (7, 0));
    assert_eq!((totals.rejections(), totals.lost), (4, 4));
}

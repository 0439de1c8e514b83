//! What is kept comes back as it was.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{batch::*, measured::Measured, *};
use crate::{
    cutover::{Actor, ConnectRun, Context, Coverage, Glance, HealthCount, StoreState},
    measure::{
        Arrived, Class, Finished, Head, Interval, Measurement, Overdue, WaitMark, Waiting, WorkerId,
    },
    plan::RouteId,
    shadow::{Counts, Dropped, Report},
    split::{Assignment, Cause},
    units::{Generation, PerSide, Salt, Side, Slot, Timestamp},
};

fn assignment() -> impl Strategy<Value = Assignment> {
    let causes = vec![
        Cause::Forced,
        Cause::Pinned,
        Cause::Writes,
        Cause::Kept,
        Cause::Weighted,
    ];
    let cause = prop::sample::select(causes);
    let side = prop::sample::select(&Side::ALL[..]);
    (side, cause, any::<u64>(), 0..4_u64).prop_map(|(side, cause, hash, generation)| Assignment {
        side,
        cause,
        slot: Slot::from_hash(hash),
        generation: Generation::new(generation),
    })
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let class = prop::sample::select(&Class::ALL[..]);
    let of = (any::<i64>(), assignment(), any::<u16>(), 0..12_u8);
    let head = (of, any::<u64>()).prop_map(|((at, assignment, route, told), nanos)| {
        Measurement::Head(Head {
            at: Timestamp::from_micros(at),
            assignment,
            route: RouteId(route),
            endpoint: None,
            latency: Duration::from_nanos(nanos),
            told: WaitMark::from(told),
        })
    });
    let of = (any::<i64>(), assignment(), any::<u16>());
    let status = prop::option::of(100..600_u16);
    let finished = (of, class, status).prop_map(|((at, assignment, route), class, status)| {
        Measurement::Finished(Finished {
            at: Timestamp::from_micros(at),
            assignment,
            route: RouteId(route),
            endpoint: None,
            class,
            status,
            is_failover: false,
            attempts: 1,
            duration: Duration::ZERO,
            bytes_up: 0,
            bytes_down: 0,
        })
    });
    prop_oneof![head, finished]
}

fn waiting() -> Waiting {
    Waiting {
        age: Duration::new(3, 7),
        requests: 5,
        drawn: 2,
        generation: Generation::new(9),
    }
}

fn interval(measurements: Vec<Measurement>, overdue: Vec<Assignment>) -> Interval {
    let overdue = overdue.into_iter().map(|assignment| Overdue {
        assignment,
        route: RouteId(3),
        mark: WaitMark::from(4),
        told: WaitMark::from(2),
    });
    Interval {
        measurements,
        overdue: overdue.collect(),
        waiting: PerSide {
            old: Vec::new(),
            new: vec![waiting()],
        },
        drilled: 4,
        lost: 1,
        ..Interval::empty(WorkerId(2), Timestamp::from_micros(1_000))
    }
}

fn glance(tunnels: u64) -> Glance {
    Glance {
        coverage: Coverage::Full,
        connects: PerSide::from_fn(|_| ConnectRun::default()),
        health: PerSide::from_fn(|_| HealthCount::default()),
        lags: Vec::new(),
        zone: Err("nobody has looked yet".to_owned()),
        copies: Err("no copy was compared yet".to_owned()),
        tunnels,
        store: StoreState::Writable,
    }
}

fn considered(heard: Heard, glance: Glance) -> Item {
    let context = Context {
        now: Timestamp::from_micros(-5),
        wall: Timestamp::from_micros(i64::MAX),
        salt: Salt::new([7; 16]),
    };
    Item::Considered(Box::new(Considered {
        heard,
        glance,
        context,
        verdict: None,
    }))
}

fn back(items: Vec<Item>) -> Vec<Item> {
    let bytes = Batch(items).encode().expect("it can be kept");
    Batch::decode(&bytes).expect("it can be read").0
}

fn seen(item: &Item) -> (&Heard, &Glance) {
    match item {
        Item::Considered(it) => (&it.heard, &it.glance),
        Item::Turned { .. } => panic!("{item:?}"),
    }
}

proptest! {
    #[test]
    fn what_decisions_rest_on_comes_back(
        measurements in prop::collection::vec(measurement(), 0..50),
        overdue in prop::collection::vec(assignment(), 0..5),
    ) {
        let whole = interval(measurements, overdue);
        let kept = Interval::from(Measured::from(&whole));
        prop_assert_eq!(format!("{kept:?}"), format!("{whole:?}"));
    }
}

#[test]
fn clients_are_not_kept() {
    let mut whole = interval(Vec::new(), Vec::new());
    whole.arrived = Arrived {
        requests: vec![3, 4],
        clients: vec![(0, "192.0.2.1".parse().expect("an address"))],
    };
    let kept = Interval::from(Measured::from(&whole)).arrived;
    assert_eq!((kept.requests, kept.clients.len()), (vec![3, 4], 0));
}

#[test]
fn what_was_seen_is_kept_once_and_told_each_time() {
    let command = Heard::Command(
        crate::cutover::Command::Hold,
        Actor::Operator("ada".to_owned()),
    );
    let items = vec![
        considered(Heard::Turn, glance(1)),
        considered(command.clone(), glance(1)),
        considered(Heard::Recorded(7), glance(2)),
        considered(Heard::Turn, glance(1)),
    ];
    let items = back(items);
    let seen: Vec<_> = items.iter().map(seen).collect();
    let expected = [
        (Heard::Turn, 1),
        (command, 1),
        (Heard::Recorded(7), 2),
        (Heard::Turn, 1),
    ];
    for ((heard, glance), (expected, tunnels)) in seen.iter().zip(&expected) {
        assert_eq!((*heard, glance.tunnels), (expected, *tunnels));
    }
    let Item::Considered(first) = &items[0] else {
        panic!("{items:?}")
    };
    assert_eq!(first.context.now, Timestamp::from_micros(-5));
    assert_eq!(first.context.wall, Timestamp::from_micros(i64::MAX));
    assert_eq!(first.context.salt, Salt::new([7; 16]));
}

#[test]
fn of_copies_only_what_a_gate_asks_for_is_kept() {
    let report = Report {
        since: Timestamp::default(),
        at: Timestamp::default(),
        share: 1.0,
        noise: 0.5,
        compared: Counts { old: 1, new: 2 },
        differing: Counts::default(),
        unexplained: 3,
        dropped: Dropped::default(),
        unread: BTreeMap::from([("zstd".to_owned(), 1)]),
        gate: None,
        routes: Vec::new(),
        differences: Vec::new(),
        others: 0,
    };
    let with_copies = Glance {
        copies: Ok(Arc::new(report)),
        ..glance(0)
    };
    let items = back(vec![considered(Heard::Turn, with_copies)]);
    let report = seen(&items[0]).1.copies.as_ref().expect("it is kept");
    assert_eq!((report.unexplained, report.unread.len()), (3, 0));
}

#[test]
fn damaged_rows_are_errors() {
    for bytes in [&[][..], &[1], &[255; 64]] {
        assert!(Batch::decode(bytes).is_err(), "{bytes:?}");
        assert!(Keyframe::decode(bytes).is_err(), "{bytes:?}");
    }
    // One that refers to what was seen before, and nothing was.
    let bytes = Batch(vec![considered(Heard::Turn, glance(0))]).encode();
    let bytes = bytes.expect("it can be kept");
    let place = bytes.iter().position(|it| *it == 0).expect("an event");
    let without = bytes.get(..=place).expect("it is longer");
    assert!(Batch::decode(without).is_err());
}

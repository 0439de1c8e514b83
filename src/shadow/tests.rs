//! Copies of fifty noisy routes, one of which new answers differently, and of two sides that are the same.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;

use super::*;
use crate::{
    plan::{EvidencePlan, Samples, ShadowPlan},
    shadow::{Comparison, Difference, Place, Request},
    units::{Share, Side, Timestamp},
};

const START: Timestamp = Timestamp::from_micros(1_000_000);

fn tally(adjust: impl FnOnce(&mut ShadowPlan)) -> Tally {
    let mut plan = ShadowPlan::of_every_request();
    adjust(&mut plan);
    Tally::new(plan, EvidencePlan::DEFAULT.tolerated_latency, START)
}

fn copy(route: usize, side: Side, latency: u64, places: &[Place]) -> Compared {
    let difference = |place: &Place| Difference {
        place: place.clone(),
        old: "\"Ada 7\"".to_owned(),
        copy: "\"Eve 9\"".to_owned(),
    };
    Compared {
        route: Arc::from(format!("r{route}")),
        request: Request {
            method: "GET".to_owned(),
            target: format!("/r{route}/users/ada?token=s3cret"),
            prefix: 3,
        },
        side,
        on_new: 0.5,
        latency: Some(Duration::from_millis(latency)),
        comparison: Comparison {
            differences: places.iter().map(difference).collect(),
            unread: None,
        },
    }
}

/// Copies of `routes` routes, each with a time that always differs and an id that often does.
fn noisy(seed: u64, routes: usize, copies: usize, spoil: impl Fn(usize, Side) -> bool) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let mut tally = tally(|it| it.max_difference = Share::from_parts_per_million(10_000));
    for _ in 0..copies {
        let (route, side) = (rng.usize(..routes), [Side::Old, Side::New][rng.usize(..2)]);
        let mut places = vec![Place::Json("/at".to_owned())];
        if rng.u8(..3) == 0 {
            places.push(Place::Json("/items/*/id".to_owned()));
        }
        if rng.u8(..50) == 0 {
            places.push(Place::Header("etag".to_owned()));
        }
        if spoil(route, side) {
            places.push(Place::Json("/price".to_owned()));
        }
        tally.add(copy(route, side, rng.u64(1..40), &places));
    }
    tally
}

fn found(tally: &Tally) -> Vec<String> {
    let report = tally.report(START, Dropped::default());
    let differences = report.differences.iter();
    let named = differences.filter(|it| it.verdict == Verdict::Difference);
    named
        .map(|it| format!("{} {}", it.route, it.place))
        .collect()
}

#[test]
fn one_field_of_one_route_among_fifty_is_found_and_no_noise_is() {
    for seed in 0..10 {
        let tally = noisy(seed, 50, 5_000, |route, side| {
            route == 17 && side == Side::New
        });
        assert_eq!(found(&tally), ["r17 json /price"], "seed {seed}");
        let report = tally.report(START, Dropped::default());
        let worst = &report.differences[0];
        assert_eq!((worst.old, worst.new), (0, worst.of_new));
        let sentence = worst.to_string();
        let expected = format!(
            "r17: json /price differs in {} of {} copies to new, and in none of {} to old",
            worst.new, worst.of_new, worst.of_old
        );
        assert_eq!(sentence, expected);
    }
}

#[test]
fn where_both_are_the_same_next_to_nothing_is_called_a_difference() {
    let mut wrong = 0;
    for seed in 0..200 {
        wrong += usize::from(!found(&noisy(seed, 20, 2_000, |_, _| false)).is_empty());
    }
    // One in a thousand is allowed for.
    assert!(wrong <= 2, "{wrong} of 200");
}

#[test]
fn what_differs_on_both_but_more_often_on_new_is_found() {
    let mut rng = Rng::with_seed(3);
    let draws: Vec<u8> = (0..20_000).map(|_| rng.u8(..100)).collect();
    let next = std::cell::Cell::new(0);
    let tally = noisy(1, 4, 20_000, |route, side| {
        let at = next.replace(next.get() + 1);
        let share = if side == Side::New { 30 } else { 10 };
        route == 2 && draws[at] < share
    });
    assert_eq!(found(&tally), ["r2 json /price"]);
}

#[test]
fn the_gate_is_given_once_enough_copies_are_the_same_but_for_noise() {
    let permit = |tally: &Tally| tally.report(START, Dropped::default()).gate.unwrap();
    let few = permit(&noisy(1, 5, 100, |_, _| false));
    assert!(!few.is_given && few.copies_left > 100, "{few:?}");
    // What is rare is no known noise yet when it is seen first.
    let enough = permit(&noisy(1, 5, 12_000, |_, _| false));
    assert!(enough.is_given, "{enough:?}");
    let spoilt = permit(&noisy(1, 5, 12_000, |route, side| {
        route == 1 && side == Side::New
    }));
    assert!(!spoilt.is_given, "{spoilt:?}");
}

#[test]
fn slower_copies_are_found_beyond_what_is_tolerated() {
    let slowed = |by: u64| {
        let mut rng = Rng::with_seed(9);
        let mut tally = tally(|_| ());
        for _ in 0..3_000 {
            let side = [Side::Old, Side::New][rng.usize(..2)];
            let more = if side == Side::New { by } else { 0 };
            tally.add(copy(0, side, rng.u64(20..40) + more, &[]));
        }
        found(&tally)
    };
    assert_eq!(slowed(20), ["r0 latency"]);
    assert!(slowed(4).is_empty());
    assert!(slowed(0).is_empty());
}

#[test]
fn samples_are_masked_unless_the_plan_shows_them() {
    let sample = |samples| {
        let mut tally = tally(|it| it.samples = samples);
        tally.add(copy(3, Side::New, 1, &[Place::Json("/name".to_owned())]));
        let report = tally.report(START, Dropped::default());
        report.differences[0].samples[0].clone()
    };
    let masked = sample(Samples::Masked);
    assert_eq!(masked.request, "GET /r3/aaaaa/aaa?aaaaa=a9aaaa");
    assert_eq!((&*masked.old, &*masked.copy), ("\"Aaa 9\"", "\"Aaa 9\""));
    let shown = sample(Samples::Shown);
    assert_eq!(shown.request, "GET /r3/users/ada?token=s3cret");
    assert_eq!((&*shown.old, &*shown.copy), ("\"Ada 7\"", "\"Eve 9\""));
}

#[test]
fn what_is_no_content_is_shown_whatever_samples_are() {
    let mut tally = tally(|it| it.samples = Samples::Masked);
    let mut compared = copy(3, Side::New, 1, &[]);
    compared.comparison.differences.push(Difference {
        place: Place::Status,
        old: "200".to_owned(),
        copy: "404".to_owned(),
    });
    tally.add(compared);
    let report = tally.report(START, Dropped::default());
    let sample = &report.differences[0].samples[0];
    assert_eq!((&*sample.old, &*sample.copy), ("200", "404"));
    assert_eq!(sample.request, "GET /r3/aaaaa/aaa?aaaaa=a9aaaa");
}

#[test]
fn what_could_not_be_read_does_not_show_that_new_is_the_same() {
    let left = |unread| {
        let mut tally = tally(|it| it.max_difference = Share::from_parts_per_million(10_000));
        for _ in 0..2_000 {
            let mut compared = copy(0, Side::New, 1, &[]);
            compared.comparison.unread = unread;
            tally.add(compared);
        }
        tally.report(START, Dropped::default()).gate.unwrap()
    };
    assert!(left(None).is_given);
    assert_eq!(left(Some("unknown")), left_at_first());
}

/// What the gate of one in a hundred waits for before the first copy.
fn left_at_first() -> GateReport {
    let tally = tally(|it| it.max_difference = Share::from_parts_per_million(10_000));
    tally.report(START, Dropped::default()).gate.unwrap()
}

#[test]
fn one_fault_of_old_does_not_explain_the_many_of_new() {
    // New fails one request of fifty, old failed once; the limit is one of a hundred.
    let mut tally = tally(|it| it.max_difference = Share::from_parts_per_million(10_000));
    tally.add(copy(0, Side::Old, 1, &[Place::Status]));
    for number in 0..6_000 {
        let side = [Side::Old, Side::New][number % 2];
        let is_spoilt = side == Side::New && number % 100 == 1;
        let places: &[Place] = if is_spoilt { &[Place::Status] } else { &[] };
        tally.add(copy(0, side, 1, places));
        let report = tally.report(START, Dropped::default());
        assert!(!report.gate.unwrap().is_given, "after {number} copies");
    }
}

#[test]
fn places_are_bounded() {
    let mut tally = tally(|_| ());
    for number in 0..1_500 {
        let place = Place::Json(format!("/field{number}"));
        tally.add(copy(0, Side::New, 1, &[place]));
    }
    let report = tally.report(START, Dropped::default());
    assert_eq!((report.differences.len(), report.others), (1_000, 500));
}

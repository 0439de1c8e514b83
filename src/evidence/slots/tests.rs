//! Every way that clients can fall into slots, and what the tests make of each.

#![expect(clippy::float_cmp, reason = "bit for bit is meant")]

use proptest::prelude::*;

use super::*;

const SLOTS: u16 = 6;

/// One tick: slots below the limit are on new, and these units have an event.
type Ticks<'a> = &'a [(u16, &'a [usize])];

/// Weights that rise, fall, go to 0 and come back, with one event at a time; units 0 and 1 return.
const ONE_BY_ONE: Ticks<'_> = &[
    (1, &[0]),
    (3, &[1]),
    (2, &[0]),
    (5, &[2]),
    (0, &[3]),
    (4, &[1]),
    (2, &[4]),
    (3, &[5]),
];

/// The same with several at a time.
const TOGETHER: Ticks<'_> = &[
    (2, &[0, 1]),
    (4, &[2, 0]),
    (0, &[]),
    (0, &[3]),
    (1, &[4]),
    (5, &[5, 1]),
];

/// Every order of the slots: unit `i` falls into the `i`-th one.
fn draws() -> Vec<Vec<u16>> {
    fn extend(draw: &mut Vec<u16>, draws: &mut Vec<Vec<u16>>) {
        if draw.len() == usize::from(SLOTS) {
            draws.push(draw.clone());
        }
        for slot in (0..SLOTS)
            .filter(|it| !draw.contains(it))
            .collect::<Vec<_>>()
        {
            draw.push(slot);
            extend(draw, draws);
            draw.pop();
        }
    }
    let mut draws = Vec::new();
    extend(&mut Vec::new(), &mut draws);
    draws
}

/// The mean of the product of all ticks' L over every draw.
fn mean(mut of_draw: impl FnMut(&[u16]) -> [f64; 6]) -> [f64; 6] {
    let draws = draws();
    let mut mean = [0.0; 6];
    for draw in &draws {
        for (mean, ln_l) in mean.iter_mut().zip(of_draw(draw)) {
            *mean += ln_l.exp() / draws.len() as f64;
        }
    }
    mean
}

fn product(parts: impl Iterator<Item = [f64; 6]>) -> [f64; 6] {
    parts.fold([0.0; 6], |mut product, part| {
        for (sum, ln_l) in product.iter_mut().zip(part) {
            *sum += ln_l;
        }
        product
    })
}

#[test]
fn the_next_slot_is_on_new_with_exactly_the_chance_that_is_said() {
    let means = mean(|draw| {
        let mut counted = SlotSet::new(SLOTS);
        product(ONE_BY_ONE.iter().map(|(limit, units)| {
            let chance = exact_chance(*limit, &counted);
            let slot = draw[units[0]];
            let fresh = u64::from(counted.insert(slot));
            let on_new = fresh * u64::from(slot < *limit);
            let events = PerSide {
                old: fresh - on_new,
                new: on_new,
            };
            relative::ln_likelihoods(events, chance, 1.0)
        }))
    });
    for mean in means {
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
    }
}

/// A whole scale over a schedule, with so many requests of each unit after every tick.
fn scale_over(ticks: Ticks<'_>, draw: &[u16], requests: &[u32], tolerated: f64) -> [f64; 6] {
    let mut scale = Scale::new(SLOTS);
    let mut activity = Activity::new(SLOTS);
    product(ticks.iter().map(|(limit, units)| {
        scale.begin(&activity.sides(*limit));
        for unit in *units {
            scale.see(draw[*unit]);
        }
        let ln_l = scale.end(tolerated, Mark::default(), Pace::AtOnce);
        for (unit, count) in requests.iter().enumerate() {
            for _ in 0..*count {
                activity.add(Slot::from_hash(u64::from(draw[unit])));
            }
        }
        ln_l
    }))
}

#[test]
fn the_mean_of_a_whole_scale_is_at_most_one_and_not_far_below() {
    for ticks in [ONE_BY_ONE, TOGETHER] {
        for requests in [[1; 6], [0, 9, 1, 0, 2, 30]] {
            let means = mean(|draw| scale_over(ticks, draw, &requests, 1.0));
            for mean in means {
                assert!(mean <= 1.0 + 1e-9, "{requests:?}: {mean}");
            }
            assert!(means[0] > 0.8, "{requests:?}: {means:?}");
        }
    }
}

#[test]
fn an_old_side_whose_slots_are_all_counted_gives_no_evidence() {
    // Requests say that whatever is still open is on new; a slot of old that errs all the same is no excuse to look away.
    let ticks: Ticks<'_> = &[(0, &[0]), (0, &[1]), (3, &[5])];
    for mean in mean(|draw| scale_over(ticks, draw, &[4, 1, 2, 14, 13, 0], 1.0)) {
        assert!(mean <= 1.0 + 1e-9, "{mean}");
    }
}

#[test]
fn several_slots_of_a_tick_may_come_in_any_order() {
    let draw = [4, 0, 3, 5, 1, 2];
    let over = |units: &[usize]| scale_over(&[(1, &[5]), (3, units)], &draw, &[1; 6], 1.0);
    let one = over(&[0, 1, 2]);
    assert_eq!(one, over(&[2, 0, 1]));
    assert_eq!(one, over(&[1, 1, 2, 0, 2]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn its_mean_is_at_most_one_for_any_weights_and_clients(
        limits in prop::collection::vec(0..=SLOTS, 5),
        units in prop::collection::vec(prop::collection::vec(0_usize..6, 0..3), 5),
        requests in prop::collection::vec(0_u32..20, 6),
        tolerated in 1.0_f64..3.0,
    ) {
        let units: Vec<&[usize]> = units.iter().map(Vec::as_slice).collect();
        let ticks: Vec<_> = limits.into_iter().zip(units).collect();
        for mean in mean(|draw| scale_over(&ticks, draw, &requests, tolerated)) {
            prop_assert!(mean <= 1.0 + 1e-9, "{}", mean);
        }
    }
}

/// How many distinct slots with events on new, and none on old, trip a test at α = 1e-3, after this γ.
fn slots_to_trip(limit: u16, gamma: f64) -> i32 {
    let mut scale = Scale::new(10_000);
    let activity = Activity::new(10_000);
    scale.detector.spend(gamma);
    (0..limit)
        .find(|slot| {
            scale.begin(&activity.sides(limit));
            scale.see(*slot);
            scale.end(1.0, Mark::default(), Pace::AtOnce);
            scale.detector.ln_evidence() >= 1_000.0_f64.ln()
        })
        .map_or(i32::MAX, |slot| i32::from(slot) + 1)
}

#[test]
fn a_trip_takes_as_many_distinct_slots_as_the_weight_asks_for() {
    // A third of what a tick of 100 ms spends, and of one of five rises.
    let (at_any_time, after_a_rise) = (0.1 / (2.0 * 24.0 * 3600.0) / 3.0, 0.1 / 3.0);
    for (limit, gamma, expected, off) in [
        (100, at_any_time, 6, 0),
        (500, at_any_time, 9, 1),
        (5_000, at_any_time, 35, 1),
        (9_500, at_any_time, 472, 20),
        (100, after_a_rise, 3, 0),
        (500, after_a_rise, 5, 1),
        (5_000, after_a_rise, 18, 1),
        (9_500, after_a_rise, 237, 15),
    ] {
        let found = slots_to_trip(limit, gamma);
        assert!((found - expected).abs() <= off, "{limit}, {gamma}: {found}");
    }
}

#[test]
fn an_epochs_end_empties_it() {
    let mut test = SlotTest::new(100);
    let micros = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    let activity = Activity::new(100);
    test.roll(micros(3_600));
    test.spend(0.1);
    test.begin(50, &activity);
    for slot in 0..20 {
        test.see(Slot::from_hash(slot));
    }
    assert_eq!(test.end(1.0, Mark::default(), Pace::AtOnce).fresh.new, 20);
    let counted = |test: &SlotTest| test.scales.each_ref().map(|it| it.counted.len());
    test.roll(micros(3_659));
    assert_eq!(counted(&test), [20, 20, 20]);
    test.roll(micros(3_660));
    assert_eq!(counted(&test), [0, 20, 20]);
    assert_eq!(test.scales[0].detector.ln_evidence(), f64::NEG_INFINITY);
    test.roll(micros(3_900));
    assert_eq!(counted(&test), [0, 0, 20]);
    test.roll(micros(5_400));
    assert_eq!(counted(&test), [0, 0, 0]);
}

/// Old's slots are used up: with `on_new` slots active there.
fn used_up(on_new: u16) -> Chance {
    let mut scale = Scale::new(200);
    let mut activity = Activity::new(200);
    for slot in (0..on_new).chain(100..200) {
        activity.add(Slot::from_hash(u64::from(slot)));
    }
    scale.begin(&activity.sides(100));
    (100..180).for_each(|slot| scale.see(slot));
    scale.end(1.0, Mark::default(), Pace::AtOnce);
    scale.chance(&activity.sides(100))
}

#[test]
fn where_old_is_used_up_faster_there_is_no_comparison() {
    assert_eq!(used_up(30), Chance::UsedUp);
    // With few slots on new: 20 % of old's requests are left and all of new's.
    let Chance::Of(chance) = used_up(29) else {
        panic!("too few slots to say so");
    };
    assert!((chance - 0.5 / 0.6).abs() < 1e-12, "{chance}");
}

#[test]
fn no_comparison_means_no_evidence() {
    let mut scale = Scale::new(200);
    scale.detector.spend(0.1);
    scale.begin(&Activity::new(200).sides(100));
    (0..9).for_each(|slot| scale.see(slot));
    scale.end(1.0, Mark::default(), Pace::AtOnce);
    assert!(scale.detector.ln_evidence() > 0.0);
    scale.tick.chance = Chance::UsedUp;
    scale.end(1.0, Mark::default(), Pace::AtOnce);
    assert_eq!(scale.detector.ln_evidence(), f64::NEG_INFINITY);
}

//! Means over every draw, what is left out, what is found, and what a restart keeps.

use std::time::Duration;

use super::*;
use crate::{
    evidence::Stage,
    measure::WaitMark,
    plan::RouteId,
    units::{Factor, Generation, Side, Slot},
};

const EXACT: LatencyTolerance = LatencyTolerance {
    times: Factor::from_thousandths(1_000),
    plus: Duration::ZERO,
};

/// A minute's begin, so that windows of 10 s begin there.
const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

fn second(second: u64) -> Timestamp {
    START.after(Duration::from_secs(second))
}

fn weight(points: u16) -> Weight {
    Weight::from_basis_points(points).expect("at most all")
}

/// Clients with one slot each, and a latency of their own.
struct Clients {
    test: SlotLatencies,
    rng: fastrand::Rng,
    /// Every how many slots there is one.
    every: u16,
    slower_on_new: f64,
}

impl Clients {
    fn new(every: u16) -> Self {
        Self {
            test: SlotLatencies::new(),
            rng: fastrand::Rng::with_seed(11),
            every,
            slower_on_new: 1.0,
        }
    }

    /// Half a second's answers at `now`: one of each client.
    fn turn(&mut self, now: Timestamp, weight: Weight) {
        self.test.roll(now, weight == Weight::NONE);
        let mut answers = Vec::new();
        for number in (0..SLOTS).step_by(usize::from(self.every)) {
            let slot = Slot::from_hash(u64::from(number));
            let side = match weight.includes(slot) {
                true => Side::New,
                false => Side::Old,
            };
            // Some clients are up to three times as slow as others, on either side.
            let own = 1.0 + f64::from(number % 7) / 3.0;
            let noise = 0.7 + 0.6 * self.rng.f64();
            let slower = match side {
                Side::Old => 1.0,
                Side::New => self.slower_on_new,
            };
            answers.push(Answer {
                generation: Generation::new(1),
                slot,
                side,
                route: RouteId::REST,
                latency: Duration::from_secs_f64(0.05 * own * noise * slower),
                told: WaitMark::NONE,
                stage: Stage::Answered,
            });
        }
        let answers = answers.into_iter();
        self.test.tick(answers, (weight, true), EXACT, now);
    }

    fn seconds(&mut self, from: u64, to: u64, weight: Weight) {
        for half in 2 * from..2 * to {
            self.turn(START.after(Duration::from_millis(half * 500)), weight);
        }
    }

    fn ln_evidence(&self) -> f64 {
        self.test.reading().ln_evidence
    }
}

#[test]
fn its_mean_is_one_over_every_draw_of_the_slots() {
    let excesses: [f64; 9] = [0.9, -0.3, 0.0, 0.05, 2.5, -0.1, 0.4, 0.01, -1.7];
    for on_new in 1..9 {
        let (mut sum, mut draws) = (0.0, 0.0);
        for draw in 0..1_u32 << excesses.len() {
            if usize::try_from(draw.count_ones()).is_ok_and(|it| it != on_new) {
                continue;
            }
            let of = |is_new: bool| {
                let slots = excesses.iter().enumerate();
                let picked = slots.filter(move |(index, _)| (draw >> index & 1 == 1) == is_new);
                picked.map(|(index, excess)| Excess {
                    excess: *excess,
                    // Slots with few latencies and such with many.
                    variance: if index % 2 == 0 { 0.01 } else { 0.3 },
                })
            };
            let mut slots: Vec<Excess> = of(true).chain(of(false)).collect();
            sum += ln_evidence(&mut slots, on_new, &mut Vec::new()).exp();
            draws += 1.0;
        }
        let mean: f64 = sum / draws;
        assert!((mean - 1.0).abs() < 1e-9, "{on_new}: {mean}");
    }
}

#[test]
fn a_slower_new_side_is_found_and_a_faster_one_is_not() {
    for (slower, is_found) in [(1.5, true), (1.0, false), (0.5, false)] {
        let mut clients = Clients::new(50);
        clients.seconds(0, 300, Weight::NONE);
        clients.slower_on_new = slower;
        clients.seconds(300, 331, weight(1_000));
        let reading = clients.test.reading();
        let found = reading.ln_evidence - reading.ln_looks > 10.0;
        assert_eq!(found, is_found, "{slower}: {reading:?}");
        if is_found {
            assert!(reading.since.is_some_and(|it| it >= second(300)));
            let typical = reading.spread.map(Spread::typical);
            let (old, new) = (typical.old.expect("some"), typical.new.expect("some"));
            let times = new.as_secs_f64() / old.as_secs_f64();
            assert!((1.3..1.7).contains(&times), "{times}");
        }
    }
}

#[test]
fn slow_clients_on_new_are_no_slow_new_side() {
    // The slots below 1,000 are the slow clients, and were so before.
    let mut clients = Clients::new(50);
    for (from, to, weight) in [(0, 300, Weight::NONE), (300, 331, weight(1_000))] {
        for half in 2 * from..2 * to {
            let now = START.after(Duration::from_millis(half * 500));
            clients.test.roll(now, weight == Weight::NONE);
            let rng = &mut clients.rng;
            let answers = (0..SLOTS).step_by(50).map(|number| Answer {
                generation: Generation::new(1),
                slot: Slot::from_hash(u64::from(number)),
                side: match number < weight.basis_points() {
                    true => Side::New,
                    false => Side::Old,
                },
                route: RouteId::REST,
                latency: Duration::from_secs_f64(
                    if number < 1_000 { 0.09 } else { 0.03 } * (0.7 + 0.6 * rng.f64()),
                ),
                told: WaitMark::NONE,
                stage: Stage::Answered,
            });
            clients.test.tick(answers, (weight, true), EXACT, now);
        }
    }
    assert!(clients.ln_evidence() < 3.0, "{}", clients.ln_evidence());
}

#[test]
fn nothing_is_told_without_a_past_or_without_one_of_the_sides() {
    let mut clients = Clients::new(50);
    clients.slower_on_new = 3.0;
    clients.seconds(0, 31, weight(1_000));
    assert!(clients.ln_evidence() < f64::MIN, "nothing is told");
    for all in [Weight::NONE, Weight::FULL] {
        let mut clients = Clients::new(50);
        clients.seconds(0, 300, Weight::NONE);
        clients.slower_on_new = 3.0;
        clients.seconds(300, 331, all);
        assert!(clients.ln_evidence() < f64::MIN, "nothing is told");
    }
}

#[test]
fn slots_that_changed_sides_within_a_window_are_left_out() {
    let mut clients = Clients::new(50);
    clients.seconds(0, 300, Weight::NONE);
    clients.slower_on_new = 3.0;
    // From 5 % to 50 % within one window: of the 200 slots 90 change sides.
    clients.seconds(300, 305, weight(500));
    clients.seconds(305, 309, weight(5_000));
    let profile = clients.test.cohorts.profile().expect("it is known");
    let mut excesses = Vec::new();
    let window = &clients.test.windows[0];
    let on_new = window.excesses(&clients.test.cohorts, &profile, &mut excesses);
    assert_eq!(on_new, Some(10));
    assert_eq!(excesses.len(), 110);
}

#[test]
fn the_past_survives_a_restart_and_the_window_under_way_does_not() {
    let mut clients = Clients::new(50);
    clients.seconds(0, 300, Weight::NONE);
    clients.slower_on_new = 2.0;
    clients.seconds(300, 315, weight(1_000));
    let mut snapshot = clients.test.clone();
    snapshot.leave_windows_out();
    let stored = |test: &SlotLatencies| serde_json::to_string(test).expect("it can be stored");
    let back =
        |text: &str| -> SlotLatencies { serde_json::from_str(text).expect("it can be read") };
    assert!(stored(&snapshot).len() < stored(&clients.test).len());
    // Stored whole, it goes on as if nothing had been.
    let mut whole = back(&stored(&clients.test));
    let mut gone_on = clients.test.clone();
    whole.roll(second(320), false);
    gone_on.roll(second(320), false);
    assert!(gone_on.windows[0].found.is_some());
    assert_eq!(whole.windows, gone_on.windows);

    let mut back = back(&stored(&snapshot));
    assert_eq!(back.cohorts, clients.test.cohorts);
    assert_eq!(back.reading(), clients.test.reading());
    back.roll(second(320), false);
    assert_eq!(back.windows[0].found, None);
    clients.test = back;
    clients.seconds(320, 331, weight(1_000));
    assert!(clients.ln_evidence() > 20.0, "{}", clients.ln_evidence());
}

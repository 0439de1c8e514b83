//! All tests together: by which weight an outcome counts, what ends evidence, and what a restart keeps.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    measure::WaitMark,
    plan::{EvidencePlan, RouteId},
    units::{Factor, Generation, PerSide, Share, Side, Slot, Timestamp, Weight},
};

fn settings(unit: Unit) -> Settings {
    Settings {
        unit,
        false_alarms: Share::from_parts_per_million(1_000).expect("it is a share"),
        tolerated_errors: Factor::from_thousandths(1_000),
        tolerated_latency: EvidencePlan::DEFAULT.tolerated_latency,
        error_limit: Share::from_parts_per_million(5_000).expect("it is a share"),
        by_route: EvidencePlan::DEFAULT.by_route,
        rises: 5,
    }
}

fn weight(points: u16) -> Weight {
    Weight::from_basis_points(points).expect("at most 100 %")
}

fn generation(number: u64) -> Generation {
    Generation::new(number)
}

const ERROR: Says = Says::Symptom(Symptom::Error);

/// Clients of an old and a new side, told to the evidence tick by tick.
struct Bench {
    evidence: Evidence,
    generation: u64,
    weight: Weight,
    now: Timestamp,
    outcomes: Vec<Outcome>,
    answers: Vec<Answer>,
    rng: fastrand::Rng,
}

impl Bench {
    fn new(unit: Unit) -> Self {
        let mut bench = Self {
            evidence: Evidence::new(settings(unit)),
            generation: 0,
            weight: Weight::NONE,
            now: Timestamp::from_micros(1_795_348_800_000_000),
            outcomes: Vec::new(),
            answers: Vec::new(),
            rng: fastrand::Rng::with_seed(3),
        };
        bench.publish(0);
        bench
    }

    fn publish(&mut self, points: u16) {
        self.generation += 1;
        self.weight = weight(points);
        self.evidence
            .published(generation(self.generation), self.weight);
    }

    /// One request of a random client, failing on each side with its own chance.
    fn request(&mut self, fails: (f64, f64)) {
        let slot = Slot::from_hash(self.rng.u64(..));
        let side = if self.weight.includes(slot) {
            Side::New
        } else {
            Side::Old
        };
        let chance = match side {
            Side::Old => fails.0,
            Side::New => fails.1,
        };
        let says = if self.rng.f64() < chance {
            ERROR
        } else {
            Says::Fine
        };
        self.outcome(slot, says);
    }

    fn outcome(&mut self, slot: Slot, says: Says) {
        self.outcome_of(RouteId::REST, slot, says);
    }

    /// A request of a random client for a route, failing on each side with its own chance.
    fn request_of(&mut self, route: RouteId, fails: (f64, f64)) {
        let slot = Slot::from_hash(self.rng.u64(..));
        let chance = match self.weight.includes(slot) {
            true => fails.1,
            false => fails.0,
        };
        let says = match self.rng.f64() < chance {
            true => ERROR,
            false => Says::Fine,
        };
        self.outcome_of(route, slot, says);
    }

    fn outcome_of(&mut self, route: RouteId, slot: Slot, says: Says) {
        let side = if self.weight.includes(slot) {
            Side::New
        } else {
            Side::Old
        };
        self.outcomes.push(Outcome {
            generation: generation(self.generation),
            slot,
            side,
            route,
            says,
        });
    }

    /// A request on new that waits for half a second.
    fn hang(&mut self, number: u64) {
        let mut waits = Answer {
            generation: generation(self.generation),
            slot: Slot::from_hash(number * 100),
            side: Side::New,
            route: RouteId::REST,
            latency: Duration::ZERO,
            told: WaitMark::NONE,
            stage: Stage::Waiting,
        };
        for millis in [125, 250, 500] {
            waits.latency = Duration::from_millis(millis);
            self.answers.push(waits);
            waits.told = WaitMark::passed(waits.latency);
        }
    }

    fn turn(&mut self) {
        self.now = self.now.after(Duration::from_millis(100));
        self.evidence.take(
            self.outcomes.drain(..).collect::<Vec<_>>().into_iter(),
            &self.answers.drain(..).collect::<Vec<_>>().into_iter(),
            self.now,
        );
    }

    /// Seconds of 100 requests each, up to a trip by `test`; the finding then.
    fn run(&mut self, seconds: u32, fails: (f64, f64), test: Test) -> Option<Finding> {
        (0..seconds * 10).find_map(|_| {
            (0..10).for_each(|_| self.request(fails));
            self.turn();
            Some(self.finding(test)).filter(Finding::is_trip)
        })
    }

    fn finding(&self, test: Test) -> Finding {
        let mut findings = self.evidence.findings();
        findings
            .find(|it| it.test == test)
            .expect("every test is there")
    }
}

const ERRORS: Test = Test::Relative(Symptom::Error);
const UNITS: [Unit; 2] = [Unit::Request, Unit::Slot];

#[test]
fn a_new_side_that_fails_trips_and_the_numbers_say_why() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(1_000);
        let fault = bench.run(60, (0.001, 0.3), ERRORS).expect("it trips");
        let (bad, of) = (fault.events().new, fault.requests.new);
        assert!((3..40).contains(&bad), "{unit:?}: {fault}");
        assert!(bad <= of && of <= 200, "{unit:?}: {fault}");
        assert!(fault.requests.old > of, "{unit:?}: {fault}");
        assert!(fault.since.is_some_and(|it| it < bench.now), "{fault}");
    }
}

#[test]
fn sides_that_fail_alike_do_not_trip_but_exceed_the_limit() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(5_000);
        assert_eq!(bench.run(60, (0.2, 0.2), ERRORS), None, "{unit:?}");
        let both = bench.finding(Test::ErrorLimit);
        assert!(both.is_trip(), "{unit:?}: {both}");
        assert!(!both.is_old_better(), "{unit:?}: {both}");
    }
}

#[test]
fn where_old_has_little_left_the_limit_speaks_and_the_draw_says_whether_old_is_better() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(9_500);
        for number in 0..60 {
            bench.outcome(Slot::from_hash(number * 7), ERROR);
        }
        bench.turn();
        assert!(!bench.finding(ERRORS).is_trip(), "{unit:?}");
        let found = bench.finding(Test::ErrorLimit);
        assert!(
            found.is_trip() && found.is_old_better(),
            "{unit:?}: {found}"
        );
        assert_eq!(found.events().new, 60);
    }
}

#[test]
fn with_everything_on_new_there_is_nothing_to_compare_with() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(10_000);
        let found = bench
            .run(5, (0.0, 0.5), Test::ErrorLimit)
            .expect("it trips");
        assert_eq!(found.requests.old, 0);
        assert!(!found.is_old_better(), "{found}");
        assert!(bench.finding(ERRORS).ln_evidence < 0.0);
    }
}

#[test]
fn every_symptom_has_a_test_of_its_own() {
    for symptom in Symptom::ALL {
        let mut bench = Bench::new(Unit::Slot);
        bench.publish(500);
        for number in 0..24 {
            bench.outcome(Slot::from_hash(number), Says::Symptom(symptom));
            if number % 2 == 1 {
                bench.turn();
            }
        }
        for test in Test::ALL {
            let is_own = test == Test::Relative(symptom);
            let is_limit = test == Test::ErrorLimit && symptom == Symptom::Error;
            assert_eq!(bench.finding(test).is_trip(), is_own || is_limit, "{test}");
        }
    }
}

/// Seconds of 100 answers each, of a hundred clients: on old 20 ms to 40 ms, on new so many times that.
fn answers(bench: &mut Bench, seconds: u32, slower: f64) -> bool {
    (0..seconds * 10).any(|_| {
        for _ in 0..10 {
            let slot = Slot::from_hash(bench.rng.u64(..100) * 100);
            let side = match bench.weight.includes(slot) {
                true => Side::New,
                false => Side::Old,
            };
            let own = 0.02 + 0.02 * bench.rng.f64();
            bench.answers.push(Answer {
                generation: generation(bench.generation),
                slot,
                side,
                route: RouteId::REST,
                latency: Duration::from_secs_f64(match side {
                    Side::Old => own,
                    Side::New => own * slower,
                }),
                told: WaitMark::NONE,
                stage: Stage::Answered,
            });
        }
        bench.turn();
        bench.finding(Test::Latency).is_trip()
    })
}

#[test]
fn a_new_side_that_is_slower_than_tolerated_trips_and_the_numbers_say_why() {
    for unit in UNITS {
        for (slower, trips) in [(1.0, false), (1.2, false), (3.0, true)] {
            let mut bench = Bench::new(unit);
            answers(&mut bench, 120, 1.0);
            bench.publish(2_000);
            assert_eq!(answers(&mut bench, 60, slower), trips, "{unit:?} {slower}");
            if trips {
                let found = bench.finding(Test::Latency);
                let typical = found.latency().map(|it| it.expect("there were some"));
                assert!(typical.new > 2 * typical.old, "{found}");
                assert!(found.since.is_some_and(|it| it < bench.now), "{found}");
                let (old, new) = (found.requests.old, found.requests.new);
                assert!(new > 0 && old > new, "{found}");
            }
        }
    }
}

#[test]
fn a_side_that_hangs_is_noticed_while_its_requests_wait() {
    for unit in UNITS {
        for (is_known, trips) in [(true, true), (false, false)] {
            let mut bench = Bench::new(unit);
            answers(&mut bench, if is_known { 120 } else { 1 }, 1.0);
            bench.publish(2_000);
            answers(&mut bench, 5, 1.0);
            for number in 0..20 {
                bench.hang(number);
                bench.turn();
            }
            let found = bench.finding(Test::Relative(Symptom::Slow));
            assert_eq!(found.is_trip(), trips, "{unit:?}: {found}");
            let expected = if is_known { 20 } else { 0 };
            assert_eq!(found.events().new, expected, "{unit:?}: {found}");
            // Nobody was answered, and nobody failed.
            assert!(!bench.finding(ERRORS).is_doubt(), "{unit:?}");
            assert!(!bench.finding(Test::Latency).is_doubt(), "{unit:?}");
        }
    }
}

#[test]
fn a_pause_of_half_a_second_is_no_hang_however_many_wait_for_it() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        answers(&mut bench, 120, 1.0);
        bench.publish(2_000);
        answers(&mut bench, 5, 1.0);
        for number in 0..20 {
            bench.hang(number);
            if number % 4 == 3 {
                bench.turn();
            }
        }
        let found = bench.finding(Test::Relative(Symptom::Slow));
        assert!(!found.is_trip(), "{unit:?}: {found}");
        assert_eq!(found.events().new, 20, "{unit:?}: {found}");
        assert!(found.ln_evidence > 1.0, "{unit:?}: {found}");
    }
}

#[test]
fn weight_zero_and_late_answers_leave_no_latency_behind() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        answers(&mut bench, 120, 1.0);
        bench.publish(2_000);
        assert!(answers(&mut bench, 60, 3.0), "{unit:?}");
        let late: Vec<Answer> = (0..500)
            .map(|number| Answer {
                generation: generation(bench.generation),
                slot: Slot::from_hash(number % 20 * 100),
                side: Side::New,
                route: RouteId::REST,
                latency: Duration::from_secs(30),
                told: WaitMark::NONE,
                stage: Stage::Answered,
            })
            .collect();
        bench.publish(0);
        bench.answers = late;
        bench.turn();
        let fresh = Bench::new(unit).finding(Test::Latency);
        assert_eq!(bench.finding(Test::Latency), fresh, "{unit:?}");
    }
}

#[test]
fn a_late_outcome_counts_by_the_weight_at_which_it_was_sent() {
    for unit in UNITS {
        // A time-out of both sides alike, sent at 50 % and known at 1 %.
        let mut bench = Bench::new(unit);
        bench.publish(5_000);
        for number in 0..40 {
            bench.outcome(Slot::from_hash(number * 251), ERROR);
        }
        let sent = std::mem::take(&mut bench.outcomes);
        bench.publish(100);
        bench.outcomes = sent;
        bench.turn();
        let found = bench.finding(ERRORS);
        assert!(
            !found.is_trip() && found.ln_evidence < 0.0,
            "{unit:?}: {found}"
        );
        // The same events, had they been sent at 1 % with all of new's on new, would have.
        let mut bench = Bench::new(unit);
        bench.publish(100);
        for number in 0..20 {
            bench.outcome(Slot::from_hash(number), ERROR);
        }
        bench.turn();
        assert!(bench.finding(ERRORS).is_trip(), "{unit:?}");
    }
}

#[test]
fn what_was_sent_before_a_rollback_is_no_evidence_after_it() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(500);
        for number in 0..100 {
            bench.outcome(Slot::from_hash(number), ERROR);
        }
        let sent = std::mem::take(&mut bench.outcomes);
        bench.publish(0);
        bench.publish(500);
        bench.outcomes = sent;
        bench.turn();
        let trips = bench.evidence.findings().filter(Finding::is_trip);
        assert_eq!(trips.count(), 0, "{unit:?}");
    }
}

#[test]
fn weight_zero_ends_all_evidence() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(500);
        bench.run(60, (0.0, 1.0), ERRORS).expect("it trips");
        bench.publish(0);
        let fresh = Bench::new(unit).evidence;
        for (now, then) in bench.evidence.findings().zip(fresh.findings()) {
            assert_eq!(now, then, "{unit:?}");
        }
    }
}

#[test]
fn what_is_not_observed_is_neither_good_nor_bad_news() {
    let mut bench = Bench::new(Unit::Slot);
    bench.publish(1_000);
    let before = bench.evidence.permit();
    for _ in 0..600 {
        bench.turn();
    }
    assert_eq!(bench.evidence.permit(), before);
    for found in bench.evidence.findings() {
        assert!(!found.is_doubt(), "{found}");
    }
}

#[test]
fn a_clean_step_is_permitted_to_go_on_and_each_step_begins_anew() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        bench.publish(5_000);
        assert!(!bench.evidence.permit().is_given);
        bench.run(30, (0.0, 0.0), ERRORS);
        assert!(bench.evidence.permit().is_given, "{unit:?}");
        bench.publish(6_000);
        let permit = bench.evidence.permit();
        assert!(!permit.is_given);
        assert!((900..1_100).contains(&permit.requests_left), "{permit:?}");
    }
}

#[test]
fn an_old_side_that_fails_anyway_raises_what_is_accepted() {
    let mut bench = Bench::new(Unit::Request);
    bench.run(60, (0.02, 0.0), ERRORS);
    let accepted = bench.evidence.permit().accepted;
    assert!((0.03..0.05).contains(&accepted), "{accepted}");
}

#[test]
fn clients_that_always_fail_do_not_keep_new_from_going_on() {
    let permit = |known: bool| {
        let mut bench = Bench::new(Unit::Slot);
        let bot = Slot::from_hash(5);
        for _ in 0..40 {
            if known {
                bench.outcome(bot, ERROR);
            }
            (0..50).for_each(|_| bench.request((0.0, 0.0)));
            bench.turn();
        }
        bench.publish(5_000);
        for _ in 0..100 {
            bench.outcome(bot, ERROR);
            (0..50).for_each(|_| bench.request((0.0, 0.0)));
            bench.turn();
        }
        bench.evidence.permit().is_given
    };
    assert!(permit(true));
    assert!(!permit(false));
}

#[test]
fn an_outage_of_both_sides_is_no_credit_and_no_debt() {
    let mut bench = Bench::new(Unit::Request);
    bench.publish(5_000);
    bench.run(5, (0.0, 0.0), ERRORS);
    let before = bench.evidence.permit();
    // Old's own test needs a moment; what new loses until then is a few errors.
    bench.run(1, (1.0, 0.0), ERRORS);
    let gained = bench.evidence.permit();
    bench.run(30, (1.0, 1.0), ERRORS);
    assert_eq!(bench.evidence.permit(), gained);
    assert!(gained.requests_left <= before.requests_left);
}

#[test]
fn only_the_plans_own_rises_are_spent_on() {
    let evidence_after = |rises: usize| {
        let mut bench = Bench::new(Unit::Request);
        for _ in 0..rises {
            bench.publish(100);
            bench.publish(200);
            bench.turn();
        }
        bench.finding(ERRORS).ln_evidence
    };
    // Turns pass time as well, which is next to nothing beside a rise.
    assert!((evidence_after(1) - 0.2_f64.ln()).abs() < 1e-3);
    assert!((evidence_after(5) - 0.5_f64.ln()).abs() < 1e-3);
    assert!((evidence_after(50) - 0.5_f64.ln()).abs() < 1e-3);
}

#[test]
fn a_snapshot_is_kept_only_if_it_is_about_the_evidence_in_force() {
    let mut bench = Bench::new(Unit::Slot);
    bench.publish(500);
    bench.run(2, (0.0, 0.5), ERRORS);
    let ledger = || Some(bench.evidence.ledger().clone());
    let in_force = (generation(bench.generation), bench.weight);
    let restored = |settings, since| Evidence::restored(settings, ledger(), in_force, since);
    let same = settings(Unit::Slot);
    let kept = restored(same, generation(2));
    assert_eq!(kept.ledger(), bench.evidence.ledger());
    let refused = restored(same, generation(3));
    assert_ne!(refused.ledger(), bench.evidence.ledger());
    let other = restored(settings(Unit::Request), generation(2));
    assert_eq!(other.findings().filter(Finding::is_doubt).count(), 0);
    // The weight rose after the snapshot: what was gathered goes on, the step begins anew.
    let later = (generation(9), weight(600));
    let risen = Evidence::restored(same, ledger(), later, generation(2));
    let errors = |it: &Evidence| it.findings().next().map(|it| it.ln_evidence);
    assert_eq!(errors(&risen), errors(&bench.evidence));
    assert_eq!(risen.permit(), Evidence::new(same).permit());
    assert_ne!(risen.permit(), bench.evidence.permit());
}

const CHECKOUT: RouteId = RouteId(4);

fn of_route(bench: &Bench) -> Vec<Finding> {
    let findings = bench.evidence.findings();
    findings.filter(|it| it.route.is_some()).collect()
}

#[test]
fn one_broken_route_trips_by_its_own_test_and_no_other_does() {
    for unit in UNITS {
        let mut bench = Bench::new(unit);
        let names = vec![(CHECKOUT, "checkout".into()), (RouteId(5), "cart".into())];
        bench.evidence.name_routes(names);
        bench.publish(1_000);
        for _ in 0..400 {
            for _ in 0..40 {
                bench.request_of(RouteId(5), (0.01, 0.01));
            }
            bench.request_of(CHECKOUT, (0.0, 1.0));
            bench.turn();
        }
        let tripped: Vec<String> = of_route(&bench)
            .iter()
            .filter(|it| it.is_trip())
            .map(Finding::name)
            .collect();
        assert_eq!(tripped, ["checkout:errors"], "{unit:?}");
        let findings = of_route(&bench);
        let found = findings.iter().find(|it| it.is_trip()).expect("it trips");
        let (bad, of) = (found.events(), found.requests);
        assert!(bad.old == 0 && bad.new > 3 && bad.new <= of.new, "{found}");
        assert!(of.old > of.new && found.since.is_some(), "{found}");
        assert_eq!(bench.evidence.finding(found.test), *found);
        let origin = &bench
            .evidence
            .origins(Symptom::Error, found.since.expect("it grew"))[0];
        assert!(["checkout", "cart"].contains(&&*origin.name));
    }
}

#[test]
fn a_route_is_tested_for_what_the_plan_asks_and_from_its_next_tick_on() {
    let mut bench = Bench::new(Unit::Request);
    bench.publish(1_000);
    let missing = Says::Symptom(Symptom::NotFound);
    for (route, says) in [
        (CHECKOUT, missing),
        (RouteId::REST, ERROR),
        (CHECKOUT, Says::Fine),
    ] {
        bench.outcome_of(route, Slot::from_hash(3), says);
    }
    bench.turn();
    assert_eq!(of_route(&bench), []);
    for number in 0..20 {
        bench.outcome_of(CHECKOUT, Slot::from_hash(number), ERROR);
    }
    bench.turn();
    let begun = of_route(&bench);
    assert_eq!(begun.len(), 1);
    // What made it begin is no evidence, but what was spent before is its own.
    assert_eq!(begun[0].events(), PerSide::default());
    let errors = bench.finding(ERRORS);
    assert!(begun[0].ln_evidence.is_finite() && begun[0].ln_evidence < errors.ln_evidence);
    bench.outcome_of(CHECKOUT, Slot::from_hash(3), ERROR);
    bench.turn();
    assert_eq!(of_route(&bench)[0].events().new, 1);
    assert!(of_route(&bench)[0].ln_evidence > begun[0].ln_evidence);
    // Weight 0 ends it, as it ends all evidence.
    bench.publish(0);
    assert_eq!(of_route(&bench), []);
}

#[test]
fn tests_of_routes_are_so_many_and_each_has_less_than_the_one_before() {
    let mut bench = Bench::new(Unit::Slot);
    bench.publish(1_000);
    for route in 0..100 {
        bench.outcome_of(RouteId(route), Slot::from_hash(9_000), ERROR);
        bench.turn();
    }
    let found = of_route(&bench);
    assert_eq!(found.len(), 64);
    assert!(found.is_sorted_by(|one, other| one.ln_threshold < other.ln_threshold));
    let portion = |it: &Finding| (it.ln_threshold + 0.001_f64.ln()).exp().round();
    let portions: Vec<f64> = found.iter().take(3).map(portion).collect();
    assert_eq!(portions, [4.0, 12.0, 24.0]);
}

#[test]
fn an_outage_of_one_route_on_old_alone_is_no_evidence_against_new() {
    // Two hundred clients buy something; old fails all of them for a while, and uses up its own of them. After that both
    // sides fail alike.
    let mut trips = 0;
    for seed in 0..20 {
        let mut bench = Bench::new(Unit::Slot);
        bench.rng = fastrand::Rng::with_seed(seed);
        let buyers: Vec<Slot> = (0..200)
            .map(|_| Slot::from_hash(bench.rng.u64(..)))
            .collect();
        bench.publish(5_000);
        let mut has_tripped = false;
        for tick in 0..500 {
            for _ in 0..10 {
                bench.request((0.0, 0.0));
            }
            for _ in 0..4 {
                let slot = buyers[bench.rng.usize(..buyers.len())];
                let is_new = bench.weight.includes(slot);
                let chance = if tick < 250 && !is_new { 1.0 } else { 0.2 };
                let says = match bench.rng.f64() < chance {
                    true => ERROR,
                    false => Says::Fine,
                };
                bench.outcome_of(CHECKOUT, slot, says);
            }
            bench.turn();
            has_tripped |= of_route(&bench).iter().any(Finding::is_trip);
        }
        trips += u32::from(has_tripped);
    }
    assert_eq!(trips, 0, "of 20, where a thousandth is allowed");
}

#[test]
fn a_reload_goes_on_with_routes_and_a_restart_begins_anew() {
    let mut bench = Bench::new(Unit::Slot);
    bench.publish(1_000);
    for _ in 0..20 {
        bench.request_of(CHECKOUT, (0.0, 1.0));
        bench.turn();
    }
    let before = of_route(&bench);
    assert_eq!(before.len(), 1);
    let in_force = (generation(bench.generation), bench.weight);
    let mut reloaded = bench.evidence.clone();
    reloaded.reload(settings(Unit::Slot), in_force, generation(1));
    assert_eq!(reloaded, bench.evidence);
    let ledger = Some(bench.evidence.ledger().clone());
    bench.evidence = Evidence::restored(settings(Unit::Slot), ledger, in_force, generation(1));
    assert_eq!(of_route(&bench), []);
}

/// What may happen in a tick.
#[derive(Clone, Debug)]
enum Happens {
    Publish(u16),
    Outcomes(Vec<(u64, u8)>),
    /// With so many milliseconds each.
    Answers(Vec<(u64, u16)>),
    Quiet(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        1 => prop_oneof![Just(0_u16), Just(10_000), 1_u16..10_000].prop_map(Happens::Publish),
        8 => prop::collection::vec((any::<u64>(), 0_u8..9), 0..30).prop_map(Happens::Outcomes),
        4 => prop::collection::vec((any::<u64>(), any::<u16>()), 0..30).prop_map(Happens::Answers),
        1 => (0_u16..1_000).prop_map(Happens::Quiet),
    ]
}

fn happen(bench: &mut Bench, it: &Happens) {
    match it {
        Happens::Publish(points) => bench.publish(*points),
        Happens::Quiet(seconds) => {
            bench.now = bench.now.after(Duration::from_secs(u64::from(*seconds)));
        }
        Happens::Outcomes(outcomes) => {
            for (hash, says) in outcomes {
                let says = match Symptom::ALL.get(usize::from(*says)) {
                    Some(symptom) => Says::Symptom(*symptom),
                    None if *says == 7 => Says::Nothing,
                    None => Says::Fine,
                };
                bench.outcome(Slot::from_hash(*hash), says);
            }
        }
        // Of slots, the window under way begins anew at a restart.
        Happens::Answers(_) if bench.evidence.ledger().unit() == Unit::Slot => (),
        Happens::Answers(answers) => {
            for (hash, millis) in answers {
                let slot = Slot::from_hash(*hash);
                let side = match bench.weight.includes(slot) {
                    true => Side::New,
                    false => Side::Old,
                };
                bench.answers.push(Answer {
                    generation: generation(bench.generation),
                    slot,
                    side,
                    route: RouteId::REST,
                    latency: Duration::from_millis(u64::from(*millis)),
                    told: WaitMark::NONE,
                    stage: Stage::Answered,
                });
            }
        }
    }
    bench.turn();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_restart_in_the_middle_gives_the_same_ticks(
        before in prop::collection::vec(happens(), 1..12),
        after in prop::collection::vec(happens(), 1..12),
        is_sticky in any::<bool>(),
    ) {
        let unit = if is_sticky { Unit::Slot } else { Unit::Request };
        let mut bench = Bench::new(unit);
        // The slots' requests before the first step are forgotten by a restart, as far as none failed.
        bench.publish(100);
        for it in &before {
            happen(&mut bench, it);
        }
        let text = serde_json::to_string(bench.evidence.ledger()).expect("it can be stored");
        let ledger: Ledger = serde_json::from_str(&text).expect("it can be read");
        let in_force = (generation(bench.generation), bench.weight);
        let since = generation(bench.generation);
        let mut restarted = Bench {
            evidence: Evidence::restored(settings(unit), Some(ledger), in_force, since),
            outcomes: Vec::new(),
            answers: Vec::new(),
            rng: fastrand::Rng::with_seed(3),
            ..bench
        };
        let mut bench = Bench { outcomes: Vec::new(), answers: Vec::new(), rng: fastrand::Rng::with_seed(3), ..bench };
        for it in &after {
            happen(&mut bench, it);
            happen(&mut restarted, it);
            let findings: Vec<_> = bench.evidence.findings().collect();
            let again: Vec<_> = restarted.evidence.findings().collect();
            prop_assert_eq!(findings, again);
            prop_assert_eq!(bench.evidence.permit(), restarted.evidence.permit());
        }
    }
}

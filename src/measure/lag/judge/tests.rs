//! What three signals say together, each case by its own readings.

use proptest::prelude::*;

use super::*;

/// A source on which 1,000 bytes are written each second, and a target that has applied everything up to some second.
fn signals(second: i64, applied: i64) -> Signals {
    let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
    let position = |second: i64| second * 1_000;
    Signals {
        beat: Beat {
            written: at(second).micros(),
            begun: at(second),
            insert: position(second) + 1,
        },
        slot: Some(Slot {
            is_active: true,
            wal_status: Some("reserved".into()),
            confirmed: Some(position(applied) + 1),
            safe_bytes: None,
        }),
        subscription: Some(Subscription {
            is_enabled: true,
            has_worker: true,
            relations: 2,
            unready: 0,
            errors: Some(0),
        }),
        seen: Some(at(applied).micros()),
        seen_at: Timestamp::from_micros(second * 1_000_000 + 20_000),
    }
}

fn why(reading: &LagReading) -> &str {
    match reading {
        LagReading::Known(lag) => panic!("known: {lag:?}"),
        LagReading::Unknown { why } => why,
    }
}

fn span(reading: &LagReading) -> Duration {
    match reading {
        LagReading::Known(lag) => lag.span,
        LagReading::Unknown { why } => panic!("unknown: {why}"),
    }
}

/// A judge that has seen ten good seconds.
fn settled() -> Judge {
    let mut judge = Judge::default();
    for second in 1..=10 {
        judge.judge(&signals(second, second));
    }
    judge
}

#[test]
fn a_target_that_follows_trails_by_what_a_heartbeat_takes() {
    let reading = settled().judge(&signals(11, 11));
    assert_eq!(span(&reading), Duration::from_millis(20));
}

#[test]
fn a_target_that_stands_still_trails_by_what_was_written_about_the_oldest_heartbeat_that_is_missing()
 {
    let mut judge = settled();
    for second in 11..=15 {
        let reading = judge.judge(&signals(second, 10));
        let expected = u64::try_from(second - 11).expect("later") * 1000 + 520;
        assert_eq!(span(&reading), Duration::from_millis(expected));
    }
    let reading = judge.judge(&signals(16, 16));
    assert_eq!(span(&reading), Duration::from_millis(20));
    assert_eq!(judge.passed(), Some(Timestamp::from_micros(16_000_000)));
}

#[test]
fn what_is_missing_after_a_target_was_not_to_be_reached_is_as_old_as_it_is() {
    let mut judge = settled();
    for second in 11..=300 {
        judge.wrote(signals(second, 10).beat);
    }
    let reading = judge.judge(&signals(301, 10));
    assert_eq!(span(&reading), Duration::from_millis(290_520));
    // It goes on where it can, and so does the reading.
    let reading = judge.judge(&signals(302, 200));
    assert_eq!(span(&reading), Duration::from_millis(101_520));
    let reading = judge.judge(&signals(303, 303));
    assert_eq!(span(&reading), Duration::from_millis(20));
}

#[test]
fn what_was_written_while_no_heartbeat_was_is_not_known_to_be_young() {
    let mut judge = settled();
    for second in 71..75 {
        let reading = judge.judge(&signals(second, 10));
        assert_eq!(
            why(&reading),
            "no heartbeat was written for 61 s, and none since then has arrived"
        );
    }
    span(&judge.judge(&signals(75, 71)));
}

#[test]
fn nothing_is_known_before_the_first_heartbeat_has_arrived() {
    let mut judge = Judge::default();
    for second in 11..20 {
        let reading = judge.judge(&signals(second, 10));
        assert_eq!(why(&reading), "no heartbeat has arrived yet");
        assert_eq!(judge.passed(), None);
    }
}

#[test]
fn a_signal_that_is_missing_or_bad_makes_it_unknown() {
    type Spoil = fn(&mut Signals);
    let spoils: [(Spoil, &str); 14] = [
        (|it| it.slot = None, "the slot is not there"),
        (|it| it.subscription = None, "the subscription is not there"),
        (|it| it.seen = None, "the heartbeat is not on the target"),
        (
            |it| slot(it).confirmed = None,
            "the slot has confirmed nothing",
        ),
        (|it| slot(it).is_active = false, "nobody takes changes"),
        (|it| slot(it).wal_status = None, "unknown state"),
        (
            |it| slot(it).wal_status = Some("lost".into()),
            "the slot is lost",
        ),
        (
            |it| slot(it).confirmed = Some(1 << 40),
            "more than was written",
        ),
        (|it| subscription(it).is_enabled = false, "disabled"),
        (|it| subscription(it).has_worker = false, "is not running"),
        (|it| subscription(it).relations = 0, "carries no table"),
        (|it| subscription(it).unready = 1, "1 of 2 tables"),
        (
            |it| subscription(it).errors = Some(1),
            "1 errors, and growing",
        ),
        // Confirmed, and yet not to be seen.
        (|it| it.seen = Some(10_000_000), "is its table published"),
    ];
    for (spoil, expected) in spoils {
        let mut bad = signals(11, 11);
        spoil(&mut bad);
        let reading = settled().judge(&bad);
        assert!(why(&reading).contains(expected), "{reading:?}");
    }
}

fn slot(signals: &mut Signals) -> &mut Slot {
    signals.slot.as_mut().expect("it is there")
}

fn subscription(signals: &mut Signals) -> &mut Subscription {
    signals.subscription.as_mut().expect("it is there")
}

#[test]
fn errors_are_past_once_they_have_stopped_growing() {
    let mut judge = settled();
    let with_errors = |second, errors| {
        let mut it = signals(second, second);
        subscription(&mut it).errors = Some(errors);
        it
    };
    for second in 11..41 {
        why(&judge.judge(&with_errors(second, 3)));
    }
    span(&judge.judge(&with_errors(41, 3)));
    // Counters that were reset are no errors.
    span(&judge.judge(&with_errors(42, 0)));
    why(&judge.judge(&with_errors(43, 1)));
}

#[test]
fn a_slot_that_does_not_confirm_what_arrives_contradicts_it() {
    let mut judge = settled();
    let unconfirmed = |second| {
        let mut it = signals(second, second);
        slot(&mut it).confirmed = Some(10_001);
        it
    };
    for second in 11..=101 {
        span(&judge.judge(&unconfirmed(second)));
    }
    assert!(why(&judge.judge(&unconfirmed(102))).contains("does not confirm"));
    span(&judge.judge(&signals(103, 103)));
}

#[test]
fn wal_lasts_as_long_as_there_is_room_at_the_present_rate() {
    let mut judge = settled();
    let mut limited = signals(11, 11);
    slot(&mut limited).safe_bytes = Some(60_000);
    let LagReading::Known(lag) = judge.judge(&limited) else {
        panic!("unknown");
    };
    assert_eq!(lag.wal_lasts, Some(Duration::from_secs(60)));
}

/// As [`signals`], by a clock of the source that is eight seconds behind where it was.
fn set_back(second: i64, applied: i64) -> Signals {
    let mut it = signals(second, applied);
    it.beat.written -= 8_000_000;
    it.seen = it.seen.map(|seen| seen - 8_000_000);
    it
}

#[test]
fn a_source_whose_clock_went_back_begins_anew() {
    let mut judge = settled();
    for second in 11..=15 {
        // The target stands still, with a heartbeat that looks newer than every one that is written since.
        let mut back = set_back(second, 10);
        back.seen = Some(10_000_000);
        let reading = judge.judge(&back);
        assert_eq!(why(&reading), "no heartbeat has arrived yet");
        assert_eq!(judge.passed(), None);
    }
    span(&judge.judge(&set_back(16, 16)));
    assert_eq!(judge.passed(), Some(Timestamp::from_micros(16_000_000)));
}

#[test]
fn a_source_that_another_one_took_the_place_of_begins_anew() {
    let mut judge = settled();
    let other = |second, applied| {
        let mut it = signals(second, applied);
        it.beat.insert -= 9_000;
        let confirmed = slot(&mut it).confirmed.expect("it is there");
        slot(&mut it).confirmed = Some(confirmed - 9_000);
        it
    };
    let reading = judge.judge(&other(11, 10));
    assert_eq!(why(&reading), "no heartbeat has arrived yet");
    span(&judge.judge(&other(12, 12)));
    // What the one before had not confirmed is nothing that this one has to.
    for second in 13..=120 {
        span(&judge.judge(&other(second, second)));
    }
}

proptest! {
    /// However the target moves on, the reading is within a second of the truth, and where heartbeats come each second it is
    /// hardly further from it than half of one.
    #[test]
    fn readings_are_within_a_second_of_the_truth(steps in proptest::collection::vec(0_i64..4, 1..80)) {
        let mut judge = settled();
        let mut applied = 10;
        for (second, step) in (11..).zip(steps) {
            applied = (applied + step).min(second);
            let span = span(&judge.judge(&signals(second, applied)));
            // What was committed at that second is there. What came after it is not, or is up to the next heartbeat.
            let seconds = |it: i64| Duration::from_secs(u64::try_from(it).unwrap_or(0));
            for truth in [second - applied, second - applied - 1] {
                let apart = span.abs_diff(seconds(truth));
                prop_assert!(apart <= Duration::from_millis(520), "{:?} for {}", span, truth);
            }
        }
    }
}

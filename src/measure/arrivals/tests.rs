//! Minutes as they add up: what is counted, what is named, and what nobody saw whole.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn client(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Requests at listeners, by these clients.
fn arrived(visits: &[(u16, u8)]) -> Arrived {
    let mut arrived = Arrived::default();
    for (listener, last) in visits {
        arrived.note(*listener, client(*last));
    }
    arrived
}

#[test]
fn minutes_count_requests_and_clients_of_each_listener() {
    let mut arrivals = Arrivals::default();
    arrivals.turn([&arrived(&[(0, 9)])], true, at(59));
    arrivals.turn([&arrived(&[(0, 1), (0, 1), (2, 1)])], true, at(60));
    arrivals.turn([&arrived(&[(0, 2), (2, 1)])], true, at(119));
    arrivals.turn([], true, at(120));
    let minutes: Vec<&Minute> = arrivals.minutes().collect();
    assert_eq!(minutes.len(), 2);
    assert!(!minutes[0].is_whole, "nobody counted at its beginning");
    let count = |requests, clients| Count {
        requests,
        clients,
        is_least: false,
    };
    let expected = Minute {
        at: at(60),
        listeners: vec![count(3, 2), count(0, 0), count(2, 1)],
        is_whole: true,
        busiest: vec![
            Visitor {
                address: client(1),
                requests: 4,
            },
            Visitor {
                address: client(2),
                requests: 1,
            },
        ],
    };
    assert_eq!(minutes[1], &expected);
    assert_eq!(minutes[1].requests(), 5);
}

#[test]
fn a_minute_that_nobody_saw_whole_says_so() {
    let mut arrivals = Arrivals::default();
    arrivals.turn([], true, at(60));
    arrivals.turn([], false, at(130));
    arrivals.turn([], true, at(180));
    // Then the loop stands still.
    arrivals.turn([&arrived(&[(0, 1)])], true, at(400));
    arrivals.turn([], true, at(420));
    let seen: Vec<_> = arrivals.minutes().map(|it| (it.at, it.is_whole)).collect();
    assert_eq!(
        seen,
        [
            (at(60), false),
            (at(120), false),
            (at(180), false),
            (at(360), false)
        ]
    );
    arrivals.turn([], true, at(480));
    assert!(arrivals.minutes().next_back().is_some_and(|it| it.is_whole));
}

#[test]
fn a_window_misses_nothing() {
    let mut arrivals = Arrivals::default();
    for second in 0..100 {
        arrivals.turn([&arrived(&[(0, 1)])], true, at(second));
    }
    let within = |seconds| arrivals.within(Duration::from_secs(seconds), at(99));
    assert_eq!((within(5), within(60)), (6, 61));
    let later = |second| arrivals.within(Duration::from_secs(5), at(second));
    assert_eq!((later(103), later(104), later(105)), (2, 1, 0));
}

#[test]
fn what_was_not_named_was_counted() {
    let mut log = Arrived::default();
    for _ in 0..=ARRIVED_MAX {
        log.note(1, client(1));
    }
    let mut earlier = arrived(&[(0, 2), (1, 3)]);
    std::mem::swap(&mut log, &mut earlier);
    log.put_back(earlier);
    let all = u32::try_from(ARRIVED_MAX).expect("it is small") + 2;
    assert_eq!(
        (log.requests.as_slice(), log.clients.len()),
        (&[1, all][..], ARRIVED_MAX)
    );
    let mut arrivals = Arrivals::default();
    arrivals.turn([&log], true, at(0));
    arrivals.turn([], true, at(60));
    let minute = arrivals.minutes().next().expect("it has ended");
    assert!(minute.listeners[1].is_least);
    assert_eq!(minute.requests(), u64::from(all) + 1);
}

#[test]
fn clients_are_told_apart_up_to_a_number() {
    let mut log = Arrived::default();
    let most = u32::try_from(CLIENTS_MAX).expect("it is small");
    for number in 0..=most {
        log.note(0, IpAddr::from(number.to_be_bytes()));
    }
    let mut arrivals = Arrivals::default();
    arrivals.turn([&log], true, at(0));
    arrivals.turn([], true, at(60));
    let minute = arrivals.minutes().next().expect("it has ended");
    let count = Count {
        requests: u64::from(most) + 1,
        clients: u64::from(most),
        is_least: true,
    };
    assert_eq!(minute.listeners, [count]);
    assert_eq!(minute.busiest.len(), BUSIEST);
}

#[test]
fn a_decay_is_of_whole_minutes_since_the_move() {
    let mut arrivals = Arrivals::default();
    // Steady at first, then fewer by half each minute.
    for minute in 0..12_i64 {
        let requests = match minute {
            0..4 => 1024,
            later => 1024 >> (later - 4),
        };
        let visits = vec![(0, 1); requests];
        arrivals.turn([&arrived(&visits)], true, at(minute * 60));
    }
    let decay = arrivals.decay(at(4 * 60)).expect("it falls");
    assert!((decay.half_life_minutes() - 1.0).abs() < 0.05, "{decay:?}");
    assert_eq!(arrivals.decay(at(8 * 60)), Err(NoDecay::TooFew { seen: 3 }));
}

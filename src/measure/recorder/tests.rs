//! Each request is recorded once, and counted in flight exactly while it is.

use proptest::prelude::*;

use super::*;
use crate::{
    measure::{Class, Head},
    units::{Generation, Slot},
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + millis * 1000)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn assignment(side: Side, cause: Cause, generation: u64) -> Assignment {
    Assignment {
        side,
        cause,
        slot: Slot::from_hash(4_321),
        generation: Generation::new(generation),
    }
}

fn to_new() -> Assignment {
    assignment(Side::New, Cause::Weighted, 5)
}

fn recorder() -> Recorder {
    Recorder::new(WorkerId(3), PerSide { old: 2, new: 2 })
}

fn outcome(class: Class) -> Outcome {
    Outcome {
        class,
        status: Some(200),
        is_failover: false,
        bytes_up: 10,
        bytes_down: 20,
    }
}

fn take(recorder: &Recorder, now: i64) -> Interval {
    recorder.take(at(now), Interval::empty(WorkerId(3), at(now)))
}

fn heads(interval: &Interval) -> Vec<Head> {
    let all = interval.measurements.iter();
    all.filter_map(|it| match it {
        Measurement::Head(head) => Some(*head),
        Measurement::Finished(_) => None,
    })
    .collect()
}

fn finishes(interval: &Interval) -> Vec<Finished> {
    let all = interval.measurements.iter();
    all.filter_map(|it| match it {
        Measurement::Head(_) => None,
        Measurement::Finished(finished) => Some(*finished),
    })
    .collect()
}

#[test]
fn an_outcome_keeps_side_slot_generation_and_what_it_took() {
    let recorder = recorder();
    let mut ticket = recorder.begin(to_new(), RouteId(7), at(0));
    ticket.choose(1);
    assert_eq!(ticket.sent(), 1);
    ticket.head(at(30));
    ticket.finish(outcome(Class::Success), at(50));
    let interval = take(&recorder, 100);
    assert_eq!((interval.worker, interval.at), (WorkerId(3), at(100)));
    let head = heads(&interval)[0];
    assert_eq!(
        (head.assignment, head.route, head.endpoint),
        (to_new(), RouteId(7), Some(1))
    );
    assert_eq!((head.at, head.latency), (at(30), millis(30)));
    let finished = finishes(&interval)[0];
    assert_eq!(
        (finished.assignment, finished.route),
        (to_new(), RouteId(7))
    );
    assert_eq!((finished.endpoint, finished.attempts), (Some(1), 1));
    assert_eq!((finished.at, finished.duration), (at(50), millis(50)));
    assert_eq!((finished.bytes_up, finished.bytes_down), (10, 20));
    assert!(take(&recorder, 200).measurements.is_empty(), "it was taken");
}

#[test]
fn a_dropped_ticket_is_an_abort_and_has_one_outcome() {
    let recorder = recorder();
    let mut ticket = recorder.begin(to_new(), RouteId(0), at(0));
    ticket.choose(0);
    drop(ticket);
    let interval = take(&recorder, 100);
    let finished = finishes(&interval);
    assert_eq!(finished.len(), 1);
    assert_eq!(
        (finished[0].class, finished[0].at),
        (Class::ClientAbort, at(100))
    );
    assert_eq!(
        (finished[0].duration, finished[0].endpoint),
        (millis(100), Some(0))
    );
    assert_eq!(interval.in_flight, PerSide::default());
    assert_eq!(interval.endpoints_in_flight.new, [0, 0]);
    assert!(take(&recorder, 200).measurements.is_empty());
}

#[test]
fn latency_is_from_the_last_body_byte_if_that_is_later() {
    let check = |steps: &dyn Fn(&mut Ticket), expected| {
        let recorder = recorder();
        let mut ticket = recorder.begin(to_new(), RouteId(0), at(0));
        steps(&mut ticket);
        ticket.head(at(1_000));
        ticket.head(at(5_000));
        ticket.finish(outcome(Class::Success), at(6_000));
        let found: Vec<_> = heads(&take(&recorder, 7_000))
            .iter()
            .map(|it| it.latency)
            .collect();
        assert_eq!(found, [millis(expected)], "once, and right");
    };
    check(&|_| (), 1_000);
    check(
        &|it| {
            it.body_started();
            it.body_progressed(at(300));
            it.body_sent(at(800));
        },
        200,
    );
    // The response comes before the body's end.
    check(
        &|it| {
            it.body_started();
            it.body_progressed(at(990));
        },
        10,
    );
}

#[test]
fn only_requests_that_wait_for_their_side_are_waiting() {
    let recorder = recorder();
    let plain = recorder.begin(to_new(), RouteId(0), at(0));
    let same_age = recorder.begin(assignment(Side::New, Cause::Pinned, 5), RouteId(0), at(0));
    let forced = recorder.begin(assignment(Side::New, Cause::Forced, 5), RouteId(0), at(0));
    let mut sending = recorder.begin(to_new(), RouteId(0), at(0));
    sending.body_started();
    let mut answered = recorder.begin(to_new(), RouteId(0), at(0));
    answered.head(at(5));
    let mut failed_over = recorder.begin(to_new(), RouteId(0), at(0));
    failed_over.fail_over(0);
    let found = take(&recorder, 1_234).waiting;
    let expected = Waiting {
        // Down to 10 ms from a second on.
        age: millis(1_230),
        requests: 2,
        drawn: 1,
        generation: Generation::new(5),
    };
    assert_eq!((found.old, found.new), (vec![], vec![expected]));

    sending.body_sent(at(2_000));
    // Too late to wait for anything.
    answered.body_sent(at(2_000));
    failed_over.body_sent(at(2_000));
    let ages = take(&recorder, 2_100).waiting.new;
    let ages: Vec<_> = ages.iter().map(|it| (it.age, it.requests)).collect();
    assert_eq!(ages, [(millis(100), 1), (millis(2_100), 2)]);
    drop((plain, same_age, forced));
}

/// Age and the age told before, in milliseconds, of what has passed a mark by `now`.
fn overdue(recorder: &Recorder, now: i64) -> Vec<(u128, u128)> {
    let told = take(recorder, now).overdue.into_iter();
    told.map(|it| (it.mark.age().as_millis(), it.told.age().as_millis()))
        .collect()
}

#[test]
fn a_wait_is_told_of_once_at_each_mark() {
    let recorder = recorder();
    let mut waits = recorder.begin(to_new(), RouteId(7), at(0));
    assert_eq!(overdue(&recorder, 100), []);
    let first = take(&recorder, 200).overdue;
    assert_eq!(
        (first[0].assignment, first[0].route),
        (to_new(), RouteId(7))
    );
    assert_eq!(overdue(&recorder, 249), []);
    assert_eq!(overdue(&recorder, 700), [(500, 125)]);
    assert_eq!(overdue(&recorder, 800), []);
    waits.head(at(900));
    let answered = take(&recorder, 5_000);
    assert_eq!(answered.overdue, []);
    assert_eq!(heads(&answered)[0].told.age(), millis(500));
}

#[test]
fn a_request_is_told_of_once_though_its_wait_begins_again() {
    let recorder = recorder();
    let mut uploads = recorder.begin(to_new(), RouteId(0), at(0));
    assert_eq!(overdue(&recorder, 300), [(250, 0)]);
    uploads.body_started();
    uploads.body_sent(at(1_000));
    assert_eq!(overdue(&recorder, 1_300), []);
    assert_eq!(overdue(&recorder, 1_500), [(500, 250)]);
    // The other side has not been waited for yet.
    uploads.reassign(assignment(Side::Old, Cause::Weighted, 6), at(2_000));
    assert_eq!(overdue(&recorder, 2_130), [(125, 0)]);
}

#[test]
fn only_drawn_requests_are_told_of_and_what_was_not_taken_is_told_again() {
    let recorder = recorder();
    let causes = [Cause::Weighted, Cause::Forced, Cause::Pinned, Cause::Writes];
    let waits = causes.map(|it| recorder.begin(assignment(Side::New, it, 5), RouteId(0), at(0)));
    recorder.put_back(take(&recorder, 150));
    assert_eq!(overdue(&recorder, 300), [(125, 0), (250, 125)]);
    drop(waits);
}

#[test]
fn a_time_out_counts_as_the_latency_that_was_waited() {
    let recorder = recorder();
    let hung = recorder.begin(to_new(), RouteId(0), at(0));
    hung.finish(outcome(Class::Timeout), at(3_000));
    let mut stalled = recorder.begin(to_new(), RouteId(0), at(0));
    stalled.head(at(10));
    stalled.finish(outcome(Class::Timeout), at(4_000));
    let reset = recorder.begin(to_new(), RouteId(0), at(0));
    reset.finish(outcome(Class::Reset), at(5));
    let latencies: Vec<_> = heads(&take(&recorder, 5_000))
        .iter()
        .map(|it| it.latency)
        .collect();
    assert_eq!(latencies, [millis(3_000), millis(10)]);
}

#[test]
fn a_wait_that_the_client_gave_up_counts_unless_it_was_short() {
    let recorder = recorder();
    for end in [3_000, 100, 99] {
        let hung = recorder.begin(to_new(), RouteId(0), at(0));
        hung.finish(outcome(Class::ClientAbort), at(end));
    }
    let mut answered = recorder.begin(to_new(), RouteId(0), at(0));
    answered.head(at(10));
    answered.finish(outcome(Class::ClientAbort), at(4_000));
    let mut uploading = recorder.begin(to_new(), RouteId(0), at(0));
    uploading.body_started();
    uploading.finish(outcome(Class::ClientAbort), at(5_000));
    let latencies: Vec<_> = heads(&take(&recorder, 6_000))
        .iter()
        .map(|it| it.latency)
        .collect();
    assert_eq!(latencies, [millis(3_000), millis(100), millis(10)]);
}

#[test]
fn a_wait_for_one_side_is_no_latency_of_the_other() {
    let recorder = recorder();
    let mut moved = recorder.begin(to_new(), RouteId(0), at(0));
    moved.reassign(assignment(Side::Old, Cause::Weighted, 6), at(2_000));
    let waiting = take(&recorder, 2_050).waiting;
    assert!(waiting.new.is_empty());
    assert_eq!(waiting.old[0].age, millis(50));
    moved.head(at(2_100));
    let mut stayed = recorder.begin(to_new(), RouteId(0), at(0));
    stayed.reassign(assignment(Side::New, Cause::Weighted, 6), at(2_000));
    stayed.head(at(2_200));
    let latencies: Vec<_> = heads(&take(&recorder, 3_000))
        .iter()
        .map(|it| it.latency)
        .collect();
    assert_eq!(latencies, [millis(100), millis(2_200)]);
}

#[test]
fn a_wait_that_began_before_a_rollback_is_no_latency_after_the_resume() {
    let recorder = recorder();
    let mut waits = recorder.begin(to_new(), RouteId(0), at(0));
    let before = waits.assignment().generation;
    let resumed = Assignment {
        generation: before.next().next(),
        ..to_new()
    };
    waits.reassign(resumed, at(900));
    assert_eq!(take(&recorder, 950).waiting.new[0].generation, before);
    waits.head(at(1_000));
    waits.finish(outcome(Class::Success), at(1_001));
    let now = take(&recorder, 1_010);
    assert_eq!(heads(&now)[0].assignment.generation, before);
    assert_eq!(heads(&now)[0].latency, millis(1_000));
    let sent_in = finishes(&now)[0].assignment.generation;
    assert_eq!(
        sent_in, resumed.generation,
        "the outcome is of what was sent"
    );
}

#[test]
fn a_wait_that_begins_with_the_end_of_a_body_is_of_the_generation_in_force() {
    let recorder = recorder();
    let mut uploads = recorder.begin(to_new(), RouteId(0), at(0));
    let resumed = Assignment {
        generation: uploads.assignment().generation.next(),
        ..to_new()
    };
    uploads.reassign(resumed, at(100));
    uploads.body_started();
    uploads.body_sent(at(500));
    assert_eq!(
        take(&recorder, 600).waiting.new[0].generation,
        resumed.generation
    );
    uploads.head(at(700));
    let now = take(&recorder, 800);
    assert_eq!(heads(&now)[0].assignment.generation, resumed.generation);
    assert_eq!(heads(&now)[0].latency, millis(200));
}

#[test]
fn a_failover_is_in_flight_at_the_other_side_and_owned_by_its_own() {
    let recorder = recorder();
    let mut ticket = recorder.begin(to_new(), RouteId(0), at(0));
    ticket.choose(1);
    ticket.fail_over(0);
    let now = take(&recorder, 10);
    assert_eq!((now.in_flight.old, now.in_flight.new), (0, 1));
    assert_eq!(now.endpoints_in_flight.old, [1, 0]);
    assert_eq!(now.endpoints_in_flight.new, [0, 0]);
    ticket.head(at(20));
    let outcome = Outcome {
        is_failover: true,
        ..outcome(Class::Connect)
    };
    ticket.finish(outcome, at(30));
    let now = take(&recorder, 40);
    assert!(heads(&now).is_empty(), "old's latency is not new's");
    let finished = finishes(&now)[0];
    assert_eq!((finished.side(), finished.endpoint), (Side::New, Some(1)));
    assert!(finished.is_failover);
    assert_eq!(now.endpoints_in_flight.old, [0, 0]);
}

#[test]
fn what_could_not_be_handed_over_is_put_back_in_order() {
    let recorder = recorder();
    let one = |now| {
        recorder
            .begin(to_new(), RouteId(0), at(now))
            .finish(outcome(Class::Success), at(now))
    };
    one(1);
    recorder.reject(Rejection::Overload);
    let mut interval = take(&recorder, 2);
    interval.lost = 4;
    one(3);
    recorder.reject(Rejection::Overload);
    recorder.put_back(interval);
    let interval = take(&recorder, 4);
    let times: Vec<_> = finishes(&interval).iter().map(|it| it.at).collect();
    assert_eq!(times, [at(1), at(3)]);
    assert_eq!(interval.rejected[Rejection::Overload.index()], 2);
    assert_eq!(interval.lost, 4);
}

#[test]
fn a_full_log_loses_measurements_and_says_so() {
    let recorder = recorder();
    let mut full = take(&recorder, 0);
    let ticket = recorder.begin(to_new(), RouteId(0), at(0));
    let finished = Measurement::Finished(ticket.finished(outcome(Class::Success), at(0)));
    full.measurements = vec![finished; MEASUREMENTS_MAX];
    recorder.put_back(full);
    ticket.finish(outcome(Class::Success), at(1));
    drop(recorder.begin(to_new(), RouteId(0), at(0)));
    let interval = take(&recorder, 2);
    assert_eq!(interval.measurements.len(), MEASUREMENTS_MAX);
    assert_eq!(interval.lost, 2);
}

#[test]
fn nothing_of_a_spare_interval_is_left() {
    let recorder = recorder();
    let mut finished = recorder.begin(to_new(), RouteId(0), at(0));
    finished.choose(1);
    finished.finish(outcome(Class::Success), at(1));
    let mut waiting = recorder.begin(to_new(), RouteId(2), at(0));
    waiting.choose(1);
    let taken = take(&recorder, 2);
    assert_eq!(taken.waiting.new.len(), 1);
    waiting.finish(outcome(Class::Success), at(3));
    let after = recorder.take(at(4), taken);
    assert_eq!((after.worker, after.at), (WorkerId(3), at(4)));
    assert_eq!(finishes(&after).len(), 1);
    assert_eq!(heads(&after).len(), 0);
    assert_eq!(after.waiting, PerSide::default());
    assert_eq!(after.routes_in_flight, []);
    assert_eq!(after.endpoints_in_flight.new, [0, 0]);
    assert!(take(&recorder, 5).measurements.is_empty());
}

#[test]
fn connections_and_tunnels_are_counted_while_they_are_open() {
    let recorder = recorder();
    recorder.connection_opened();
    recorder.connection_opened();
    recorder.connection_closed();
    let tunnel = recorder.tunnel(Side::New);
    let interval = take(&recorder, 1);
    assert_eq!((interval.connections, interval.tunnels.new), (1, 1));
    drop(tunnel);
    assert_eq!(take(&recorder, 2).tunnels.new, 0);
}

/// What may happen to a request between its beginning and its end.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Choose(u16),
    FailOver(u16),
    Reassign(Side),
    Head,
    BodyStarted,
    BodySent,
    Finish(Class),
    Drop,
}

fn happening() -> impl Strategy<Value = Happening> {
    let side = prop::sample::select(Side::ALL.to_vec());
    let class = prop::sample::select(Class::ALL.to_vec());
    prop_oneof![
        // Also an endpoint that does not exist.
        3 => (0..3_u16).prop_map(Happening::Choose),
        1 => (0..3_u16).prop_map(Happening::FailOver),
        2 => side.prop_map(Happening::Reassign),
        2 => Just(Happening::Head),
        1 => Just(Happening::BodyStarted),
        1 => Just(Happening::BodySent),
        2 => class.prop_map(Happening::Finish),
        1 => Just(Happening::Drop),
    ]
}

proptest! {
    #[test]
    fn every_request_has_one_outcome_and_none_stays_in_flight(
        happenings in prop::collection::vec((0_usize..6, happening()), 0..120),
        taken_every in 1_usize..20,
    ) {
        let recorder = recorder();
        let mut open: Vec<Option<Ticket>> = (0..6).map(|_| None).collect();
        let (mut begun, mut outcomes, mut latencies) = (0, 0, 0);
        for (now, (place, happening)) in (0..).zip(happenings) {
            let mut ticket = open[place].take().unwrap_or_else(|| {
                begun += 1;
                recorder.begin(to_new(), RouteId(0), at(now))
            });
            match happening {
                Happening::Choose(endpoint) => ticket.choose(endpoint),
                Happening::FailOver(endpoint) => ticket.fail_over(endpoint),
                Happening::Reassign(side) => {
                    ticket.reassign(assignment(side, Cause::Weighted, 6), at(now));
                }
                Happening::Head => ticket.head(at(now)),
                Happening::BodyStarted => ticket.body_started(),
                Happening::BodySent => ticket.body_sent(at(now)),
                Happening::Finish(_) | Happening::Drop => (),
            }
            match happening {
                Happening::Finish(class) => ticket.finish(outcome(class), at(now)),
                Happening::Drop => drop(ticket),
                Happening::Choose(_)
                | Happening::FailOver(_)
                | Happening::Reassign(_)
                | Happening::Head
                | Happening::BodyStarted
                | Happening::BodySent => open[place] = Some(ticket),
            }
            if usize::try_from(now).is_ok_and(|now| now % taken_every == 0) {
                let interval = take(&recorder, now);
                outcomes += finishes(&interval).len();
                latencies += heads(&interval).len();
                let is_on = |side| {
                    let open = open.iter().flatten();
                    open.filter(|it| it.assignment().side == side).count()
                };
                let by_route: PerSide<u32> = interval
                    .routes_in_flight
                    .first()
                    .map(|it| it.1)
                    .unwrap_or_default();
                for side in Side::ALL {
                    prop_assert_eq!(interval.in_flight[side] as usize, is_on(side));
                    prop_assert_eq!(by_route[side], interval.in_flight[side]);
                }
                let occupied = open.iter().flatten().filter(|it| it.occupied.is_some()).count();
                let counted = interval.endpoints_in_flight.old.iter().chain(&interval.endpoints_in_flight.new);
                prop_assert_eq!(counted.sum::<u32>() as usize, occupied);
            }
        }
        drop(open);
        let interval = take(&recorder, 1_000);
        outcomes += finishes(&interval).len();
        latencies += heads(&interval).len();
        prop_assert_eq!(outcomes, begun);
        prop_assert!(latencies <= begun);
        prop_assert_eq!(interval.in_flight, PerSide::default());
        prop_assert!(interval.routes_in_flight.is_empty());
        prop_assert!(interval.waiting.old.is_empty() && interval.waiting.new.is_empty());
        let counts = interval.endpoints_in_flight;
        prop_assert!(counts.old.iter().chain(&counts.new).all(|it| *it == 0));
    }
}

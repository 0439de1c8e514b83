//! 20,000 requests at 2,000 a second, with eight weight changes and a rollback among them: none lost, none
//! sent twice (counted at the environments), the share as asked for, and no client flips but by the rule.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::json;

use crate::harness::{
    environment::Environment,
    eventually,
    load::{Answer, Load, Protocol},
    now,
    proxy::{Proxy, STICKY, configuration},
    turn,
};

const REQUESTS: u64 = 20_000;
const WEIGHTS: [f64; 8] = [5.0, 20.0, 50.0, 80.0, 40.0, 10.0, 60.0, 30.0];
/// A stretch of time at one weight, from the answer to its command to the sending of the next one.
struct Stretch {
    weight: f64,
    from: Instant,
    to: Instant,
}

struct Run {
    answers: Vec<Answer>,
    stretches: Vec<Stretch>,
    arrived: [BTreeMap<String, u64>; 2],
}

fn run(protocol: Protocol, method: Method, clients: u64) -> Run {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    // A connection that takes its time on a busy machine is none that old has to answer for.
    let plan = format!("{STICKY}[timeouts]\nconnect = \"10s\"\n");
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan));
    let load = Load {
        rate: 2000,
        protocol,
        method,
        clients,
        ..Load::new("once")
    };
    let load = load.start(proxy.address());
    let mut stretches = Vec::new();
    let mut next = 1000;
    let until = |sent| {
        eventually("requests are sent", Duration::from_secs(30), || {
            (load.sent() >= sent).then_some(())
        });
        now()
    };
    for weight in WEIGHTS {
        until(next);
        proxy.set_weight(weight);
        let from = now();
        next += 2000;
        let to = until(next);
        stretches.push(Stretch { weight, from, to });
    }
    proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    let from = now();
    let to = until(REQUESTS);
    let weight = 0.0;
    stretches.push(Stretch { weight, from, to });
    let answers = load.stop();
    let status = proxy.status();
    let failovers = &status["sides"]["new"]["failovers"];
    assert_eq!(failovers, 0, "old answered for new: {status}");
    Run {
        answers,
        stretches,
        arrived: [old.arrived(), new.arrived()],
    }
}

impl Run {
    fn check_nothing_is_lost_or_doubled(&self) {
        assert!(self.answers.len() >= 20_000);
        let bad: Vec<_> = self
            .answers
            .iter()
            .filter(|it| it.status != Some(200))
            .collect();
        assert!(
            bad.is_empty(),
            "{} not answered: {:?}",
            bad.len(),
            bad.first()
        );
        for answer in &self.answers {
            let times: u64 = self
                .arrived
                .iter()
                .filter_map(|it| it.get(&answer.id))
                .sum();
            assert_eq!(times, 1, "{} arrived {times} times", answer.id);
        }
    }

    fn within(&self, stretch: &Stretch) -> impl Iterator<Item = &Answer> {
        let (from, to) = (stretch.from, stretch.to);
        self.answers
            .iter()
            .filter(move |it| it.sent > from && it.sent < to)
    }

    fn check_weight_0_is_none(&self) {
        let last = self.stretches.last().expect("the rollback's");
        let on_new = self.within(last).filter(|it| is_new(it)).count();
        assert_eq!(
            on_new, 0,
            "requests went to new after the rollback was answered"
        );
        assert!(self.within(last).count() > 500);
    }

    /// How many standard deviations the requests on new are away from what the weights ask for, over all
    /// stretches; every request is a client of its own, so that they are independent draws.
    fn share_deviation(&self) -> f64 {
        let (mut difference, mut variance) = (0.0, 0.0);
        for stretch in &self.stretches {
            let (mut requests, mut on_new) = (0.0, 0.0);
            for answer in self.within(stretch) {
                requests += 1.0;
                on_new += f64::from(u8::from(is_new(answer)));
            }
            let share = stretch.weight / 100.0;
            difference += on_new - share * requests;
            variance += requests * share * (1.0 - share);
        }
        difference / f64::sqrt(variance)
    }

    /// As the weight rises nobody goes from new to old, and as it falls nobody from old to new.
    fn check_no_client_flips(&self) {
        let mut sides: BTreeMap<u64, bool> = BTreeMap::new();
        let mut weight = 0.0;
        for stretch in &self.stretches {
            let rises = stretch.weight > weight;
            let mut settled: BTreeMap<u64, bool> = BTreeMap::new();
            for answer in self.within(stretch) {
                let (client, side) = (answer.client, is_new(answer));
                let first = *settled.entry(client).or_insert(side);
                assert_eq!(
                    first, side,
                    "client {client} is on both sides at {} %",
                    stretch.weight
                );
            }
            for (client, is_new) in settled {
                let was_new = sides.insert(client, is_new);
                let flipped = was_new.is_some_and(|was_new| was_new != is_new && was_new == rises);
                assert!(
                    !flipped,
                    "client {client} flipped: {weight} to {} %",
                    stretch.weight
                );
            }
            weight = stretch.weight;
        }
        assert_eq!(sides.len(), 400);
    }
}

fn is_new(answer: &Answer) -> bool {
    answer.served_by.as_deref() == Some("new")
}

fn each_request_a_client_of_its_own(protocol: Protocol, method: &Method) {
    let _turn = turn();
    let mut deviations = Vec::new();
    // Right shares are more than 3 standard deviations off once in 370 runs; twice in a row, once in 137,000.
    for _ in 0..2 {
        let run = run(protocol, method.clone(), 0);
        run.check_nothing_is_lost_or_doubled();
        run.check_weight_0_is_none();
        deviations.push(run.share_deviation());
        if deviations.last().is_some_and(|it| it.abs() < 3.0) {
            return;
        }
    }
    panic!("the share is off by {deviations:?} standard deviations");
}

fn four_hundred_clients(protocol: Protocol, method: Method) {
    let _turn = turn();
    let run = run(protocol, method, 400);
    run.check_nothing_is_lost_or_doubled();
    run.check_weight_0_is_none();
    run.check_no_client_flips();
}

#[test]
fn nothing_is_lost_or_doubled_and_the_share_holds_over_http1() {
    each_request_a_client_of_its_own(Protocol::Http1, &Method::POST);
}

#[test]
fn nothing_is_lost_or_doubled_and_the_share_holds_over_h2() {
    each_request_a_client_of_its_own(Protocol::H2c, &Method::GET);
}

#[test]
fn no_client_flips_over_http1() {
    four_hundred_clients(Protocol::Http1, Method::GET);
}

#[test]
fn no_client_flips_over_h2() {
    four_hundred_clients(Protocol::H2c, Method::POST);
}

//! How soon a bad new side has lost its traffic: at 1,000 requests a second and weight 5 %, with the triggers of
//! `config/quickstart.toml`, a few times for each fault, or as often as `CHANGEOVER_REACTIONS` says. The figures are printed.

use std::{
    env,
    io::{Write, stdout},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    admin,
    environment::Environment,
    eventually,
    load::{Answer, Load, Running},
    now,
    proxy::{Proxy, configuration},
    relay::Relay,
    turn,
};

/// The latency limit of the quickstart's "slow" trigger; a test compares it with the file.
const LATENCY_LIMIT: Duration = Duration::from_millis(500);
const HEALTHY: Duration = Duration::ZERO;

/// The quickstart's triggers, and a step that stays at 5 % for longer than the test.
fn plan() -> String {
    let quickstart = include_str!("../../config/quickstart.toml");
    let quickstart: toml::Table = quickstart.parse().expect("it is TOML");
    let triggers = toml::Table::from_iter([("trigger".to_owned(), quickstart["trigger"].clone())]);
    let slow = triggers["trigger"].as_array().into_iter().flatten();
    let slow = slow.filter_map(|it| it.get("reading").zip(it.get("above")));
    let limits: Vec<_> = slow
        .filter(|(it, _)| it.as_str() == Some("latency_p99"))
        .collect();
    assert_eq!(limits.len(), 1);
    assert_eq!(
        limits[0].1.as_str(),
        Some("500ms"),
        "LATENCY_LIMIT must follow"
    );
    format!(
        r#"
[split]
sticky = "header:x-client"
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
start = "manual"
step = [
  {{ weight = "5%", bake = "1h", requests = 1 }},
  {{ weight = "100%", bake = "1h", requests = 1 }},
]
{triggers}"#
    )
}

/// How often each fault is shown.
fn repetitions() -> usize {
    let asked = env::var("CHANGEOVER_REACTIONS").ok();
    asked.map_or(6, |it| {
        it.parse().expect("CHANGEOVER_REACTIONS is a number")
    })
}

struct Bench {
    proxy: Proxy,
    load: Running,
}

impl Bench {
    fn start(old: &str, new: &str, prefix: &str) -> Self {
        let proxy = Proxy::start(&configuration(old, new, &plan()));
        let load = Load::new(prefix).start(proxy.address());
        proxy.status_when("old is warm", Duration::from_secs(10), |it| {
            it["sides"]["old"]["request_rate"].as_f64() > Some(500.0)
        });
        Self { proxy, load }
    }

    /// Puts 5 % on new, and waits until the window holds as many requests as a trigger asks for.
    fn put_5_percent_on_new(&self, repetition: usize) {
        let (path, body) = match repetition {
            0 => ("/api/v1/ramp/start", json!({})),
            _ => ("/api/v1/ramp/resume", json!({ "reason": "test" })),
        };
        // Refused for the moment until the rollback's own entry is in the journal.
        eventually("the ramp goes on", Duration::from_secs(10), || {
            (self.proxy.post(path, &body).0 < 300).then_some(())
        });
        self.proxy
            .status_when("new is judged", Duration::from_secs(20), |it| {
                let triggers = it["triggers"].as_array().expect("a list");
                it["weight"] == 5.0 && triggers.iter().all(|it| it["verdict"] == "clear")
            });
    }

    /// Waits for the rollback; returns when weight 0 was in force, and the status then.
    fn wait_for_weight_0(&self) -> (Instant, Value) {
        let status = eventually("weight 0", Duration::from_secs(10), || {
            Some(self.proxy.status()).filter(|it| it["weight"] == 0.0)
        });
        (now(), status)
    }
}

/// Prints a line even from a test that passes, since these figures are quoted.
fn print_figures(what: &str, mut spans: Vec<Duration>, rollbacks: &[Value]) {
    spans.sort();
    let median = spans[spans.len() / 2];
    let p95 = spans[spans.len() * 95 / 100 - 1];
    let max = spans[spans.len() - 1];
    let mut causes: Vec<_> = rollbacks.iter().map(|it| it["cause"].to_string()).collect();
    causes.sort();
    causes.dedup();
    let figures = format!(
        "figures: {what}: {} runs, median {} ms, p95 {} ms, longest {} ms, by {}",
        spans.len(),
        median.as_millis(),
        p95.as_millis(),
        max.as_millis(),
        causes.join(" and ")
    );
    writeln!(stdout(), "{figures}").expect("stdout is open");
}

fn check(what: &str, spans: &[Duration], limit: Duration, rollbacks: &[Value]) {
    print_figures(what, spans.to_vec(), rollbacks);
    let slow: Vec<_> = spans.iter().filter(|it| **it > limit).collect();
    assert!(slow.is_empty(), "{what}: over {limit:?}: {slow:?}");
    let by_trigger = |it: &Value| {
        let cause = it["cause"].as_str();
        cause.is_some_and(|it| it.starts_with("trigger:"))
    };
    assert!(rollbacks.iter().all(by_trigger), "{rollbacks:?}");
}

#[test]
fn a_killed_new_side_loses_its_traffic_within_a_second_and_nobody_notices_but_at_its_death() {
    let _turn = turn();
    let old = Environment::start("old");
    let mut new = Environment::start("new");
    let (address, url) = (new.address, new.url());
    let bench = Bench::start(&old.url(), &url, "killed");
    let (mut spans, mut rollbacks, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..repetitions() {
        bench.put_5_percent_on_new(repetition);
        let fault = now();
        faults.push(fault);
        new.kill();
        let (weight_0, status) = bench.wait_for_weight_0();
        spans.push(weight_0 - fault);
        rollbacks.push(status["last_rollback"].clone());
        new = Environment::start_on("new", address.port());
    }
    let answers = bench.load.stop();
    let bad: Vec<&Answer> = answers.iter().filter(|it| it.status != Some(200)).collect();
    // The kernel takes connections for a process that dies. A request that was sent when it died, and once more to one of
    // these, has been sent as often as it may be.
    let met_it_twice = |it: &&&Answer| {
        let at_a_fault = |fault: &Instant| {
            it.sent + it.took >= *fault && it.sent < *fault + Duration::from_millis(100)
        };
        it.error.as_deref() == Some("reset") && faults.iter().any(at_a_fault)
    };
    let unexplained: Vec<_> = bad.iter().filter(|it| !met_it_twice(it)).collect();
    assert!(unexplained.is_empty(), "clients noticed: {unexplained:?}");
    assert!(bad.len() <= spans.len() / 4, "clients noticed: {bad:?}");
    println!("figures: {} requests met new's death twice", bad.len());
    check("new killed", &spans, Duration::from_secs(1), &rollbacks);
}

#[test]
fn a_stopped_new_side_loses_its_traffic_within_two_seconds() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let bench = Bench::start(&old.url(), &new.url(), "stopped");
    let (mut spans, mut rollbacks) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions() {
        bench.put_5_percent_on_new(repetition);
        let fault = now();
        new.signal(Signal::STOP);
        let (weight_0, status) = bench.wait_for_weight_0();
        // No request can pass the limit before the fault is as old as the limit.
        spans.push(weight_0.saturating_duration_since(fault + LATENCY_LIMIT));
        rollbacks.push(status["last_rollback"].clone());
        new.signal(Signal::CONT);
    }
    check(
        "new stopped, after the limit",
        &spans,
        Duration::from_secs(2),
        &rollbacks,
    );
}

#[test]
fn a_black_holed_new_side_loses_its_traffic_within_two_seconds() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let relay = Relay::start(new.address);
    let bench = Bench::start(&old.url(), &relay.url(), "black-holed");
    let (mut spans, mut rollbacks) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions() {
        bench.put_5_percent_on_new(repetition);
        let fault = now();
        let silence = relay.go_silent();
        let (weight_0, status) = bench.wait_for_weight_0();
        spans.push(weight_0.saturating_duration_since(fault + LATENCY_LIMIT));
        rollbacks.push(status["last_rollback"].clone());
        relay.go_on();
        drop(silence);
        // A connect that finds the accept queue still full is tried again by the kernel a second later, and would
        // rightly count as slow in the next repetition.
        eventually("new answers again", Duration::from_secs(10), || {
            admin::try_call(relay.address, "GET", "/_count", "").ok()
        });
    }
    check(
        "new black-holed, after the limit",
        &spans,
        Duration::from_secs(2),
        &rollbacks,
    );
}

#[test]
fn a_new_side_that_answers_500_loses_its_traffic_within_one_and_a_half_seconds() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let bench = Bench::start(&old.url(), &new.url(), "failing");
    let (mut spans, mut rollbacks) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions() {
        bench.put_5_percent_on_new(repetition);
        let fault = now();
        new.behave(500, HEALTHY);
        let (weight_0, status) = bench.wait_for_weight_0();
        spans.push(weight_0 - fault);
        rollbacks.push(status["last_rollback"].clone());
        new.behave(200, HEALTHY);
    }
    let answers = bench.load.stop();
    let errors = answers.iter().filter(|it| it.status == Some(500)).count();
    writeln!(
        stdout(),
        "figures: new answering 500: clients saw {errors} errors in {} runs, {} requests",
        spans.len(),
        answers.len()
    )
    .expect("stdout is open");
    check(
        "new answering 500",
        &spans,
        Duration::from_millis(1500),
        &rollbacks,
    );
}

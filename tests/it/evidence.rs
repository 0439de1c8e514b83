//! Evidence with the real binary: at 1,000 requests a second, weight 5 %, and one error in a thousand on both sides. The
//! only trigger is so wide that it cannot trip. The figures are printed.
//!
//! ```text
//! cargo test --test it evidence::                                          each fault a few times
//! EVIDENCE_SERIES=20 cargo test --test it evidence:: -- --nocapture --test-threads=1      the whole series: 20 of each
//! ```

use std::{
    env,
    io::{Write, stdout},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    admin,
    environment::Environment,
    eventually,
    load::{Load, Running},
    now,
    proxy::{Proxy, changeover, configuration},
    turn,
};

/// How often a fault is looked at: as often as the series asks for, or so many times.
fn repetitions(usual: usize) -> std::ops::Range<usize> {
    let asked = env::var("EVIDENCE_SERIES").ok();
    0..asked.map_or(usual, |it| it.parse().expect("EVIDENCE_SERIES is a number"))
}

fn plan(bake: &str) -> String {
    format!(
        r#"
[split]
sticky = "header:x-client"
writes = "split"
[ramp]
start = "manual"
step = [
  {{ weight = "5%", bake = "{bake}" }},
  {{ weight = "10%", bake = "1h" }},
  {{ weight = "100%", bake = "1h" }},
]
[[trigger]]
name = "wide"
reading = "error_rate"
above = "99%"
"#
    )
}

struct Bench {
    old: Environment,
    new: Environment,
    proxy: Proxy,
    load: Running,
    /// How long both sides take to answer.
    usual: Duration,
}

impl Bench {
    /// Both sides answer at once.
    fn start(prefix: &str, bake: &str) -> Self {
        Self::start_with(prefix, bake, Duration::ZERO)
    }

    /// Both sides fail one request in a thousand, and take the same time to answer.
    fn start_with(prefix: &str, bake: &str, usual: Duration) -> Self {
        Self::start_under(Load::new(prefix), &plan(bake), usual)
    }

    /// Under this load and plan.
    fn start_under(load: Load, plan: &str, usual: Duration) -> Self {
        let (old, new) = (Environment::start("old"), Environment::start("new"));
        for side in [&old, &new] {
            side.behave(200, usual);
            side.fail(500, 1);
        }
        let proxy = Proxy::start(&configuration(&old.url(), &new.url(), plan));
        let load = load.start(proxy.address());
        proxy.status_when("old is warm", Duration::from_secs(10), |it| {
            it["sides"]["old"]["request_rate"].as_f64() > Some(500.0)
        });
        Self {
            old,
            new,
            proxy,
            load,
            usual,
        }
    }

    /// Puts 5 % on new, and lets it have some requests.
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
            .status_when("new has requests", Duration::from_secs(20), |it| {
                it["weight"] == 5.0 && it["ramp"]["requests"].as_u64() > Some(50)
            });
    }

    /// Lets old answer so many requests before the first step: what is usual is learnt anew after each rollback.
    fn learn(&self, requests: u64) {
        let on_old = || self.proxy.status()["sides"]["old"]["requests"].as_u64();
        let begun = on_old().expect("a count");
        eventually("old has answered", Duration::from_secs(60), || {
            (on_old() > Some(begun + requests)).then_some(())
        });
    }

    /// How long it takes from a fault of new to weight 0, and by what.
    fn time_to_weight_0(
        &self,
        repetition: usize,
        fault: impl Fn(&Environment),
    ) -> (Duration, Value) {
        self.put_5_percent_on_new(repetition);
        let begun = now();
        fault(&self.new);
        let status = self
            .proxy
            .status_when("weight 0", Duration::from_secs(60), |it| {
                it["weight"] == 0.0
            });
        let span = now() - begun;
        // Behaving ends what only one path has.
        self.new.behave(200, self.usual);
        self.new.fail(500, 1);
        (span, status["last_rollback"].clone())
    }
}

/// Prints median, p95 and the longest, and what it was called.
fn figures(what: &str, found: &[(Duration, Value)]) {
    let mut spans: Vec<Duration> = found.iter().map(|(span, _)| *span).collect();
    spans.sort();
    let mut causes: Vec<String> = found
        .iter()
        .map(|(_, it)| it["cause"].to_string())
        .collect();
    causes.sort();
    causes.dedup();
    let (median, longest) = (spans[spans.len() / 2], spans[spans.len() - 1]);
    let late = spans[(spans.len() * 95).div_ceil(100) - 1];
    let (count, causes) = (spans.len(), causes.join(" and "));
    writeln!(
        stdout(),
        "figures: {what}: {count} runs, median {} ms, p95 {} ms, longest {} ms, by {causes}",
        median.as_millis(),
        late.as_millis(),
        longest.as_millis(),
    )
    .expect("stdout is open");
}

#[test]
fn five_percent_of_errors_on_new_are_noticed() {
    let _turn = turn();
    let bench = Bench::start("few-errors", "1h");
    let found: Vec<_> = repetitions(10)
        .map(|it| bench.time_to_weight_0(it, |new| new.fail(500, 50)))
        .collect();
    let answers = bench.load.stop();
    let errors = answers.iter().filter(|it| it.status == Some(500));
    let on_new = errors.filter(|it| it.served_by.as_deref() == Some("new"));
    figures("new answers 5 % with 500", &found);
    writeln!(
        stdout(),
        "figures: clients saw {} errors of new",
        on_new.count()
    )
    .expect("stdout is open");
    for (span, rollback) in &found {
        let cause = rollback["cause"].as_str().expect("a cause");
        assert!(cause.starts_with("evidence:"), "{rollback}");
        assert!(*span < Duration::from_secs(30), "{rollback}");
    }
}

#[test]
fn a_status_401_instead_of_200_is_noticed_by_name() {
    let _turn = turn();
    let bench = Bench::start("unauthorized", "1h");
    let found: Vec<_> = repetitions(10)
        .map(|it| bench.time_to_weight_0(it, |new| new.fail(401, 1_000)))
        .collect();
    figures("new answers with 401", &found);
    for (span, rollback) in &found {
        assert_eq!(rollback["cause"], "evidence:401", "{rollback}");
        let detail = rollback["detail"].as_str().expect("a sentence");
        assert!(detail.starts_with("status 401: "), "{detail}");
        assert!(*span < Duration::from_secs(3), "{rollback}");
    }
}

/// One request in fifty.
const PATHS: [&str; 50] = {
    let mut paths = ["/"; 50];
    paths[17] = "/checkout";
    paths
};

#[test]
fn one_broken_route_is_found_and_named() {
    let _turn = turn();
    let routes = "[[route]]\nname = \"checkout\"\npath = \"/checkout\"\n\
                  [[route]]\nname = \"catalogue\"\npath = \"/catalogue\"\n";
    let load = Load {
        paths: &PATHS,
        ..Load::new("one-route")
    };
    let bench = Bench::start_under(load, &format!("{}{routes}", plan("1h")), Duration::ZERO);
    let found: Vec<_> = repetitions(3)
        .map(|it| bench.time_to_weight_0(it, |new| new.fail_on("/checkout", 500)))
        .collect();
    figures("new fails on /checkout alone", &found);
    for (span, rollback) in &found {
        assert_eq!(rollback["cause"], "evidence:checkout:errors", "{rollback}");
        let sentence = rollback["sentence"].as_str().expect("a sentence");
        assert!(
            sentence.starts_with(
                "Everything went back to old from 5% by evidence of errors of route checkout: "
            ),
            "{sentence}"
        );
        assert!(*span < Duration::from_secs(40), "{rollback}");
    }
    let explained: Value = serde_json::from_str(&admin::get(bench.proxy.admin, "/api/v1/explain"))
        .expect("it is JSON");
    assert_eq!(
        explained["explanation"]["check"],
        "evidence:checkout:errors"
    );
    assert_eq!(explained["explanation"]["routes"][0]["name"], "checkout");
    let address = format!("http://{}", bench.proxy.admin);
    let told = changeover(&["explain", "--admin", &address]);
    let told = String::from_utf8(told.stdout).expect("it is text");
    assert!(
        told.contains("check     evidence:checkout:errors\n"),
        "{told}"
    );
}

#[test]
fn a_new_side_that_hangs_is_noticed_before_any_time_out() {
    let _turn = turn();
    let bench = Bench::start("hangs", "1h");
    let found: Vec<_> = repetitions(3)
        .map(|it| {
            bench.learn(1_500);
            bench.time_to_weight_0(it, |new| new.behave(200, Duration::from_secs(8)))
        })
        .collect();
    figures("new hangs", &found);
    for (span, rollback) in &found {
        assert_eq!(rollback["cause"], "evidence:slow", "{rollback}");
        // Before the first of them is answered.
        assert!(*span < Duration::from_secs(5), "{rollback}");
    }
}

#[test]
fn a_new_side_half_as_slow_again_is_noticed() {
    let _turn = turn();
    let usual = Duration::from_millis(60);
    let bench = Bench::start_with("slower", "1h", usual);
    let found: Vec<_> = repetitions(1)
        .map(|it| {
            bench.learn(5_000);
            bench.time_to_weight_0(it, |new| new.behave(200, usual * 3 / 2))
        })
        .collect();
    figures("new takes 90 ms instead of 60", &found);
    for (span, rollback) in &found {
        let cause = rollback["cause"].as_str().expect("a cause");
        let is_right = ["evidence:latency", "evidence:slow"].contains(&cause);
        assert!(is_right, "{rollback}");
        assert!(*span < Duration::from_secs(30), "{rollback}");
    }
}

#[test]
fn a_dead_new_side_is_noticed_without_a_trigger_for_it() {
    let _turn = turn();
    let mut bench = Bench::start("dead", "1h");
    let mut found = Vec::new();
    for repetition in repetitions(2) {
        bench.put_5_percent_on_new(repetition);
        let begun = now();
        bench.new.crash();
        let status = bench
            .proxy
            .status_when("weight 0", Duration::from_secs(60), |it| {
                it["weight"] == 0.0
            });
        found.push((now() - begun, status["last_rollback"].clone()));
        bench.new.revive("new");
        bench.new.fail(500, 1);
        bench
            .proxy
            .status_when("new is back", Duration::from_secs(60), |it| {
                it["sides"]["new"]["endpoints"][0]["healthy"] == true
            });
    }
    figures("new is dead", &found);
    let answers = bench.load.stop();
    let failed = answers
        .iter()
        .filter(|it| it.status.is_none_or(|it| it >= 500));
    writeln!(
        stdout(),
        "figures: {} of {} requests failed",
        failed.count(),
        answers.len()
    )
    .expect("stdout is open");
    for (span, rollback) in &found {
        assert_eq!(rollback["cause"], "evidence:errors", "{rollback}");
        assert!(*span < Duration::from_secs(10), "{rollback}");
    }
}

#[test]
fn what_both_sides_suffer_holds_and_moves_nobody() {
    let _turn = turn();
    let bench = Bench::start("shared", "1h");
    bench.put_5_percent_on_new(0);
    bench.old.fail(500, 300);
    bench.new.fail(500, 300);
    let status = bench
        .proxy
        .status_when("it holds", Duration::from_secs(20), |it| {
            it["ramp"]["state"] == "holding"
        });
    assert_eq!(status["weight"], 5.0);
    let reason = status["ramp"]["reason"].as_str().expect("a reason");
    assert_eq!(reason, "by evidence error_limit, with old no better");
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("not known to be better"), "{warnings}");
}

#[test]
fn a_healthy_step_ends_on_evidence_and_not_before() {
    let _turn = turn();
    let bench = Bench::start("healthy", "1s");
    let begun = now();
    bench.put_5_percent_on_new(0);
    let status = bench
        .proxy
        .status_when("it has baked", Duration::from_secs(20), |it| {
            it["ramp"]["bake_remaining_s"] == 0.0
        });
    assert_eq!(status["ramp"]["step"], 1);
    let share = status["request_share"].as_f64().expect("a share");
    assert!((0.02..0.1).contains(&share), "{status}");
    assert!(status["busiest_share"].as_f64() < Some(0.1), "{status}");
    assert!(status["before"]["requests"].as_u64() > Some(0), "{status}");
    let outlook = &status["ramp"]["outlook"];
    assert!(outlook[0]["takes_s"].as_f64() > Some(15.0), "{outlook}");
    assert!(outlook[0]["notices"].as_f64() < Some(0.2), "{outlook}");
    assert_eq!(outlook[2]["notices"], Value::Null, "nothing is left on old");
    assert!(
        status["ramp"]["evidence_requests_left"].as_u64() > Some(0),
        "{status}"
    );
    bench
        .proxy
        .status_when("the next step", Duration::from_secs(240), |it| {
            it["ramp"]["step"] == 2
        });
    let span = now() - begun;
    writeln!(
        stdout(),
        "figures: a step of 5 % with one error in a thousand ended after {} s",
        span.as_secs()
    )
    .expect("stdout is open");
    // A thousand requests without an error take twenty seconds there.
    assert!(span > Duration::from_secs(15), "{span:?}");
    assert_eq!(bench.proxy.status()["rollbacks"], 0);
}

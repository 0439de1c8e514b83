//! Evidence with the real binary: at 1,000 requests a second, weight 5 %, and one error in a thousand on both sides. The
//! only trigger is so wide that it cannot trip. The figures are printed.

use std::{
    io::{Write, stdout},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    environment::Environment,
    eventually,
    load::{Load, Running},
    now,
    proxy::{Proxy, configuration},
    turn,
};

const REPETITIONS: usize = 10;

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
}

impl Bench {
    /// Both sides fail one request in a thousand.
    fn start(prefix: &str, bake: &str) -> Self {
        let (old, new) = (Environment::start("old"), Environment::start("new"));
        old.fail(500, 1);
        new.fail(500, 1);
        let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan(bake)));
        let load = Load::new(prefix).start(proxy.address());
        proxy.status_when("old is warm", Duration::from_secs(10), |it| {
            it["sides"]["old"]["request_rate"].as_f64() > Some(500.0)
        });
        Self {
            old,
            new,
            proxy,
            load,
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
        self.new.fail(500, 1);
        (span, status["last_rollback"].clone())
    }
}

/// Prints median and p95, and what it was called.
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
    let (count, causes) = (spans.len(), causes.join(" and "));
    writeln!(
        stdout(),
        "figures: {what}: {count} runs, median {} ms, longest {} ms, by {causes}",
        median.as_millis(),
        longest.as_millis(),
    )
    .expect("stdout is open");
}

#[test]
fn five_percent_of_errors_on_new_are_noticed() {
    let _turn = turn();
    let bench = Bench::start("few-errors", "1h");
    let found: Vec<_> = (0..REPETITIONS)
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
    let found: Vec<_> = (0..REPETITIONS)
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

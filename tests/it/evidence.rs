//! Evidence with the real binary: what is said and done, at 1,000 requests a second, weight 5 %, and one error in a thousand on
//! both sides. The only trigger is so wide that it cannot trip. How long it takes is for `series`.

use std::{
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
    /// Each request is one of a new client.
    fn start(prefix: &str, bake: &str) -> Self {
        Self::start_under(Load::new(prefix), &plan(bake))
    }

    /// Under this load and plan.
    fn start_under(load: Load, plan: &str) -> Self {
        let (old, new) = (Environment::start("old"), Environment::start("new"));
        old.slip(1);
        new.slip(1);
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
        }
    }

    /// Puts 5 % on new, and lets it have some requests.
    fn put_5_percent_on_new(&self) {
        self.proxy.does("/api/v1/ramp/start", &json!({}));
        self.proxy
            .status_when("new has requests", Duration::from_secs(20), |it| {
                it["weight"] == 5.0 && it["ramp"]["requests"].as_u64() > Some(50)
            });
    }

    /// Lets old answer so many requests before the first step, so that it is known what is usual.
    fn learn(&self, requests: u64) {
        let on_old = || self.proxy.status()["sides"]["old"]["requests"].as_u64();
        let begun = on_old().expect("a count");
        eventually("old has answered", Duration::from_secs(60), || {
            (on_old() > Some(begun + requests)).then_some(())
        });
    }

    /// What everything went back by after a fault of new, and how long that took.
    fn rollback_after(&self, fault: impl Fn(&Environment)) -> (Duration, Value) {
        self.put_5_percent_on_new();
        let begun = now();
        fault(&self.new);
        let status = self
            .proxy
            .status_when("weight 0", Duration::from_secs(60), |it| {
                it["weight"] == 0.0
            });
        (now() - begun, status["last_rollback"].clone())
    }
}

#[test]
fn a_status_401_instead_of_200_is_noticed_by_name() {
    let _turn = turn();
    let bench = Bench::start("unauthorized", "1h");
    let (span, rollback) = bench.rollback_after(|new| new.fail(401, 1_000));
    assert_eq!(rollback["cause"], "evidence:401", "{rollback}");
    let detail = rollback["detail"].as_str().expect("a sentence");
    assert!(detail.starts_with("status 401: "), "{detail}");
    assert!(span < Duration::from_secs(3), "{rollback}");
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
    let bench = Bench::start_under(load, &format!("{}{routes}", plan("1h")));
    let (span, rollback) = bench.rollback_after(|new| new.fail_on("/checkout", 500));
    // Its own test comes first most of the time, and else the one of all requests, whose errors are all of this route.
    let (check, of_what) = match rollback["cause"].as_str() {
        Some("evidence:errors") => ("evidence:errors", "errors"),
        _ => ("evidence:checkout:errors", "errors of route checkout"),
    };
    assert_eq!(rollback["cause"], check, "{rollback}");
    let sentence = rollback["sentence"].as_str().expect("a sentence");
    let begin = format!("Everything went back to old from 5% by evidence of {of_what}: ");
    assert!(sentence.starts_with(&begin), "{sentence}");
    assert!(span < Duration::from_secs(40), "{rollback}");
    // A rollback is in force before it is in the journal.
    let explained = eventually("it is explained", Duration::from_secs(10), || {
        let (status, text) = admin::call(bench.proxy.admin, "GET", "/api/v1/explain", "");
        (status == 200).then_some(text)
    });
    let explained: Value = serde_json::from_str(&explained).expect("it is JSON");
    assert_eq!(explained["explanation"]["check"], check);
    assert_eq!(explained["explanation"]["routes"][0]["name"], "checkout");
    let address = format!("http://{}", bench.proxy.admin);
    let told = changeover(&["explain", "--admin", &address]);
    let told = String::from_utf8(told.stdout).expect("it is text");
    assert!(told.contains(&format!("check     {check}\n")), "{told}");
}

#[test]
fn a_new_side_that_hangs_is_noticed_before_any_time_out() {
    let _turn = turn();
    let bench = Bench::start("hangs", "1h");
    bench.learn(1_500);
    let (span, rollback) = bench.rollback_after(|new| new.behave(200, Duration::from_secs(8)));
    assert_eq!(rollback["cause"], "evidence:slow", "{rollback}");
    // Before the first of them is answered.
    assert!(span < Duration::from_secs(5), "{rollback}");
}

#[test]
fn what_both_sides_suffer_holds_and_moves_nobody() {
    let _turn = turn();
    let bench = Bench::start("shared", "1h");
    bench.put_5_percent_on_new();
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
    bench.put_5_percent_on_new();
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

#[test]
fn evidence_goes_on_in_the_process_that_takes_over() {
    let _turn = turn();
    let bench = Bench::start("taken-over", "1h");
    bench.put_5_percent_on_new();
    let errors = |status: &Value| {
        let tests = status["evidence"].as_array().expect("the tests");
        let errors = tests.iter().find(|it| it["name"] == "errors");
        errors.expect("there is one").clone()
    };
    bench.new.fail(500, 60);
    let limit = Duration::from_secs(30);
    bench
        .proxy
        .status_when("there is a suspicion", limit, |it| {
            errors(it)["evidence_log10"].as_f64() > Some(0.5)
        });
    bench.new.fail(500, 0);
    let Bench { proxy, load, .. } = bench;
    let answered = load.stop().len() as u64;
    let counted = proxy.status_when("all are counted", limit, |it| {
        let of = |side: &str| it["sides"][side]["requests"].as_u64();
        of("old").zip(of("new")).map(|(old, new)| old + new) == Some(answered)
    });
    // What is counted in one turn is judged by the next one at the latest.
    let before = proxy.status_when("the next turn", limit, |it| {
        it["at"].as_str() > counted["at"].as_str()
    });
    assert_eq!(before["weight"], 5.0, "{before}");
    let pid = proxy.upgrade();
    let after = proxy.status_when("another process leads", limit, |it| {
        it["process"]["pid"] == pid
    });
    let (before, after) = (errors(&before), errors(&after));
    for what in ["since", "events", "requests"] {
        assert_eq!(after[what], before[what], "{what}");
    }
    let evidence = |it: &Value| it["evidence_log10"].as_f64().expect("a number");
    let (then, now) = (evidence(&before), evidence(&after));
    assert!((then - now).abs() < 0.05, "{then} before, {now} after");
    assert!(then > 0.5, "{then}");
}

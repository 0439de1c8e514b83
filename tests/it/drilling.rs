//! A drill on the real binary: what trips is what would trip, no client notices, and the ramp goes on where it was.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    environment::Environment,
    load::Load,
    proxy::{Proxy, changeover, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A first step that is over soon, and may not be left without a drill.
const PLAN: &str = r#"
[split]
sticky = "header:x-client"
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
start = "manual"
step = [
  { weight = "10%", bake = "2s", requests = 100 },
  { weight = "100%", bake = "1h", requests = 1 },
]
[[gate]]
above_weight = "10%"
drill = { within = "7d" }
[[trigger]]
name = "errors"
reading = "error_rate"
above = "2%"
window = "2s"
requests = 20
[[trigger]]
name = "slow"
reading = "latency_p99"
above = "500ms"
window = "2s"
requests = 20
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5
"#;

fn drill(proxy: &Proxy, words: &[&str]) -> (Option<i32>, String) {
    let admin = format!("http://{}", proxy.admin);
    let output =
        changeover(&[&["drill"], words, &["--reason", "test", "--admin", &admin]].concat());
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Starts the ramp once there is something to compare with.
fn start(proxy: &Proxy) {
    proxy.status_when("old is warm", LIMIT, |it| {
        it["sides"]["old"]["request_rate"].as_f64() > Some(500.0)
    });
    proxy.does("/api/v1/ramp/start", &json!({}));
}

#[test]
fn a_drill_proves_the_way_back_and_opens_the_gate_without_a_lost_request() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), PLAN));
    let load = Load::new("drill").start(proxy.address());
    let (code, text) = drill(&proxy, &[]);
    assert_eq!(code, Some(3), "the ramp is idle: {text}");
    start(&proxy);
    let waits = |it: &serde_json::Value| it["ramp"]["waits"].to_string();
    proxy.status_when("the gate alone is in the way", LIMIT, |it| {
        waits(it).contains("a drill of this configuration") && !waits(it).contains("bake")
    });
    let (code, text) = drill(&proxy, &["--fault", "errors", "--latency", "10ms"]);
    assert_eq!(code, Some(2), "{text}");
    let words = ["--fault", "latency", "--latency", "900ms", "--share", "50%"];
    let (code, text) = drill(&proxy, &words);
    println!("figures: drill of latency: {}", text.replace('\n', "; "));
    assert_eq!(code, Some(0), "{text}\n{}", proxy.log());
    assert!(text.contains("trigger:slow"), "{text}");
    assert!(text.lines().all(|it| it.chars().count() <= 80), "{text}");
    let status = proxy.status_when("the ramp goes on", LIMIT, |it| it["weight"] == 100.0);
    assert_eq!(status["drill"]["state"], "passed", "{status}");
    let answers = load.stop();
    for answer in &answers {
        assert_eq!(answer.status, Some(200), "{answer:?}\n{}", proxy.log());
    }
    let kinds: Vec<String> = proxy
        .events()
        .iter()
        .filter_map(|it| it["change"]["kind"].as_str().map(str::to_owned))
        .collect();
    let expected = [
        "began",
        "started",
        "drill_started",
        "rolled_back",
        "drill_ended",
        "resumed",
        "advanced",
    ];
    assert_eq!(kinds, expected);
    assert!(new.requests() > 0 && old.requests() > 0);
}

#[test]
fn every_fault_trips_and_is_answered_by_old() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    // The gate would let the ramp go on after the first drill.
    let plan = PLAN.replace("bake = \"2s\"", "bake = \"1h\"");
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan));
    let load = Load::new("fault").start(proxy.address());
    start(&proxy);
    for (fault, causes) in [
        ("errors", &["trigger:errors"][..]),
        ("refused", &["trigger:unreachable", "trigger:errors"]),
    ] {
        proxy.status_when("the step has traffic", LIMIT, |it| {
            it["sides"]["new"]["request_rate"].as_f64() > Some(50.0) && it["weight"] == 10.0
        });
        let (code, text) = drill(&proxy, &["--fault", fault, "--share", "100%"]);
        println!("figures: drill of {fault}: {}", text.replace('\n', "; "));
        assert_eq!(code, Some(0), "{text}\n{}", proxy.log());
        assert!(causes.iter().any(|it| text.contains(it)), "{text}");
    }
    for answer in load.stop() {
        assert_eq!(answer.status, Some(200), "{answer:?}\n{}", proxy.log());
    }
}

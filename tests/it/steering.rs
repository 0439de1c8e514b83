//! The command line as people and scripts use it: what it prints, and what it exits with.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::harness::{
    environment::{Environment, signal_process},
    eventually,
    proxy::{Folder, Proxy, changeover, configuration},
};

const RAMP: &str = r#"
[split]
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
step = [{ weight = "10%", bake = "1h" }, { weight = "100%", bake = "1h" }]
[[trigger]]
name = "errors"
reading = "error_rate"
above = "2%"
window = "10s"
requests = 50
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn client(proxy: &Proxy, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(arguments)
        .env("CHANGEOVER_ADMIN", format!("http://{}", proxy.admin))
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn exits(output: &Output, code: i32) -> String {
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

#[test]
fn an_operator_steers_a_ramp_from_the_command_line() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), RAMP));
    exits(&client(&proxy, &["status"]), 0);
    eventually("the ramp starts", Duration::from_secs(10), || {
        let started = client(&proxy, &["ramp", "start"]);
        (started.status.code() == Some(0)).then_some(())
    });
    assert_eq!(proxy.status()["weight"], 10.0);
    exits(&client(&proxy, &["ramp", "start"]), 3);
    exits(&client(&proxy, &["ramp", "hold"]), 0);
    assert_eq!(proxy.status()["ramp"]["state"], "holding");
    exits(
        &client(&proxy, &["ramp", "resume", "--reason", "looked at it"]),
        0,
    );
    exits(
        &client(&proxy, &["weight", "12.5", "--reason", "by hand"]),
        0,
    );
    assert_eq!(proxy.status()["weight"], 12.5);
    exits(&client(&proxy, &["rollback", "--reason", "enough"]), 0);
    assert_eq!(proxy.status()["weight"], 0.0);
    // Setting a weight while rolled back is refused, and says what to do.
    let refused = exits(&client(&proxy, &["weight", "5", "--reason", "again"]), 3);
    assert!(refused.contains("resume"), "{refused}");
    let events = exits(&client(&proxy, &["events", "--json"]), 0);
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(
            event["seq"].is_u64() && event["actor"].is_object(),
            "{line}"
        );
    }
    assert!(events.contains("looked at it") && events.contains("enough"));
    let status = exits(&client(&proxy, &["status", "--json"]), 0);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["last_rollback"]["cause"], "operator:local");
    let plain = exits(&client(&proxy, &["status"]), 0);
    assert!(plain.lines().all(|it| it.chars().count() <= 80), "{plain}");
    let (ended, log) = proxy.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
}

#[test]
fn bad_usage_is_2_and_a_dead_server_is_1() {
    exits(&changeover(&["serve", "--old"]), 2);
    exits(&changeover(&["nonsense"]), 2);
    exits(&changeover(&["weight", "101", "--reason", "x"]), 2);
    exits(&changeover(&["rollback"]), 2);
    let dead = exits(&changeover(&["status", "--admin", "http://127.0.0.1:1"]), 1);
    assert!(
        dead.contains("127.0.0.1:1") && dead.contains("changeover serve"),
        "{dead}"
    );
    let missing = exits(
        &changeover(&["check", "--config", "/nonexistent/file.toml"]),
        2,
    );
    assert!(missing.contains("/nonexistent/file.toml"), "{missing}");
}

#[test]
fn check_reports_every_fault_with_its_place_and_else_the_plan() {
    let folder = Folder::new();
    let good = folder.write(
        "good.toml",
        &configuration("http://a:1", "http://b:2", RAMP),
    );
    let good = good.to_str().expect("the path is text");
    let plan = exits(&changeover(&["check", "--config", good]), 0);
    assert!(plan.contains("10%") && plan.contains("errors"), "{plan}");
    let text = configuration("ftp://a:1", "http://b:2", RAMP).replace("reading", "reeding");
    let bad = folder.write("bad.toml", &text);
    let faults = exits(
        &changeover(&["check", "--config", bad.to_str().expect("text")]),
        2,
    );
    assert!(faults.contains("bad.toml:9:14"), "{faults}");
    assert!(
        faults.contains("reeding") && faults.contains("reading"),
        "{faults}"
    );
    assert!(
        !changeover(&["serve", "--config", bad.to_str().expect("text")])
            .status
            .success()
    );
}

#[test]
fn one_serve_owns_a_store() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), RAMP));
    let config = proxy.folder().path().join("changeover.toml");
    let second = changeover(&["serve", "--config", config.to_str().expect("text")]);
    let said = exits(&second, 1);
    assert!(
        said.contains("it.db") && said.contains(&proxy.pid().to_string()),
        "{said}"
    );
}

#[test]
fn ctrl_c_ends_the_demo_and_leaves_nothing_behind() {
    let child = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["demo", "--seconds", "60", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let pid = child.id();
    // The handler stands once the process has said anything.
    let mut child = child;
    let mut first = [0; 1];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut first).expect("output");
    eventually("it is interrupted", Duration::from_secs(20), || {
        signal_process(pid, Signal::INT);
        child.try_wait().expect("it is ours")
    });
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("interrupted"));
}

#[test]
fn completions_and_the_man_page_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(exits(&changeover(&["completions", shell]), 0).contains("rollback"));
    }
    assert!(exits(&changeover(&["man"]), 0).contains(".TH"));
}

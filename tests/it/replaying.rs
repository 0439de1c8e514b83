//! Every decision of the real binary is the same when it is taken again from what was recorded beside the journal.

use std::{process::Output, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    environment::Environment,
    eventually,
    load::Load,
    proxy::{Folder, Proxy, changeover, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Evidence with nothing said about it, and a ramp that stays where it is put.
const PLAN: &str = r#"
[split]
sticky = "none"
writes = "split"
[ramp]
step = [{ weight = "10%", bake = "1h" }, { weight = "100%", bake = "1h" }]
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5
"#;

fn start(proxy: &Proxy) {
    proxy.status_when("every worker reports", LIMIT, |it| {
        !it["ramp"]["waits"].to_string().contains("workers")
    });
    proxy.does("/api/v1/ramp/start", &json!({}));
}

/// Once the journal has what came before.
fn resume(proxy: &Proxy) {
    eventually("it goes on", LIMIT, || {
        let (code, said) = proxy.post("/api/v1/ramp/resume", &json!({ "reason": "test" }));
        assert!(code < 300 || said.contains("recorded yet"), "{code} {said}");
        (code < 300).then_some(())
    });
}

fn replay(folder: &Folder, more: &[&str]) -> Output {
    let journal = folder.path().join("it.db");
    let mut arguments = vec!["replay", journal.to_str().expect("a plain path")];
    arguments.extend(more);
    changeover(&arguments)
}

/// What replay says in JSON: the decisions, and what they came to; `None` where nothing is recorded yet.
fn documents(folder: &Folder) -> Option<(Vec<Value>, Value)> {
    let said = replay(folder, &["--json"]);
    let complaint = String::from_utf8_lossy(&said.stderr);
    if complaint.contains("nothing was recorded") {
        return None;
    }
    let text = String::from_utf8(said.stdout).expect("text");
    let mut documents: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON document a line"))
        .collect();
    let summary = documents.pop();
    let summary = summary.unwrap_or_else(|| panic!("no summary: {complaint}"));
    Some((documents, summary))
}

fn kinds(entries: &[Value]) -> Vec<String> {
    let kinds = entries
        .iter()
        .filter_map(|it| it["change"]["kind"].as_str());
    kinds.map(str::to_owned).collect()
}

/// Through a reload, a drill, a trip by evidence, an upgrade and a trigger.
#[test]
fn what_was_decided_is_decided_again() {
    let _turn = turn();
    let (old, mut new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), PLAN);
    let mut proxy = Proxy::start(&text);
    let folder = proxy.folder();
    let load = Load {
        rate: 300,
        ..Load::new("r")
    };
    let load = load.start(proxy.address());
    start(&proxy);
    let longer = text.replace("100%\", bake = \"1h\"", "100%\", bake = \"2h\"");
    folder.write("changeover.toml", &longer);
    proxy.does("/api/v1/reload", &json!({}));
    resume(&proxy);
    proxy.status_when("both sides answer", LIMIT, |it| {
        it["sides"]["new"]["requests"].as_u64() > Some(100)
    });

    let drill = json!({ "fault": "errors", "share": 100, "reason": "test" });
    let (code, said) = proxy.post("/api/v1/drill", &drill);
    assert!(code < 300, "{code} {said}");
    proxy.status_when("the drill is over", LIMIT, |it| {
        it["drill"]["state"] == "passed" && it["ramp"]["state"] == "baking"
    });

    // New gets worse, and evidence takes everything back.
    new.fail(500, 300);
    proxy.status_when("rolled back", LIMIT, |it| {
        it["ramp"]["state"] == "rolled_back"
    });
    new.fail(500, 0);
    resume(&proxy);
    proxy.upgrade();
    // And again, before a trigger.
    new.crash();
    proxy.status_when("rolled back again", LIMIT, |it| {
        it["ramp"]["state"] == "rolled_back"
    });
    load.stop();

    // While it runs, what is a second old is there.
    let (written, entries, summary) = eventually("all of it is written", LIMIT, || {
        let (decisions, summary) = documents(&folder)?;
        let written: Vec<Value> = decisions
            .iter()
            .flat_map(|it| it["entries"].as_array().cloned().unwrap_or_default())
            .collect();
        let entries = proxy.events();
        (written.len() == 11 && entries.len() == 12).then_some((written, entries, summary))
    });
    // The first is written before anything is decided.
    assert_eq!(kinds(&written), kinds(&entries)[1..]);
    for (written, entry) in written.iter().zip(&entries[1..]) {
        assert_eq!(written["explanation"], entry["explanation"]);
    }
    assert_eq!(summary["is_same"], true, "{summary}");
    assert_eq!(
        (&summary["differing"], &summary["not_compared"]),
        (&json!(0), &json!(0))
    );

    proxy.signal(Signal::TERM);
    let status = proxy.wait(LIMIT);
    assert!(status.success(), "{status}");
    let said = replay(&folder, &[]);
    let text = String::from_utf8(said.stdout).expect("text");
    assert!(said.status.success(), "{text}");
    assert!(!text.contains("DIFFERS"), "{text}");
    assert!(text.contains("in all    same: "), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

/// A kill loses what is younger than a second, and nothing else; what follows begins anew.
#[test]
fn a_kill_leaves_what_can_be_decided_again() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), PLAN));
    let folder = proxy.folder();
    start(&proxy);
    let has_written = |count: usize| {
        eventually("it is written", LIMIT, || {
            let (decisions, summary) = documents(&folder)?;
            assert_eq!(summary["is_same"], true, "{summary}");
            let entries = decisions.iter().filter_map(|it| it["entries"].as_array());
            (entries.map(Vec::len).sum::<usize>() == count).then_some(())
        });
    };
    has_written(1);
    proxy.kill();
    has_written(1);
    let proxy = Proxy::start_in(&folder);
    proxy.set_weight(70.0);
    has_written(2);
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let folder = Folder::new();
    let said = |path: &str| {
        let output = changeover(&["replay", folder.path().join(path).to_str().expect("a path")]);
        let complaint = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), complaint)
    };
    let (code, complaint) = said("nothing.db");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("nothing.db.observations"), "{complaint}");
    folder.write(
        "text.db",
        "no database at all, but long enough to be looked at as if it were one",
    );
    let (code, complaint) = said("text.db");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("text.db"), "{complaint}");
    assert_eq!(changeover(&["replay"]).status.code(), Some(2));

    // Nothing is recorded where nobody wants it.
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), PLAN);
    let text = text.replace("\"sqlite:it.db\"", "\"sqlite:it.db\"\nobservations = 0");
    let proxy = Proxy::start(&text);
    start(&proxy);
    let output = replay(&proxy.folder(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!proxy.folder().path().join("it.db.observations").exists());
}

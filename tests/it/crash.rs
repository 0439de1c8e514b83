//! `kill -9` of the real process at random instants, with and without a full disk: what was acknowledged is
//! there after the restart, and a rollback stays one.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    disk::Disk,
    environment::Environment,
    eventually,
    load::Load,
    now, pause,
    proxy::{Folder, Proxy, configuration},
    turn,
};

const KILLS: u32 = 20;

/// Steps so short that something is being recorded at any instant.
const RAMP: &str = r#"
[split]
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
step = [
  { weight = "1%", bake = "100ms" },
  { weight = "2%", bake = "100ms" },
  { weight = "3%", bake = "100ms" },
  { weight = "5%", bake = "100ms" },
  { weight = "8%", bake = "100ms" },
  { weight = "13%", bake = "100ms" },
  { weight = "21%", bake = "100ms" },
  { weight = "34%", bake = "100ms" },
  { weight = "55%", bake = "100ms" },
  { weight = "100%", bake = "1h" },
]
[[trigger]]
name = "errors"
reading = "error_rate"
above = "50%"
window = "500ms"
requests = 1
"#;

/// What the process had acknowledged before it was killed.
struct Acknowledged {
    events: Vec<Value>,
    rolled_back: bool,
}

/// Lives until a random instant: ramps, now and then is held, resumed or rolled back, and is killed.
fn live_and_die(proxy: Proxy, dice: &mut fastrand::Rng) -> (Acknowledged, Folder) {
    let load = Load {
        rate: 300,
        connections: 4,
        ..Load::new("crash")
    };
    let load = load.start(proxy.address());
    let end = now() + Duration::from_millis(dice.u64(50..1500));
    let start = match proxy.status()["ramp"]["state"].as_str() {
        Some("idle") => Some("start"),
        Some("rolled_back" | "holding") => Some("resume"),
        _ => None,
    };
    if let Some(command) = start {
        // Refused while a worker has not reported, or a trigger does not know yet.
        eventually("the ramp goes on", Duration::from_secs(10), || {
            let path = format!("/api/v1/ramp/{command}");
            let body = if command == "start" {
                json!({})
            } else {
                json!({ "reason": "test" })
            };
            (proxy.post(&path, &body).0 < 300).then_some(())
        });
    }
    let rolled_back = dice.u8(0..3) == 0;
    wait_until(end);
    if rolled_back {
        proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    }
    let events = proxy.events();
    let folder = proxy.kill();
    drop(load);
    (
        Acknowledged {
            events,
            rolled_back,
        },
        folder,
    )
}

fn wait_until(end: Instant) {
    pause(end.saturating_duration_since(now()));
}

fn is_replayed(proxy: &Proxy, acknowledged: &Acknowledged) {
    let events = proxy.events();
    let kept = events.get(..acknowledged.events.len());
    assert_eq!(
        kept,
        Some(&acknowledged.events[..]),
        "an acknowledged entry is gone"
    );
    let status = proxy.status();
    if acknowledged.rolled_back {
        assert_eq!(status["ramp"]["state"], "rolled_back", "{status}");
        assert_eq!(status["weight"], 0.0, "{status}");
    }
    let generations = events.iter().map(|it| it["generation"].as_u64());
    assert!(generations.is_sorted(), "generations only rise");
    let last = events.last().expect("it began");
    assert_eq!(status["weight"], last["weight"], "{last}");
}

#[test]
fn twenty_kills_lose_nothing_that_was_acknowledged() {
    let _turn = turn();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let mut proxy = Proxy::start(&configuration(&old.url(), &new.url(), RAMP));
    let mut rollbacks = 0;
    for _ in 0..KILLS {
        let (acknowledged, folder) = live_and_die(proxy, &mut dice);
        rollbacks += u32::from(acknowledged.rolled_back);
        proxy = Proxy::start_in(&folder);
        is_replayed(&proxy, &acknowledged);
    }
    println!("{rollbacks} of the kills came right after a rollback");
}

#[test]
fn a_rollback_on_a_full_disk_survives_a_kill() {
    let _turn = turn();
    let disk = Disk::mount(2048);
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    let text = configuration(&old.url(), &new.url(), RAMP);
    let store = format!("url = \"sqlite:{}/it.db\"", disk.path().display());
    folder.write(
        "changeover.toml",
        &text.replace("url = \"sqlite:it.db\"", &store),
    );
    let start = || Proxy::start_with(disk.command(env!("CARGO_BIN_EXE_changeover")), &folder);
    let proxy = start();
    proxy.set_weight(25.0);
    disk.fill();
    // A hold is in force at once and cannot be recorded: the store is seen to fail.
    let (code, _) = proxy.post("/api/v1/rollback", &json!({ "reason": "the disk is full" }));
    assert_eq!(code, 200, "a rollback never waits for a disk");
    let status = proxy.status_when(
        "the store's fault is shown",
        Duration::from_secs(10),
        |it| it["store"] != "writable",
    );
    assert_eq!(status["weight"], 0.0, "{status}");
    let (ready, why) = crate::harness::admin::call(proxy.admin, "GET", "/readyz", "");
    assert_eq!(ready, 503, "{why}");
    let events = proxy.events();
    proxy.kill();
    disk.make_room();
    let proxy = start();
    let status = proxy.status();
    assert_eq!(status["ramp"]["state"], "rolled_back", "{status}");
    assert_eq!(status["weight"], 0.0, "{status}");
    assert_eq!(
        status["last_rollback"]["cause"], "operator:local",
        "{status}"
    );
    // The entry reaches the journal as soon as there is room.
    eventually(
        "the rollback is in the journal",
        Duration::from_secs(10),
        || {
            let now = proxy.events();
            (now.len() > events.len() && now[..events.len()] == events).then_some(())
        },
    );
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    let text = configuration(&old.url(), &new.url(), "");
    folder.write("changeover.toml", &text);
    let mut command = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_changeover");
    command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full", binary]);
    let proxy = Proxy::start_with(command, &folder);
    // Each of these is a line of the log.
    proxy.set_weight(50.0);
    proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    let status = proxy.status();
    assert_eq!(status["weight"], 0.0, "{status}");
}

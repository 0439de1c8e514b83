//! The lag as it is: made and undone under load, read within a second of the truth, and obeyed.

use std::{
    cell::Cell,
    fs,
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

use changeover::units::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    environment::Environment,
    eventually,
    load::Load,
    metrics,
    postgres::{Cluster, DATABASE, Pair},
    proxy::{Proxy, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(20);

/// Two short steps with a gate between them, and a trigger that only holds.
const RAMP: &str = r#"
[split]
sticky = "none"
writes = "split"
[ramp]
advance = "bake"
[[ramp.step]]
weight = "10%"
bake = "1s"
[[ramp.step]]
weight = "100%"
bake = "1h"
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 50
[[trigger]]
name = "trails"
reading = "replication_lag"
above = "2s"
action = "hold"
[[gate]]
above_weight = "10%"
replication = { name = "shop", lag_below = "1s", for = "2s", gap = "30s" }
"#;

/// Rows that are written to old all the time.
struct Writers {
    child: Child,
    _script: TempDir,
}

impl Writers {
    /// Writes a marker a hundred times a second.
    fn start(old: &Cluster) -> Self {
        old.shop("CREATE SEQUENCE marker_id");
        let script = TempDir::new().expect("a folder");
        let path = script.path().join("marker.sql");
        let sql = "INSERT INTO marker (id) VALUES (nextval('marker_id'));";
        fs::write(&path, sql).expect("writable");
        let child = Command::new("pgbench")
            .args(["-n", "-c", "2", "-R", "100", "-T", "120", "-f"])
            .arg(path)
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(old.port.to_string())
            .arg(DATABASE)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/run has installed it");
        Self {
            child,
            _script: script,
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A lock on new that what is applied has to wait for, until it is dropped.
pub(super) struct Blocked(Child);

/// Whom else the lock keeps off.
#[derive(Clone, Copy)]
pub(super) enum Lock {
    /// Everybody.
    All,
    /// Who writes.
    Writes,
}

impl Lock {
    const fn mode(self) -> (&'static str, &'static str) {
        match self {
            Self::All => ("ACCESS EXCLUSIVE", "AccessExclusiveLock"),
            Self::Writes => ("EXCLUSIVE", "ExclusiveLock"),
        }
    }
}

impl Blocked {
    pub(super) fn begin(pair: &Pair, row: u32) -> Self {
        Self::begin_with(pair, row, Lock::All)
    }

    pub(super) fn begin_with(pair: &Pair, row: u32, lock: Lock) -> Self {
        let (mode, shown) = lock.mode();
        let mut psql = pair.new.psql(DATABASE);
        psql.stdin(Stdio::piped()).stdout(Stdio::null());
        let child = psql.spawn().expect("psql is installed");
        let mut stdin = child.stdin.as_ref().expect("it is piped");
        let sql = format!("BEGIN; LOCK TABLE item IN {mode} MODE;\n");
        stdin.write_all(sql.as_bytes()).expect("psql reads");
        eventually("the table is locked", LIMIT, || {
            let sql = format!(
                "SELECT count(*) FROM pg_locks WHERE mode = '{shown}' AND granted
                    AND relation = 'item'::regclass"
            );
            (pair.new.shop(&sql) == "1").then_some(())
        });
        pair.old
            .shop(&format!("INSERT INTO item VALUES ({row}, 'waits')"));
        Self(child)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // Its session ends with its input, and the lock with the session.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// How far new trailed at a moment by the markers, asked of new itself.
fn truth(new: &Cluster, at: &str) -> f64 {
    let sql = format!(
        "SELECT greatest(0, extract(epoch FROM '{at}'::timestamptz - max(at))) FROM marker"
    );
    new.shop(&sql).parse().expect("a number")
}

/// How far new trails by what PostgreSQL itself says of it, in seconds; `None` where it says nothing.
pub(super) fn replay_lag(old: &Cluster) -> Option<f64> {
    let sql = "SELECT extract(epoch FROM replay_lag) FROM pg_stat_replication";
    old.shop(sql).parse().ok()
}

fn lag(proxy: &Proxy) -> Option<f64> {
    lag_in(&proxy.status())
}

fn lag_in(status: &Value) -> Option<f64> {
    status["replications"][0]["lag_s"].as_f64()
}

/// What the journal was told of gates.
fn told(proxy: &Proxy) -> Vec<String> {
    let events = proxy.events();
    let kinds = events.iter().filter_map(|it| it["change"]["kind"].as_str());
    let gates = kinds.filter(|it| it.starts_with("gate_"));
    gates.map(str::to_owned).collect()
}

fn agrees(proxy: &Proxy, new: &Cluster) {
    let status = proxy.status();
    let replication = &status["replications"][0];
    let read = replication["lag_s"].as_f64().expect("it is known");
    let at = replication["at"].as_str().expect("it was read");
    let truth = truth(new, at);
    println!("read {read:.2} s, true {truth:.2} s");
    assert!((read - truth).abs() <= 1.0, "read {read}, true {truth}");
}

#[test]
fn a_lag_of_five_seconds_is_read_holds_the_ramp_and_lets_it_go_on_once_it_is_gone() {
    let _turn = turn();
    let pair = Pair::replicating();
    let writers = Writers::start(&pair.old);
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let more = format!("{RAMP}{}", pair.configuration("shop"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &more));
    let gate = |status: &Value| status["gates"][0].clone();
    it_is_satisfied_when_it_said_that_it_would_be(&proxy);
    agrees(&proxy, &pair.new);
    let load = Load {
        rate: 200,
        connections: 16,
        ..Load::new("lag")
    };
    let load = load.start(proxy.address());

    let blocked = Blocked::begin(&pair, 1);
    proxy.status_when("it does not hold", LIMIT, |it| gate(it)["since"].is_null());
    // While an entry is being recorded nothing is started.
    eventually("it is told", LIMIT, || {
        (told(&proxy) == ["gate_satisfied", "gate_broken"]).then_some(())
    });
    proxy.does("/api/v1/ramp/start", &json!({}));
    for seconds in [2.0, 3.0, 4.0, 5.0] {
        eventually("the lag grows", LIMIT, || {
            lag(&proxy).filter(|it| *it >= seconds)
        });
        agrees(&proxy, &pair.new);
    }
    let status = proxy.status();
    assert_eq!(
        (&status["weight"], &status["ramp"]["state"]),
        (&json!(10.0), &json!("holding"))
    );
    assert_eq!(status["triggers"][1]["verdict"], "breach", "{status}");
    assert_eq!(status["rollbacks"], 0);
    let labels = [("name", "shop"), ("direction", "forward")];
    let shown = metrics::sum(proxy.admin, "changeover_replication_lag_seconds", &labels);
    assert!(shown >= 5.0, "{shown}");
    let replay = replay_lag(&pair.old).expect("the worker has said it before");
    assert!(replay < 1.0, "what PostgreSQL says is of use: {replay}");

    drop(blocked);
    let status = proxy.status_when("the ramp goes on", LIMIT, |it| it["weight"] == 100.0);
    agrees(&proxy, &pair.new);
    assert_eq!(
        told(&proxy),
        ["gate_satisfied", "gate_broken", "gate_satisfied"],
        "before the step that waited for it"
    );
    let broken_by = gate(&status)["broken_by"]
        .as_str()
        .expect("it was")
        .to_owned();
    assert!(broken_by.starts_with("lag "), "{broken_by}");
    assert!(
        gate(&status)["observed_s"].as_f64() >= Some(2.0),
        "{status}"
    );
    let answers = load.stop();
    assert!(
        answers.iter().all(|it| it.status == Some(200)),
        "traffic noticed"
    );

    a_restart_is_a_gap_and_no_new_stretch(proxy, &gate(&status)["since"]);
    drop(writers);
}

/// Waits until the gate is satisfied.
fn it_is_satisfied_when_it_said_that_it_would_be(proxy: &Proxy) {
    let time = |it: &Value| serde_json::from_value::<Timestamp>(it.clone()).ok();
    let said = Cell::new(None);
    let status = proxy.status_when("the gate is satisfied", LIMIT, |it| {
        let earliest = time(&it["gates"][0]["earliest"]);
        said.set(earliest.or_else(|| said.get()));
        it["gates"][0]["satisfied"] == true
    });
    assert!(status["gates"][0]["earliest"].is_null(), "{status}");
    let said: Timestamp = said.get().expect("it was said while it was waited for");
    let entry = eventually("it is told", LIMIT, || {
        let mut events = proxy.events().into_iter();
        events.find(|it| it["change"]["kind"] == "gate_satisfied")
    });
    let at = time(&entry["at"]).expect("it has a time");
    println!("said to be satisfied at {said}, was at {at}");
    assert!(at >= said, "{at} is before {said}");
    assert!(at.since(said) < Duration::from_secs(1), "{said}, {at}");
}

fn a_restart_is_a_gap_and_no_new_stretch(proxy: Proxy, since: &Value) {
    let gate = |status: &Value| status["gates"][0].clone();
    let folder = proxy.kill();
    let proxy = Proxy::start_in(&folder);
    let status = proxy.status_when("it holds again", LIMIT, |it| gate(it)["satisfied"] == true);
    assert_eq!(
        (&gate(&status)["since"], &gate(&status)["gaps"]),
        (since, &json!(1))
    );
    assert!(
        gate(&status)["unobserved_s"].as_f64() > Some(0.0),
        "{status}"
    );
    let kinds = told(&proxy);
    assert_eq!(kinds.len(), 3, "nothing is told twice: {kinds:?}");
}

#[test]
fn a_lag_that_grew_while_new_could_not_be_read_is_read_as_it_is_afterwards() {
    let _turn = turn();
    let pair = Pair::replicating();
    let writers = Writers::start(&pair.old);
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let more = pair.configuration("shop");
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &more));
    let known = |what| proxy.status_when(what, LIMIT, |it| lag_in(it).is_some());
    known("the lag is known");
    let blocked = Blocked::begin(&pair, 1);
    pair.new.shop(
        "ALTER ROLE changeover NOLOGIN;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changeover'",
    );
    proxy.status_when("it is not known", LIMIT, |it| lag_in(it).is_none());
    eventually("new trails", LIMIT, || {
        let sql = "SELECT extract(epoch FROM clock_timestamp() - max(at)) FROM marker";
        let trails: f64 = pair.new.shop(sql).parse().expect("a number");
        (trails > 4.0).then_some(())
    });
    pair.new.shop("ALTER ROLE changeover LOGIN");
    let status = known("the lag is known again");
    assert!(lag_in(&status) > Some(3.0), "{status}");
    agrees(&proxy, &pair.new);
    drop(blocked);
    proxy.status_when("it follows", LIMIT, |it| {
        lag_in(it).is_some_and(|it| it < 1.0)
    });
    drop(writers);
}

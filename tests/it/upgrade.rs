//! Another process in the running one's place, while requests, tunnels and a ramp are under way, and what becomes of it when
//! that process is no good.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    admin,
    environment::{Environment, signal_process},
    eventually,
    load::{Answer, Load, Protocol},
    now, pause,
    peers::{self, Peer},
    proxy::{Folder, Proxy, changeover, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Clients keep their side, a step takes an hour, and a new process is given a second.
const MORE: &str = r#"
[split]
sticky = "header:x-client"
writes = "split"
[timeouts]
drain = "20s"
upgrade = "5s"
[evidence]
false_alarms = 0
[[trigger]]
name = "errors"
reading = "error_rate"
above = "90%"
window = "10s"
requests = 100
[ramp]
advance = "bake"
[[ramp.step]]
weight = "50%"
bake = "1h"
[[ramp.step]]
weight = "100%"
bake = "1h"
"#;

fn kinds(proxy: &Proxy) -> Vec<String> {
    let kind = |it: &Value| it["change"]["kind"].as_str().expect("a kind").to_owned();
    proxy.events().iter().map(kind).collect()
}

fn pid(proxy: &Proxy) -> u64 {
    proxy.status()["process"]["pid"].as_u64().expect("a number")
}

/// Waits until nobody drains any more.
fn alone(proxy: &Proxy, limit: Duration) {
    proxy.status_when("the process before has ended", limit, |it| {
        it["process"]["predecessor"].is_null()
    });
}

/// A GET that is not answered at once, on a connection of its own.
fn ask(address: SocketAddr, client: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx-id: {client}\r\nx-client: {client}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it is open");
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[test]
fn upgrades_under_load_lose_nothing_and_double_nothing() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    // The number of workers changes with each process, and every queue is somebody's all the same.
    let text = |workers: u32| {
        let text = configuration(&old.url(), &new.url(), MORE);
        format!("workers = {workers}\n{text}")
    };
    let mut proxy = Proxy::start(&text(2));
    eventually("the ramp starts", LIMIT, || {
        (proxy.post("/api/v1/ramp/start", &json!({})).0 == 200).then_some(())
    });
    let loads = [Protocol::Http1, Protocol::H2c].map(|protocol| {
        let load = Load {
            rate: 500,
            protocol,
            clients: 100,
            ..Load::new(&format!("{protocol:?}"))
        };
        load.start(proxy.address())
    });
    let begin = proxy.status();
    let admin = format!("http://{}", proxy.admin);
    let mut sent = 0;
    let mut pids = vec![pid(&proxy)];
    let mut requests = 0;
    for workers in [3, 1, 2] {
        sent += 250;
        eventually("requests are sent", LIMIT, || {
            (loads[0].sent() >= sent).then_some(())
        });
        proxy.folder().write("changeover.toml", &text(workers));
        let output = changeover(&["upgrade", "--admin", &admin]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}\n{}", proxy.log());
        let status = proxy.status();
        pids.push(pid(&proxy));
        assert!(said.contains(&pid(&proxy).to_string()), "{said}");
        for field in ["weight", "generation"] {
            assert_eq!(status[field], begin[field]);
        }
        // What was observed counts on.
        let ramp = &status["ramp"];
        assert_eq!(ramp["state"], "baking", "{ramp}");
        let counted = ramp["requests"].as_u64().expect("a number");
        assert!(counted >= requests, "{counted} after {requests}");
        requests = counted;
    }
    pids.dedup();
    assert_eq!(pids.len(), 4);
    sent += 250;
    eventually("requests are sent", LIMIT, || {
        (loads[0].sent() >= sent).then_some(())
    });
    let answers: Vec<_> = loads.into_iter().flat_map(|it| it.stop()).collect();
    arrived_once_each_at_its_own_side(&answers, [&old, &new], &proxy);
    assert!(requests > 100, "{requests}");
    assert!(new.requests() > 100 && old.requests() > 100);
    alone(&proxy, LIMIT);
    assert!(proxy.wait(LIMIT).success(), "{}", proxy.log());
    assert_eq!(proxy.processes().len(), 1);
    let kinds = kinds(&proxy);
    assert_eq!(
        kinds,
        ["began", "started", "upgraded", "upgraded", "upgraded"]
    );
    let [.., before, last] = pids.as_slice() else {
        panic!("{pids:?}")
    };
    tells_of_the_upgrade(&proxy, *before, *last);
}

/// Every answer is good and arrived once, and each client's came from one side.
fn arrived_once_each_at_its_own_side(
    answers: &[Answer],
    environments: [&Environment; 2],
    proxy: &Proxy,
) {
    let arrived = environments.map(Environment::arrived);
    let mut sides = BTreeMap::new();
    for answer in answers {
        assert_eq!(answer.status, Some(200), "{answer:?}\n{}", proxy.log());
        let times: u64 = arrived.iter().filter_map(|it| it.get(&answer.id)).sum();
        assert_eq!(times, 1, "{answer:?}");
        let side = sides.entry(answer.client).or_insert(&answer.served_by);
        assert_eq!(*side, &answer.served_by, "{answer:?}");
    }
}

fn tells_of_the_upgrade(proxy: &Proxy, before: u64, last: u64) {
    let event = proxy.events().pop().expect("an entry");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        event["change"],
        json!({ "kind": "upgraded", "from": version, "to": version })
    );
    assert_eq!(event["actor"]["name"], "local");
    let reason = format!("process {last} took over from process {before}");
    assert_eq!(event["reason"], reason);
}

#[test]
fn a_tunnel_stays_open_in_the_old_process_until_its_drain_time_is_over() {
    let old = Environment::start("old");
    let mut server = Peer::start("websocket_server.py", &["new"]);
    let text = configuration(&old.url(), &format!("http://{}", server.address()), MORE);
    let mut proxy = Proxy::start(&text.replace("drain = \"20s\"", "drain = \"1500ms\""));
    proxy.set_weight(100.0);
    let target = format!("ws://{}/", proxy.address());
    let mut client = Peer::start("websocket_client.py", &[&target, "talk"]);
    client.say("before");
    assert_eq!(client.line(), "new:before");
    let first = proxy.pid();
    proxy.signal(Signal::USR2);
    let status = proxy.status_when("another process leads", LIMIT, |it| {
        it["process"]["pid"] != first
    });
    // From its first status on.
    let before = &status["process"]["predecessor"];
    assert_eq!(before["pid"], first, "{status}");
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    let since = now();
    client.say("after");
    assert_eq!(client.line(), "new:after");
    let mut other = Peer::start("websocket_client.py", &[&target, "talk"]);
    other.say("at another process");
    assert_eq!(other.line(), "new:at another process");
    assert!(proxy.wait(LIMIT).success(), "{}", proxy.log());
    let lived = now() - since;
    assert!(lived > Duration::from_millis(1_200), "{lived:?}");
    alone(&proxy, LIMIT);
    other.say("still");
    assert_eq!(other.line(), "new:still");
    let event = proxy.events().pop().expect("an entry");
    assert_eq!(event["actor"]["name"], "signal");
}

#[test]
fn a_rollback_reaches_a_request_that_waits_in_the_old_process_and_what_that_measures_is_counted() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let more = format!("{MORE}[limits]\nconnections_per_endpoint = 1\n")
        .replace("[timeouts]", "[timeouts]\nconnect = \"10s\"");
    // One worker: the limit is of all of them together.
    let text = configuration(&old.url(), &new.url(), &more);
    let proxy = Proxy::start(&format!("workers = 1\n{text}"));
    proxy.set_weight(100.0);
    new.behave(200, Duration::from_secs(2));
    let first = ask(proxy.address(), "first");
    eventually("it has arrived", LIMIT, || {
        (new.requests() == 1).then_some(())
    });
    let second = ask(proxy.address(), "second");
    proxy.status_when("it waits", LIMIT, |it| it["sides"]["new"]["in_flight"] == 2);
    proxy.upgrade();
    proxy.status_when("both are seen from the new process", LIMIT, |it| {
        it["sides"]["new"]["in_flight"] == 2
    });
    proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    assert!(answer(first).contains("x-served-by: new"));
    assert!(
        answer(second).contains("x-served-by: old"),
        "{}",
        proxy.log()
    );
    assert_eq!((new.requests(), old.requests()), (1, 1));
    // Each counts where it was sent in the end.
    proxy.status_when("both are counted", LIMIT, |it| {
        it["sides"]["new"]["requests"] == 1
            && it["sides"]["old"]["requests"] == 1
            && it["sides"]["new"]["in_flight"] == 0
    });
    alone(&proxy, LIMIT);
}

/// A proxy that is started by a link, which may lead to another program later.
fn start_by_link(configuration: &str) -> (Proxy, PathBuf) {
    let folder = Folder::new();
    folder.write("changeover.toml", configuration);
    let link = folder.path().join("changeover");
    symlink(env!("CARGO_BIN_EXE_changeover"), &link).expect("a link");
    (Proxy::start_with(Command::new(&link), &folder), link)
}

/// Puts a script in the program's place.
fn replace(program: &PathBuf, script: &str) {
    fs::remove_file(program).expect("it is there");
    fs::write(program, format!("#!/bin/sh\n{script}\n")).expect("the folder is writable");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// A script that runs a bad successor of this kind.
fn bad(mode: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let python = peers::tool("python");
    let python = python.get_program().to_str().expect("UTF-8").to_owned();
    format!("exec \"{python}\" \"{root}/tests/it/peers/successor.py\" \"{mode}\"")
}

#[test]
fn a_process_that_fails_or_is_silent_changes_nothing() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let text = text.replace("upgrade = \"5s\"", "upgrade = \"2s\"");
    let (proxy, link) = start_by_link(&text);
    let admin = format!("http://{}", proxy.admin);
    let mut weight = 30.0;
    proxy.set_weight(weight);
    let mut entries = 2;
    let cases = [
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        (&bad("silent"), "not ready within 2s"),
        (&bad("garbage"), "it ended before it was ready"),
        (&bad("out of turn"), "out of turn"),
        (&bad("dies loaded"), "it ended before it was ready"),
        (&bad("silent with the journal"), "not ready within 2s"),
        (&bad("dies at the lead"), "it ended before it was ready"),
        (&bad("silent at the lead"), "not ready within 2s"),
    ];
    for (script, why) in cases {
        replace(&link, script);
        let output = changeover(&["upgrade", "--admin", &admin]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{script}: {said}");
        assert!(said.contains(why), "{script}: {said}");
        assert_eq!(pid(&proxy), u64::from(proxy.pid()));
        assert_eq!(proxy.status()["weight"], weight);
        assert_eq!(admin::call(proxy.address(), "GET", "/", "").0, 200);
        // It leads with its journal: a higher weight is recorded before it is in force.
        eventually("the journal is open again", LIMIT, || {
            (proxy.status()["store"] == "writable").then_some(())
        });
        weight += 1.0;
        proxy.set_weight(weight);
        entries += 1;
        assert_eq!(kinds(&proxy).len(), entries, "{script}");
        assert_eq!(proxy.processes(), [proxy.pid()], "{script}");
    }
    fs::remove_file(&link).expect("it is there");
    let output = changeover(&["upgrade", "--admin", &admin]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot be started"), "{said}");

    // The real program, with a configuration that it cannot use.
    symlink(env!("CARGO_BIN_EXE_changeover"), &link).expect("a link");
    for (bad, why) in [
        (text.replace("[old]", "[odl]"), "changeover.toml:8:2"),
        (text.replace("it.db", "other.db"), "put [store] url back"),
        (
            text.replacen("127.0.0.1:0", &old.address.to_string(), 1),
            "another process listens there",
        ),
    ] {
        proxy.folder().write("changeover.toml", &bad);
        let output = changeover(&["upgrade", "--admin", &admin]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
        assert_eq!(pid(&proxy), u64::from(proxy.pid()));
        assert_eq!(proxy.status()["weight"], weight);
    }
    // And then a good one.
    proxy.folder().write("changeover.toml", &text);
    let next = proxy.upgrade();
    assert_eq!(pid(&proxy), u64::from(next));
    assert_eq!(proxy.status()["weight"], weight);
    assert_eq!(kinds(&proxy).len(), entries + 1);
}

/// Asks for an upgrade to a process that holds the journal and is silent, and waits until it has it.
fn fenced(proxy: &Proxy, link: &PathBuf) -> thread::JoinHandle<(u16, String)> {
    replace(link, &bad("silent with the journal"));
    let admin = proxy.admin;
    let upgrade = thread::spawn(move || admin::call(admin, "POST", "/api/v1/upgrade", "{}"));
    let lock = proxy.folder().path().join("it.db.lock");
    eventually("nobody holds the journal", LIMIT, || {
        let lock = fs::File::open(&lock).expect("it stays");
        lock.try_lock().ok()
    });
    upgrade
}

#[test]
fn an_operators_rollback_between_two_processes_is_carried_out_at_once_and_ends_the_upgrade() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let (proxy, link) = start_by_link(&configuration(&old.url(), &new.url(), MORE));
    proxy.set_weight(100.0);
    let upgrade = fenced(&proxy, &link);
    let since = now();
    proxy.does("/api/v1/rollback", &json!({ "reason": "now" }));
    let took = now() - since;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(admin::call(proxy.address(), "GET", "/", "").0, 200);
    assert_eq!((new.requests(), old.requests()), (0, 1));
    let (status, answer) = upgrade.join().expect("an answer");
    assert_eq!(status, 500, "{answer}");
    assert!(answer.contains("a rollback came first"), "{answer}");
    proxy.status_when("the journal is open again", LIMIT, |it| {
        it["store"] == "writable"
    });
    eventually("it is recorded", LIMIT, || {
        (kinds(&proxy) == ["began", "weight_set", "rolled_back"]).then_some(())
    });
    let folder = proxy.kill();
    folder.kill_processes();
    let proxy = Proxy::start_in(&folder);
    assert_eq!(proxy.status()["ramp"]["state"], "rolled_back");
}

#[test]
fn a_trip_between_two_processes_is_carried_out_at_once_and_ends_the_upgrade() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let trigger = "[[trigger]]\nname = \"gone\"\nreading = \"connect_failures\"\nin_a_row = 3\n";
    let text = configuration(&old.url(), &new.url(), &format!("{MORE}{trigger}"));
    let (proxy, link) = start_by_link(&text);
    proxy.set_weight(100.0);
    let upgrade = fenced(&proxy, &link);
    new.kill();
    // They fail over. Those within a tenth of a second of the weight's change may be no evidence yet, so they go on.
    let status = eventually("it trips", Duration::from_secs(2), || {
        assert_eq!(admin::call(proxy.address(), "GET", "/", "").0, 200);
        let status = proxy.status();
        (status["weight"] == 0.0).then_some(status)
    });
    assert_eq!(status["last_rollback"]["cause"], "trigger:gone");
    let (status, answer) = upgrade.join().expect("an answer");
    assert_eq!(status, 500, "{answer}");
    assert!(answer.contains("a rollback came first"), "{answer}");
    eventually("it is recorded", LIMIT, || {
        (kinds(&proxy) == ["began", "weight_set", "rolled_back"]).then_some(())
    });
}

#[test]
fn processes_that_drain_are_limited_and_follow_whoever_leads() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), MORE));
    proxy.set_weight(100.0);
    let mut kept = Vec::new();
    for _ in 0..4 {
        // Idle until it is asked at the end.
        let mut stream = TcpStream::connect(proxy.address()).expect("it listens");
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-client: a\r\n\r\n")
            .expect("it is open");
        stream.read_exact(&mut [0; 12]).expect("an answer");
        kept.push(stream);
        proxy.upgrade();
    }
    assert_eq!(proxy.processes().len(), 5);
    let admin = format!("http://{}", proxy.admin);
    let output = changeover(&["upgrade", "--admin", &admin]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("4 processes still drain"), "{said}");
    assert_eq!(new.requests(), 4);
    proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    eventually("every process has followed", LIMIT, || {
        let log = proxy.log();
        let followed = log.matches("followed the process that leads");
        (followed.count() == 4).then_some(())
    });
    // Each is answered once more, by the table in force, and told to leave.
    for mut stream in kept {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-client: a\r\n\r\n")
            .expect("it is open");
        assert!(answer(stream).contains("connection: close"));
    }
    assert_eq!((new.requests(), old.requests()), (4, 4));
    eventually("all have ended", LIMIT, || {
        (proxy.processes().len() == 1).then_some(())
    });
    alone(&proxy, LIMIT);
}

#[test]
fn kills_around_an_upgrade_lose_no_acknowledged_entry() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    folder.write(
        "changeover.toml",
        &configuration(&old.url(), &new.url(), MORE),
    );
    let mut acknowledged = 1_usize;
    let mut upgrades = 0;
    for round in 0_u32..8 {
        let proxy = Proxy::start_in(&folder);
        let before = kinds(&proxy).len();
        assert!(before >= acknowledged, "{before} of {acknowledged}");
        let weight = f64::from(20 + round);
        proxy.set_weight(weight);
        acknowledged = before + 1;
        let admin = proxy.admin;
        let upgrade =
            thread::spawn(move || admin::try_call(admin, "POST", "/api/v1/upgrade", "{}"));
        let first = proxy.pid();
        pause(Duration::from_millis(u64::from(round) * 20));
        // The old one, and at the end whoever is there.
        signal_process(first, Signal::KILL);
        if matches!(upgrade.join(), Ok(Ok((200, _)))) {
            upgrades += 1;
            // The new one goes on without it, and its word counts.
            eventually("it leads", LIMIT, || {
                let answer = admin::try_call(admin, "GET", "/api/v1/status", "");
                answer.is_ok_and(|it| it.0 == 200).then_some(())
            });
            let weight = proxy.status()["weight"].clone();
            assert_eq!(weight, f64::from(20 + round));
            proxy.set_weight(90.0);
            acknowledged += 1;
        }
        drop(proxy);
    }
    println!("{upgrades} of 8 upgrades were done before the old process was killed");
    let proxy = Proxy::start_in(&folder);
    assert!(kinds(&proxy).len() >= acknowledged);
}

#[test]
fn the_old_process_drains_though_the_new_one_is_killed() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let mut proxy = Proxy::start(&configuration(&old.url(), &new.url(), MORE));
    proxy.set_weight(100.0);
    new.behave(200, Duration::from_secs(1));
    let waiting = ask(proxy.address(), "a");
    eventually("it has arrived", LIMIT, || {
        (new.requests() == 1).then_some(())
    });
    let next = proxy.upgrade();
    signal_process(next, Signal::KILL);
    assert!(answer(waiting).contains("x-served-by: new"));
    assert!(proxy.wait(LIMIT).success(), "{}", proxy.log());
    assert!(proxy.log().contains("the process that leads is gone"));
    let folder = proxy.folder();
    drop(proxy);
    let proxy = Proxy::start_in(&folder);
    assert_eq!(proxy.status()["weight"], 100.0);
}

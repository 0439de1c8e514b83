//! `replication verify` finds what differs and nothing that is only on its way, within its rate, and goes on after a stop.

use std::{
    env, fs,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::commands::{RIGHTS, command, configured, run, run_json};
use crate::harness::{
    eventually, now,
    postgres::{Cluster, Pair},
    turn,
};

/// Rows of the table in which one is changed; `CHANGEOVER_VERIFY_ROWS` names another number.
const ROWS: u64 = 100_000;
/// Of both sides together.
const RATE: u64 = 50_000;

/// A statement that runs until it is dropped.
struct Running(Child);

impl Running {
    fn start(cluster: &Cluster, sql: &str) -> Self {
        let mut psql = cluster.psql("shop");
        psql.args(["-c", sql])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(psql.spawn().expect("psql is installed"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

/// Both sides hold the same items; replication begins after them.
fn replicating(rows: u64) -> Pair {
    let pair = Pair::start();
    thread::scope(|scope| {
        for cluster in [&pair.old, &pair.new] {
            scope.spawn(move || {
                cluster.shop(&format!(
                    "INSERT INTO item SELECT it, md5(it::text) FROM generate_series(1, {rows}) it; {RIGHTS}"
                ));
            });
        }
    });
    pair.old
        .shop("CREATE PUBLICATION changeover FOR ALL TABLES");
    let connection = pair.old.connection();
    pair.new.shop(&format!(
        "CREATE SUBSCRIPTION changeover CONNECTION '{connection}' PUBLICATION changeover WITH (copy_data = false)"
    ));
    pair
}

/// The document of one table.
fn table<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mut tables = document["tables"].as_array().expect("a list").iter();
    tables
        .find(|it| it["table"] == name)
        .expect("it is compared")
}

#[test]
fn verify_finds_one_changed_row_among_many_under_writes_and_within_its_rate() {
    let _turn = turn();
    let rows = env::var("CHANGEOVER_VERIFY_ROWS").map_or(ROWS, |it| it.parse().expect("a number"));
    let (changed, written) = (rows / 2 + 17, rows / 2);
    let pair = replicating(rows);
    pair.new.shop(&format!(
        "UPDATE item SET note = 'changed' WHERE id = {changed}"
    ));
    let folder = configured(&pair);
    let load = Running::start(
        &pair.old,
        &format!(
            "DO $$ BEGIN LOOP UPDATE item SET note = md5(random()::text)
                WHERE id = (SELECT 1 + floor(random() * {written})::int);
                COMMIT; PERFORM pg_sleep(0.002); END LOOP; END $$"
        ),
    );
    let began = now();
    let rate = RATE.to_string();
    let mut verify = command(
        &folder,
        &["verify", "--json", "--rate", &rate, "--tables", "item"],
    );
    verify.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut verify = verify.spawn().expect("it starts");
    // What the servers say they have read, beside what the command says.
    let mut reads = Vec::new();
    while verify.try_wait().expect("it is ours").is_none() {
        let read: u64 = [&pair.old, &pair.new]
            .map(|it| {
                let sql = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
                    FROM pg_stat_user_tables WHERE relname = 'item'";
                it.shop(sql).parse::<u64>().expect("a count")
            })
            .iter()
            .sum();
        reads.push((now() - began, read));
    }
    let took = now() - began;
    drop(load);
    let output = verify.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(1), "one row differs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let item = table(&document, "public.item");
    assert_eq!(item["rows"], rows);
    assert_eq!(
        item["differences"],
        json!([{ "key": { "id": changed.to_string() }, "kind": "differs", "columns": ["note"] }])
    );
    assert_eq!(
        item["unsettled"],
        json!([]),
        "nothing was written to one row all the time"
    );
    let least = Duration::from_millis(2 * rows * 1000 / RATE);
    assert!(
        took >= least,
        "{took:?} is faster than the rate allows, {least:?}"
    );
    // The servers publish their counts once a second, so a span may show what was read in one second more.
    let span = Duration::from_secs(3);
    let most = |(at, count): &(Duration, u64)| {
        let within = reads.iter().filter(|(it, _)| it >= at && *it <= *at + span);
        within.map(|(_, it)| it - count).max().unwrap_or(0)
    };
    let peak = reads.iter().map(most).max().expect("it was looked at");
    println!("{rows} rows in {took:?}; at most {peak} rows read in 3 s");
    assert!(
        peak <= RATE * 9 / 2,
        "{peak} rows were read within 3 s, at {RATE}/s"
    );
}

#[test]
fn verify_tells_missing_added_and_changed_rows_and_shows_values_only_when_asked() {
    let pair = replicating(50);
    let folder = configured(&pair);
    let (code, text, errors) = run(&folder, &["verify"]);
    assert_eq!(code, 0, "{text}\n{errors}");
    assert!(text.contains("no difference"), "{text}");
    pair.new.shop(
        "UPDATE item SET note = 'secret' WHERE id = 7;
         DELETE FROM item WHERE id = 8; INSERT INTO item VALUES (51, 'extra')",
    );
    let (code, text, errors) = run(&folder, &["verify"]);
    assert_eq!(code, 1, "{errors}");
    for expected in [
        "id=7: differs in note",
        "id=8: only on old",
        "id=51: only on new",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("marker"), "says how: {text}");
    let (_, text, _) = run(&folder, &["verify", "--values"]);
    assert!(text.contains("\"secret\" on new"), "{text}");
    // A table that cannot be divided is named, and everything is not the same.
    for cluster in [&pair.new, &pair.old] {
        cluster.shop("CREATE TABLE keyless (line text)");
    }
    let (code, document) = run_json(&folder, &["verify", "--tables", "keyless"]);
    assert_eq!(code, 1);
    assert_eq!(
        document["not_compared"][0]["table"], "public.keyless",
        "{document}"
    );
    let (code, _, errors) = run(&folder, &["verify", "--tables", "nothing"]);
    assert_eq!(code, 2, "{errors}");
}

#[test]
fn verify_waits_for_what_is_on_its_way_and_says_so_where_it_does_not_come() {
    let pair = replicating(50);
    let folder = configured(&pair);
    // Applying stands still at this row.
    let lock = Running::start(
        &pair.new,
        "BEGIN; SELECT FROM item WHERE id = 3 FOR UPDATE; SELECT pg_sleep(60)",
    );
    eventually("the row is locked", Duration::from_secs(10), || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        (pair.new.shop(sql) == "1").then_some(())
    });
    pair.old
        .shop("UPDATE item SET note = 'on its way' WHERE id IN (3, 4)");
    let (code, _, errors) = run(&folder, &["verify", "--wait", "1"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("it lags"), "{errors}");
    let waiting = command(&folder, &["verify"]).stdout(Stdio::piped()).spawn();
    let waiting = waiting.expect("it starts");
    pair.new.shop(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    );
    drop(lock);
    let output = waiting.wait_with_output().expect("it is ours");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

#[test]
fn verify_goes_on_where_it_was_stopped() {
    let pair = replicating(700);
    let folder = configured(&pair);
    pair.new.shop(
        "UPDATE item SET note = 'early' WHERE id = 5; UPDATE item SET note = 'late' WHERE id = 690",
    );
    let arguments = ["verify", "--tables", "item", "--state", "progress"];
    let mut first = command(
        &folder,
        &[arguments.as_slice(), &["--rate", "200"]].concat(),
    );
    let mut first = first.stderr(Stdio::null()).spawn().expect("it starts");
    let state = folder.path().join("progress");
    eventually("progress is kept", Duration::from_secs(30), || {
        state.exists().then_some(())
    });
    first.kill().expect("it is ours");
    first.wait().expect("it is ours");
    let kept: Value =
        serde_json::from_slice(&fs::read(&state).expect("it is there")).expect("JSON");
    let rows = kept["tables"]["public.item"]["rows"]
        .as_u64()
        .expect("a count");
    assert!(rows > 0 && rows < 700, "it was stopped on its way: {kept}");
    // What is compared already is not compared again.
    pair.new
        .shop("UPDATE item SET note = 'behind' WHERE id = 6");
    let (code, document) = run_json(&folder, &arguments);
    assert_eq!(code, 1);
    let item = table(&document, "public.item");
    let differences = item["differences"].as_array().expect("a list").iter();
    let keys: Vec<_> = differences.map(|it| it["key"]["id"].as_str()).collect();
    assert_eq!(keys, [Some("5"), Some("690")]);
    assert_eq!(item["rows"], 700);
    assert!(!state.exists(), "what is finished is not gone on with");
}

#[test]
fn verify_refuses_where_nothing_replicates() {
    let pair = Pair::start();
    let (code, _, errors) = run(&configured(&pair), &["verify"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("set replication up first"), "{errors}");
}

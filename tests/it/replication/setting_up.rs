//! The statements that `replication setup` prints, run one after the other: there, over, and back; and run by the server.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::commands::{RIGHTS, configured, run, run_json};
use crate::harness::{
    eventually,
    postgres::{Cluster, DATABASE, Pair},
    proxy::{Folder, Proxy, configuration},
};

/// Gives a step to `psql` as a person would, without what waits for one.
pub(super) fn apply(cluster: &Cluster, sql: &str) -> String {
    let is_for_people = |line: &&str| !line.starts_with("\\password");
    let lines: Vec<_> = sql.lines().filter(is_for_people).collect();
    let script = lines.join("\n").replace("\\watch 0.5", ";");
    let mut psql = cluster.psql(DATABASE);
    psql.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut psql = psql.spawn().expect("psql is installed");
    let mut input = psql.stdin.take().expect("it is piped");
    input.write_all(script.as_bytes()).expect("it is read");
    drop(input);
    let Output {
        status,
        stdout,
        stderr,
    } = psql.wait_with_output().expect("it is ours");
    let error = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{script}\n{error}");
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

fn arrives(cluster: &Cluster, what: &str, sql: &str, expected: &str) {
    eventually(what, Duration::from_secs(20), || {
        (cluster.shop(sql) == expected).then_some(())
    });
}

/// What is applied gets in; a session does not, unless it says that it wants to.
fn takes_no_writes(cluster: &Cluster) {
    let mut write = cluster.psql(DATABASE);
    write.args(["-c", "INSERT INTO item VALUES (9, 'stray')"]);
    let Output { status, stderr, .. } = write.output().expect("psql is installed");
    let error = String::from_utf8_lossy(&stderr);
    assert!(
        !status.success() && error.contains("read-only"),
        "the fence stands: {error}"
    );
}

#[test]
fn the_printed_steps_carry_rows_over_and_back() {
    let pair = Pair::start();
    let sequence = "CREATE SEQUENCE ticket; CREATE TABLE \"Order\" (id int PRIMARY KEY)";
    for cluster in [&pair.old, &pair.new] {
        cluster.shop(&format!("{RIGHTS} {sequence}"));
    }
    pair.old
        .shop("INSERT INTO item VALUES (1, 'before'); SELECT setval('ticket', 41)");
    let folder = configured(&pair);
    let (code, text, _) = run(&folder, &["setup", "--plan"]);
    assert_eq!(code, 0);
    assert!(text.contains("-- ==== AT THE CUTOVER"), "{text}");
    let (_, document) = run_json(&folder, &["setup", "--plan"]);
    let steps = document["steps"].as_array().expect("a list");
    let side = |step: &Value| match step["side"].as_str() {
        Some("old") => &pair.old,
        _ => &pair.new,
    };
    let sql = |step: &Value| step["sql"].as_str().expect("a text").to_owned();
    for step in steps.iter().filter(|it| it["moment"] == "now") {
        apply(side(step), &sql(step));
    }
    arrives(
        &pair.new,
        "every table is copied",
        "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
        "0",
    );
    let (code, text, _) = run(&folder, &["check"]);
    assert_eq!(code, 0, "{text}");
    pair.old.shop("INSERT INTO item VALUES (2, 'live')");
    let (code, text, errors) = run(&folder, &["verify"]);
    assert_eq!(code, 0, "{text}\n{errors}");
    // What is there is not asked for again.
    let (_, again) = run_json(&folder, &["setup", "--plan"]);
    let again = again["steps"].as_array().expect("a list").iter();
    let left: Vec<_> = again
        .filter(|it| it["moment"] == "now")
        .map(|it| &it["title"])
        .collect();
    assert_eq!(left, [] as [&Value; 0], "all of it is there");

    for step in steps.iter().filter(|it| it["moment"] == "at_cutover") {
        match step["title"].as_str() {
            Some("wait until new has everything") => {
                eventually("new has everything", Duration::from_secs(20), || {
                    (apply(side(step), &sql(step)).ends_with('t')).then_some(())
                });
            }
            Some("sequences") => {
                let before = pair.new.shop("SELECT last_value, is_called FROM ticket");
                assert_eq!(before, "1|f", "it stays where it was");
                let set = apply(side(step), &sql(step));
                apply(&pair.new, &set);
            }
            _ => drop(apply(side(step), &sql(step))),
        }
    }
    assert_eq!(pair.new.shop("SELECT nextval('ticket')"), "1042");
    pair.new
        .shop("INSERT INTO item VALUES (3, 'after'); UPDATE item SET note = 'moved' WHERE id = 1");
    arrives(
        &pair.old,
        "what new takes finds its way back",
        "SELECT string_agg(note, ' ' ORDER BY id) FROM item",
        "moved live after",
    );
    takes_no_writes(&pair.old);
    let (code, text, errors) = run(&folder, &["verify"]);
    assert_eq!(code, 0, "from new to old: {text}\n{errors}");
    sequences_go_back_too(&pair, steps);
}

/// At a rollback: the fence is taken away, and the statement runs the other way round.
fn sequences_go_back_too(pair: &Pair, steps: &[Value]) {
    let step = |title: &str| {
        let mut steps = steps.iter();
        steps.find(|it| it["title"] == title).expect("it is there")
    };
    assert_eq!(pair.old.shop("SELECT last_value FROM ticket"), "41");
    let undo = step("fence")["undo"].as_str().expect("it can be undone");
    apply(&pair.old, undo);
    let set = apply(
        &pair.new,
        step("sequences")["sql"].as_str().expect("a text"),
    );
    apply(&pair.old, &set);
    assert_eq!(pair.old.shop("SELECT nextval('ticket')"), "2043");
}

const LIMIT: Duration = Duration::from_secs(20);
/// Needs quoting in a connection string and in SQL.
const SECRET: &str = r"it's \ a secret";
const APPROVER: &str = "approver-token";

/// The configuration of a server that knows an approver and an operator.
fn with_operators(pair: &Pair) -> String {
    let operators = [("ada", "approver"), ("otto", "operator")].map(|(name, role)| {
        let digest = hex::encode(Sha256::digest(format!("{role}-token")));
        format!("[[admin.operator]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_sha256 = \"{digest}\"\n")
    });
    let more = format!("{}{}", operators.concat(), pair.configuration("shop"));
    configuration("http://127.0.0.1:1", "http://127.0.0.1:1", &more)
}

/// `replication setup --apply` with somebody's token: exit code, standard output, standard error.
fn apply_as(proxy: &Proxy, token: &str, more: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["replication", "setup", "--apply", "--admin"])
        .arg(format!("http://{}", proxy.admin))
        .args(["--replication-password-file", "secret"])
        .args(more)
        .env("CHANGEOVER_TOKEN", token)
        .current_dir(proxy.folder().path())
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    let (out, errors) = (text(output.stdout), text(output.stderr));
    assert!(
        !out.contains("a secret") && !errors.contains("a secret"),
        "{out}{errors}"
    );
    (
        output.status.code().expect("it ends by itself"),
        out,
        errors,
    )
}

/// The entries about databases: who, what, on which side, and how it went.
fn entries(proxy: &Proxy) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["events", "--json", "--admin"])
        .arg(format!("http://{}", proxy.admin))
        .env("CHANGEOVER_TOKEN", APPROVER)
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(!text.contains("a secret"), "{text}");
    let entries = text
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).expect("an entry"));
    let steps = entries.filter(|it| it["change"]["kind"] == "database_step");
    let told = |it: Value| {
        let change = &it["change"];
        let word = |key: &str| change[key].as_str().expect("a word").to_owned();
        let who = it["actor"]["name"].as_str().expect("somebody");
        format!(
            "{who}: {} on {} {}",
            word("what"),
            word("side"),
            word("outcome")
        )
    };
    steps.map(told).collect()
}

/// A server that knows two clusters without any of ours, which write all that is run into their logs.
fn without_replication() -> (Pair, Proxy) {
    let logs = &["log_statement=all"];
    let pair = Pair::start_with(logs, logs);
    for cluster in [&pair.old, &pair.new] {
        cluster.shop("DROP SCHEMA changeover CASCADE; DROP ROLE changeover");
        let hba = cluster.data().join("pg_hba.conf");
        let rules = fs::read_to_string(&hba).expect("it is there");
        let asks = "host all changeover_replication 127.0.0.1/32 scram-sha-256\n";
        fs::write(hba, format!("{asks}{rules}")).expect("writable");
        cluster.shop("SELECT pg_reload_conf()");
    }
    pair.old.shop("INSERT INTO item VALUES (1, 'before')");
    let folder = Folder::new();
    folder.write("changeover.toml", &with_operators(&pair));
    folder.write("secret", &format!("{SECRET}\n"));
    let proxy = Proxy::start_in(&folder);
    (pair, proxy)
}

#[test]
fn the_server_sets_replication_up_step_by_step_once_an_approver_consents() {
    let (pair, proxy) = without_replication();
    nothing_is_run_without_consent(&pair, &proxy);
    a_step_that_fails_is_the_last_one(&pair, &proxy);
    what_is_set_up_replicates_and_is_not_set_up_again(&pair, &proxy);
    let proxy = what_is_made_later_is_added_unless_it_would_break_old(&pair, proxy);
    for cluster in [&pair.old, &pair.new] {
        let log = fs::read_to_string(cluster.data().join("log")).expect("it is there");
        assert!(log.contains("statement: "), "it logs statements");
        assert!(
            !log.contains("a secret"),
            "a server has the password in its log"
        );
    }
    assert!(!proxy.log().contains("a secret"));
}

fn nothing_is_run_without_consent(pair: &Pair, proxy: &Proxy) {
    let (code, shown, errors) = apply_as(proxy, APPROVER, &[]);
    assert_eq!(code, 3, "nobody was asked: {shown}{errors}");
    assert!(
        shown.contains("CREATE PUBLICATION changeover FOR TABLE"),
        "{shown}"
    );
    assert!(!shown.contains("fence"), "the cutover is people's: {shown}");
    let (code, _, errors) = apply_as(proxy, "operator-token", &["--yes"]);
    assert_eq!(code, 3, "an operator may not: {errors}");
    assert_eq!(pair.old.shop("SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(entries(proxy), [] as [&str; 0]);
}

fn a_step_that_fails_is_the_last_one(pair: &Pair, proxy: &Proxy) {
    pair.old
        .shop("SELECT pg_create_logical_replication_slot('changeover', 'pgoutput')");
    let (code, _, errors) = apply_as(proxy, APPROVER, &["--yes"]);
    assert_eq!(code, 1, "{errors}");
    for expected in [
        "subscription and slot on new",
        "already exists",
        "done before it: role for the watch on old, heartbeat on old",
        "on old: DROP PUBLICATION changeover;",
    ] {
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
    let written = entries(proxy);
    assert_eq!(written[0], "ada: role for the watch on old begins");
    let last = written.last().map(String::as_str);
    assert_eq!(last, Some("ada: subscription and slot on new failed"));
    pair.old
        .shop("SELECT pg_drop_replication_slot('changeover')");
    // What was done is not done again.
    let (code, done, errors) = apply_as(proxy, APPROVER, &["--yes"]);
    assert_eq!(code, 0, "{errors}");
    let last = done.lines().last();
    assert_eq!(last, Some("done: subscription and slot on new"));
    assert_eq!(entries(proxy).len(), written.len() + 1);
}

fn what_is_set_up_replicates_and_is_not_set_up_again(pair: &Pair, proxy: &Proxy) {
    let copied = "SELECT string_agg(note, ' ') FROM item";
    arrives(&pair.new, "every table is copied", copied, "before");
    let lag_is_known = |status: &Value| status["replications"][0]["lag_s"].is_number();
    eventually("the watch reads the lag", LIMIT, || {
        lag_is_known(&status_as(proxy, APPROVER)).then_some(())
    });
    for cluster in [&pair.old, &pair.new] {
        cluster.shop(RIGHTS);
    }
    let (code, text, _) = run(&proxy.folder(), &["check"]);
    assert_eq!(code, 0, "{text}");
    let written = entries(proxy).len();
    let (code, text, errors) = apply_as(proxy, APPROVER, &["--yes"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(text, "nothing is due: all of it is there\n");
    assert_eq!(entries(proxy).len(), written);
}

fn what_is_made_later_is_added_unless_it_would_break_old(pair: &Pair, proxy: Proxy) -> Proxy {
    for cluster in [&pair.new, &pair.old] {
        cluster.shop("CREATE TABLE keyless (line text); CREATE TABLE later (id int PRIMARY KEY)");
    }
    let written = entries(&proxy).len();
    // Once it is published, updates of it fail on old.
    let (code, _, errors) = apply_as(&proxy, APPROVER, &["--yes"]);
    assert_eq!(code, 3, "{errors}");
    assert!(
        errors.contains("replica identity: public.keyless"),
        "{errors}"
    );
    assert_eq!(entries(&proxy).len(), written);
    for cluster in [&pair.new, &pair.old] {
        cluster.shop("DROP TABLE keyless");
    }
    pair.old.shop("INSERT INTO later VALUES (7)");
    let proxy = a_stop_in_the_middle_of_a_step_leaves_it_to_the_database(pair, proxy);
    let (code, done, errors) = apply_as(&proxy, APPROVER, &["--yes"]);
    assert_eq!(code, 0, "{done}{errors}");
    let follows = "SELECT id FROM later";
    arrives(&pair.new, "a table made later follows", follows, "7");
    proxy
}

/// The server of the database has the statement, and goes on with it whether or not somebody waits for it. What it made is no
/// step when the set-up is asked for again.
fn a_stop_in_the_middle_of_a_step_leaves_it_to_the_database(pair: &Pair, proxy: Proxy) -> Proxy {
    let mut lock = pair.old.psql(DATABASE);
    let mut lock = lock.stdin(Stdio::piped()).spawn().expect("psql is there");
    let mut input = lock.stdin.take().expect("it is piped");
    input
        .write_all(b"BEGIN; LOCK TABLE later IN SHARE UPDATE EXCLUSIVE MODE;\n")
        .expect("psql reads");
    let counts = |what: &str, sql: &str| {
        eventually(what, LIMIT, || (pair.old.shop(sql) == "1").then_some(()));
    };
    counts(
        "the table is locked",
        "SELECT count(*) FROM pg_locks WHERE relation = 'later'::regclass AND granted
            AND mode = 'ShareUpdateExclusiveLock'",
    );
    let before = entries(&proxy).len();
    let folder = proxy.folder();
    let code = thread::scope(|scope| {
        let applying = scope.spawn(|| apply_as(&proxy, APPROVER, &["--yes"]).0);
        counts(
            "the step waits",
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND query LIKE '%ALTER PUBLICATION%' AND pid <> pg_backend_pid()",
        );
        proxy.signal(Signal::TERM);
        applying.join().expect("no panic")
    });
    assert_ne!(code, 0, "nobody knows what becomes of it");
    drop(proxy.stop());
    drop(input);
    lock.wait().expect("it is ours");
    counts(
        "the database finishes it",
        "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'later'",
    );
    let proxy = Proxy::start_in(&folder);
    let written = entries(&proxy);
    let [.., last] = &written[before..] else {
        panic!("it is not written down: {written:?}");
    };
    assert!(last.ends_with("begins"), "and not that it failed: {last}");
    proxy
}

fn status_as(proxy: &Proxy, token: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["status", "--json", "--admin"])
        .arg(format!("http://{}", proxy.admin))
        .env("CHANGEOVER_TOKEN", token)
        .output()
        .expect("it starts");
    serde_json::from_slice(&output.stdout).expect("a status")
}

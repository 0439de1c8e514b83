//! Where PostgreSQL does what few expect. Each trap is seen to be there, and so is what keeps people out of it.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    commands::{RIGHTS, configured, run, run_json},
    lag::{Blocked, replay_lag},
    setting_up::apply,
};
use crate::harness::{
    eventually, now,
    postgres::{Cluster, DATABASE, Pair},
    proxy::Folder,
};

const LIMIT: Duration = Duration::from_secs(20);

/// A session that is told one statement after the other.
struct Teller(Child);

impl Teller {
    fn begin(mut psql: Command) -> Self {
        psql.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(psql.spawn().expect("psql is installed"))
    }

    fn say(&self, sql: &str) {
        let mut input = self.0.stdin.as_ref().expect("it is piped");
        input.write_all(sql.as_bytes()).expect("psql reads");
        input.write_all(b";\n").expect("psql reads");
    }

    /// Whether it came to its end without an error.
    fn ends_well(mut self) -> bool {
        drop(self.0.stdin.take());
        self.0.wait().expect("it is ours").success()
    }
}

/// `psql` as somebody who is not the superuser.
fn as_app(cluster: &Cluster) -> Command {
    let mut psql = cluster.psql(DATABASE);
    psql.args(["-U", "app", "-v", "VERBOSITY=sqlstate"]);
    psql
}

/// What an insert of this item is answered with; nothing where it is taken.
fn insert(mut psql: Command, id: u32) -> String {
    let sql = format!("INSERT INTO item VALUES ({id}, 'written')");
    let output = psql.args(["-c", &sql]).output();
    let output = output.expect("psql is installed");
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn says(cluster: &Cluster, what: &str, sql: &str, expected: &str) {
    eventually(what, LIMIT, || {
        (cluster.shop(sql) == expected).then_some(())
    });
}

/// Replication back from new to old alone, which copies nothing.
fn way_back(pair: &Pair) -> String {
    let connection = pair.new.connection();
    format!(
        "CREATE SUBSCRIPTION changeover_back CONNECTION '{connection}' PUBLICATION changeover_back
            WITH (copy_data = false)"
    )
}

/// A configuration for commands, with the rights that they need.
fn with_rights(pair: &Pair) -> Folder {
    for cluster in [&pair.old, &pair.new] {
        cluster.shop(RIGHTS);
    }
    configured(pair)
}

/// The statements of a printed step of the cutover.
fn step(folder: &Folder, title: &str) -> String {
    let (_, document) = run_json(folder, &["setup", "--plan"]);
    let mut steps = document["steps"].as_array().expect("a list").iter();
    let found: &Value = steps.find(|it| it["title"] == title).expect("it is there");
    found["sql"].as_str().expect("a text").to_owned()
}

#[test]
fn replay_lag_says_nothing_while_all_is_idle_and_less_while_changes_wait() {
    let pair = Pair::start();
    assert_eq!(replay_lag(&pair.old), None, "nobody replicates");
    pair.replicate();
    let beat = || {
        pair.old
            .shop("UPDATE changeover.heartbeat SET beat_at = clock_timestamp()");
    };
    eventually("it is said once something was applied", LIMIT, || {
        beat();
        replay_lag(&pair.old)
    });
    let blocked = Blocked::begin(&pair, 1);
    beat();
    let age =
        "SELECT min(extract(epoch FROM clock_timestamp() - beat_at)) FROM changeover.heartbeat";
    eventually("a heartbeat waits", LIMIT, || {
        let age: f64 = pair.new.shop(age).parse().expect("a number");
        (age > 2.0).then_some(())
    });
    let said = replay_lag(&pair.old);
    assert!(said.is_none_or(|it| it < 1.0), "{said:?}");
    drop(blocked);
    eventually("nothing is said of what is idle", LIMIT, || {
        replay_lag(&pair.old).is_none().then_some(())
    });
}

#[test]
fn a_default_alone_fences_nobody_off_and_the_printed_fence_does() {
    let pair = Pair::replicating();
    let folder = with_rights(&pair);
    pair.old
        .shop("CREATE ROLE app LOGIN; GRANT SELECT, INSERT ON item TO app; CREATE ROLE changeover_replication");
    let open = Teller::begin(as_app(&pair.old));
    let has = |id: u32| format!("SELECT count(*) FROM item WHERE id = {id}");
    open.say("INSERT INTO item VALUES (1, 'before')");
    says(&pair.old, "the session is open", &has(1), "1");

    pair.old
        .shop("ALTER DATABASE shop SET default_transaction_read_only = on");
    assert_eq!(insert(as_app(&pair.old), 2), "ERROR:  25006");
    open.say("INSERT INTO item VALUES (3, 'by an open session')");
    says(&pair.old, "an open session writes on", &has(3), "1");
    let mut unfenced = as_app(&pair.old);
    unfenced.env("PGOPTIONS", "-c default_transaction_read_only=off");
    assert_eq!(insert(unfenced, 4), "", "whoever asks for it writes");

    let fence = step(&folder, "fence");
    apply(&pair.old, &fence);
    // As by somebody who is not sure that it stands.
    apply(&pair.old, &fence);
    open.say("INSERT INTO item VALUES (5, 'by an open session')");
    assert!(!open.ends_well(), "its session has ended");
    let mut unfenced = as_app(&pair.old);
    unfenced.env("PGOPTIONS", "-c default_transaction_read_only=off");
    let refused = insert(unfenced, 6);
    assert!(
        refused.contains("permission denied for database"),
        "{refused}"
    );
    let written = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM item";
    assert_eq!(pair.old.shop(written), "1 3 4");
    says(&pair.new, "all that was written arrives", written, "1 3 4");
}

#[test]
fn a_write_that_is_open_while_the_way_back_is_made_never_gets_back_and_is_found() {
    let pair = Pair::start();
    pair.new
        .shop("CREATE PUBLICATION changeover_back FOR ALL TABLES");
    let early = Teller::begin(pair.new.psql(DATABASE));
    early.say("BEGIN; INSERT INTO item VALUES (1, 'early')");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'
        AND query LIKE '%early%'";
    says(&pair.new, "the write is open", open, "1");
    let making = Teller::begin(pair.old.psql(DATABASE));
    making.say(&way_back(&pair));
    // The slot waits for what is open, as long as it takes.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'
        AND wait_event = 'transactionid'";
    says(&pair.new, "the slot waits", waits, "1");
    early.say("COMMIT");
    assert!(early.ends_well(), "it is committed");
    assert!(making.ends_well(), "the slot is made");

    pair.new.shop("INSERT INTO item VALUES (2, 'late')");
    let notes = "SELECT string_agg(note, ' ' ORDER BY id) FROM item";
    says(&pair.old, "what came later arrives", notes, "late");
    assert_eq!(pair.new.shop(notes), "early late");
    let folder = with_rights(&pair);
    let (code, text, errors) = run(&folder, &["verify", "--tables", "item"]);
    assert_eq!(code, 1, "{errors}");
    assert!(text.contains("id=1: only on new"), "{text}");
    assert!(text.contains("1 difference"), "{text}");
}

#[test]
fn two_directions_that_know_of_no_origins_feed_each_other_and_check_says_so() {
    let pair = Pair::replicating();
    let folder = with_rights(&pair);
    let (code, text, _) = run(&folder, &["check"]);
    assert_eq!(code, 0, "{text}");
    pair.new
        .shop("CREATE PUBLICATION changeover_back FOR ALL TABLES");
    pair.old.shop(&way_back(&pair));
    let (code, text, _) = run(&folder, &["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("FAIL  way back"), "{text}");
    // One row is enough: it comes back, and is refused for ever.
    pair.old.shop("INSERT INTO item VALUES (1, 'ordered')");
    eventually("applying fails", LIMIT, || {
        let sql = "SELECT apply_error_count FROM pg_stat_subscription_stats";
        (pair.old.shop(sql) != "0").then_some(())
    });
    let enabled = pair.old.shop("SELECT subenabled FROM pg_subscription");
    assert_eq!(enabled, "t", "PostgreSQL itself sees nothing wrong");
}

#[test]
fn what_the_slot_has_confirmed_can_be_read_on_new() {
    let pair = Pair::replicating();
    let folder = with_rights(&pair);
    let sql = step(&folder, "wait until new has everything");
    let blocked = Blocked::begin(&pair, 1);
    let has = "SELECT count(*) FROM item WHERE id = 1";
    assert!(apply(&pair.old, &sql).ends_with('f'), "a row waits");
    // The marker row: what is applied after it was committed before it.
    let mark =
        "UPDATE changeover.heartbeat SET beat_at = clock_timestamp() WHERE direction = 'forward'
        RETURNING beat_at";
    let marker = pair.old.shop(mark);
    let seen = format!("SELECT count(*) FROM changeover.heartbeat WHERE beat_at = '{marker}'");
    assert_eq!(pair.new.shop(&seen), "0");
    let position = pair.old.shop("SELECT pg_current_wal_insert_lsn()");
    let confirmed = format!("SELECT confirmed_flush_lsn >= '{position}' FROM pg_replication_slots");
    assert_eq!(pair.old.shop(&confirmed), "f");
    drop(blocked);
    let began = now();
    eventually("the marker arrives", LIMIT, || {
        (pair.new.shop(&seen) == "1").then_some(())
    });
    let arrived = now() - began;
    eventually("the slot confirms it", LIMIT, || {
        let (is_confirmed, is_seen) = (pair.old.shop(&confirmed), pair.new.shop(&seen));
        assert!(is_confirmed == "f" || is_seen == "1", "received only");
        (is_confirmed == "t").then_some(())
    });
    println!(
        "marker row after {arrived:?}, slot after {:?}",
        now() - began
    );
    eventually("the printed step says so", LIMIT, || {
        apply(&pair.old, &sql).ends_with('t').then_some(())
    });
    assert_eq!(pair.new.shop(has), "1");
}

#[test]
fn an_update_whose_row_is_missing_is_skipped_in_silence_and_verify_finds_it() {
    let pair = Pair::replicating();
    pair.old.shop("INSERT INTO item VALUES (1, 'ordered')");
    let notes = "SELECT string_agg(note, ' ' ORDER BY id) FROM item";
    says(&pair.new, "it arrives", notes, "ordered");
    pair.new.shop("DELETE FROM item");
    pair.old
        .shop("UPDATE item SET note = 'paid'; INSERT INTO item VALUES (2, 'later')");
    says(&pair.new, "what came later arrives", notes, "later");
    let errors = "SELECT apply_error_count FROM pg_stat_subscription_stats";
    assert_eq!(pair.new.shop(errors), "0");
    let (code, text, errors) = run(&with_rights(&pair), &["verify"]);
    assert_eq!(code, 1, "{errors}");
    assert!(text.contains("id=1: only on old"), "{text}");
    assert!(text.contains("1 difference"), "{text}");
}

//! What goes wrong with databases: each ends in a lag that is not known, or in a rollback, and traffic never notices.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    environment::Environment,
    eventually,
    load::Load,
    postgres::Pair,
    proxy::{Folder, Proxy, configuration},
    turn,
};

use super::lag::Blocked;

const LIMIT: Duration = Duration::from_secs(20);

const RAMP: &str = r#"
[split]
sticky = "none"
writes = "split"
[ramp]
advance = "bake"
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 50
[[trigger]]
name = "trails"
reading = "replication_lag"
replication = "shop"
above = "1500ms"
[[trigger]]
name = "the way back trails"
reading = "replication_lag"
replication = "shop"
direction = "reverse"
above = "1500ms"
"#;

/// What the status says of a replication, in one direction.
fn replication<'a>(status: &'a Value, name: &str, direction: &str) -> &'a Value {
    let all = status["replications"].as_array().expect("they are listed");
    let one = all
        .iter()
        .find(|it| it["name"] == name && it["direction"] == direction);
    one.unwrap_or(&Value::Null)
}

fn unknown(proxy: &Proxy, direction: &str, expected: &str) {
    let trigger = if direction == "forward" { 1 } else { 2 };
    proxy.status_when(expected, LIMIT, |it| {
        let why = replication(it, "shop", direction)["unknown"].as_str();
        why.is_some_and(|it| it.contains(expected))
            && it["triggers"][trigger]["verdict"] == "unknown"
    });
}

fn known(proxy: &Proxy, direction: &str) {
    proxy.status_when("the lag is known", LIMIT, |it| {
        let lag = replication(it, "shop", direction)["lag_s"].as_f64();
        lag.is_some_and(|it| it < 1.0)
    });
}

/// Ends the sessions of the watch, so that it opens new ones.
fn end_sessions(cluster: &crate::harness::postgres::Cluster) {
    cluster.shop(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'changeover'
            AND usename = 'changeover'",
    );
}

/// Others that are refused: by the server, and by us, since it has no TLS.
fn others(pair: &Pair) -> String {
    let named = |name: &str, old: &str, more: &str| {
        let new = pair.new.url("changeover");
        format!(
            "[[replication]]\nname = \"{name}\"\nkind = \"postgres\"\nold = \"{old}\"\nnew = \"{new}\"\n{more}\n"
        )
    };
    pair.old
        .shop("CREATE ROLE with_password LOGIN PASSWORD 'right'");
    let refused = named(
        "refused",
        &pair.old.url("with_password"),
        "old_password_file = \"wrong\"",
    );
    let port = pair.old.port;
    let encrypted = format!("postgres://changeover@127.0.0.1:{port}/shop");
    format!("{refused}{}", named("open", &encrypted, ""))
}

#[test]
fn what_goes_wrong_with_a_database_is_seen_and_never_felt() {
    let _turn = turn();
    let limited = ["max_slot_wal_keep_size=1MB"];
    let mut pair = Pair::start_with(&[], &limited);
    pair.replicate();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    folder.write("wrong", "hunter2\n");
    let more = format!("{RAMP}{}{}", pair.configuration("shop"), others(&pair));
    folder.write(
        "changeover.toml",
        &configuration(&old.url(), &new.url(), &more),
    );
    let proxy = Proxy::start_in(&folder);
    let load = Load {
        rate: 200,
        connections: 16,
        ..Load::new("fault")
    };
    let load = load.start(proxy.address());
    known(&proxy, "forward");

    let says = |name: &str, expected: &str| {
        proxy.status_when(expected, LIMIT, |it| {
            let why = replication(it, name, "forward")["unknown"].as_str();
            why.is_some_and(|it| it.starts_with("old: ") && it.contains(expected))
        });
    };
    says("refused", "password authentication failed");
    says("open", "server does not support TLS");

    // A trigger on the lag takes everything back.
    proxy.set_weight(50.0);
    let blocked = Blocked::begin(&pair, 1);
    let status = proxy.status_when("everything is back", LIMIT, |it| it["weight"] == 0.0);
    assert_eq!(status["last_rollback"]["cause"], "trigger:trails");
    drop(blocked);
    known(&proxy, "forward");
    proxy.does(
        "/api/v1/ramp/resume",
        &json!({"reason": "it follows again"}),
    );
    proxy.set_weight(50.0);

    forward(&proxy, &mut pair);
    reverse(&proxy, &pair);

    let status = proxy.status();
    // What is not known holds, and takes nothing back.
    assert_eq!(
        (&status["weight"], &status["rollbacks"]),
        (&json!(50.0), &json!(1)),
        "{status}"
    );
    assert!(!proxy.log().contains("hunter2"), "a password is shown");
    let answers = load.stop();
    assert!(answers.len() > 100);
    assert!(
        answers.iter().all(|it| it.status == Some(200)),
        "traffic noticed"
    );
}

fn forward(proxy: &Proxy, pair: &mut Pair) {
    let unknown = |expected: &str| unknown(proxy, "forward", expected);
    let known = || known(proxy, "forward");
    pair.new.shop("ALTER SUBSCRIPTION changeover DISABLE");
    unknown("the subscription is disabled");
    pair.new.shop("ALTER SUBSCRIPTION changeover ENABLE");
    known();

    pair.new.freeze();
    unknown("no answer within");
    pair.new.thaw();
    known();

    pair.new.crash();
    unknown("new: ");
    pair.new.restart();
    known();

    pair.old
        .shop("REVOKE UPDATE ON changeover.heartbeat FROM changeover");
    unknown("permission denied for table heartbeat");
    pair.old
        .shop("GRANT UPDATE ON changeover.heartbeat TO changeover");
    known();

    pair.old.shop("ALTER ROLE changeover NOLOGIN");
    end_sessions(&pair.old);
    unknown("is not permitted to log in");
    pair.old.shop("ALTER ROLE changeover LOGIN");
    known();

    // Without a key a change cannot be carried over, and the source refuses it.
    pair.old
        .shop("ALTER TABLE changeover.heartbeat DROP CONSTRAINT heartbeat_pkey");
    unknown("does not have a replica identity");
    pair.old
        .shop("ALTER TABLE changeover.heartbeat ADD PRIMARY KEY (direction)");
    known();

    // Applications are fenced off by a default of their sessions, and whether all has arrived is still to be seen.
    pair.old
        .shop("ALTER DATABASE shop SET default_transaction_read_only = on");
    end_sessions(&pair.old);
    unknown("old: ");
    known();
    let mut write = pair.old.psql("shop");
    write.args(["-c", "INSERT INTO item VALUES (9, 'fenced')"]);
    let output = write.output().expect("psql is installed");
    assert!(!output.status.success(), "applications are fenced off");
    pair.old.sql(
        "postgres",
        "ALTER DATABASE shop RESET default_transaction_read_only",
    );

    // The schema drifts apart: what is applied fails again and again, and the subscription stays enabled.
    pair.old.shop("ALTER TABLE item ADD COLUMN price int");
    pair.old.shop("INSERT INTO item VALUES (2, 'dear', 7)");
    unknown("changes fail to be applied");
    pair.new.shop("ALTER TABLE item ADD COLUMN price int");
    eventually("the row arrives", LIMIT, || {
        let found = pair.new.shop("SELECT price FROM item WHERE id = 2");
        (found == "7").then_some(())
    });
}

/// The way back, in place of the way there.
fn reverse(proxy: &Proxy, pair: &Pair) {
    let unknown = |expected: &str| unknown(proxy, "reverse", expected);
    assert!(replication(&proxy.status(), "shop", "reverse").is_null());
    pair.new.shop("DROP SUBSCRIPTION changeover");
    pair.new
        .shop("CREATE PUBLICATION changeover_back FOR ALL TABLES");
    let connection = pair.new.connection();
    pair.old.shop(&format!(
        "CREATE SUBSCRIPTION changeover_back CONNECTION '{connection}' PUBLICATION changeover_back
            WITH (copy_data = false)"
    ));
    known(proxy, "reverse");
    let status = proxy.status();
    let why = replication(&status, "shop", "forward")["unknown"].as_str();
    assert_eq!(why, Some("the slot is not there"));

    // A stray write on old: the same row from new is refused for ever.
    pair.old.shop("INSERT INTO item VALUES (7, 'stray', 0)");
    pair.new.shop("INSERT INTO item VALUES (7, 'right', 0)");
    unknown("changes fail to be applied");
    let enabled = pair.old.shop("SELECT subenabled FROM pg_subscription");
    assert_eq!(enabled, "t", "PostgreSQL itself sees nothing wrong");

    pair.old.shop("ALTER SUBSCRIPTION changeover_back DISABLE");
    eventually("the slot is lost", LIMIT, || {
        pair.new.shop("SELECT pg_switch_wal()");
        pair.new.shop("CHECKPOINT");
        let lost = pair.new.shop("SELECT wal_status FROM pg_replication_slots");
        (lost == "lost").then_some(())
    });
    unknown("the slot is lost");
}

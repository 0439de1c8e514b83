//! `replication check` finds the faults of a database that has them, and nothing in one that has none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::commands::{RIGHTS, configured, run, run_json};
use crate::harness::postgres::Pair;

/// One of each, with what must be found: answer, check, object.
const FAULTS: &[(&str, &str, (&str, &str, &str))] = &[
    (
        "CREATE TABLE forgotten (id int PRIMARY KEY);",
        "",
        ("fail", "tables", "public.forgotten"),
    ),
    (
        "",
        "ALTER TABLE item ALTER note TYPE varchar(9);",
        ("fail", "columns", "public.item.note"),
    ),
    (
        "CREATE INDEX by_note ON item (note);",
        "",
        ("warn", "indexes", "by_note"),
    ),
    (
        "CREATE TYPE mood AS ENUM ('good', 'bad');",
        "CREATE TYPE mood AS ENUM ('good');",
        ("fail", "types", "public.mood"),
    ),
    (
        "CREATE TABLE keyless (line text);",
        "CREATE TABLE keyless (line text);",
        ("fail", "replica identity", "public.keyless"),
    ),
    (
        "CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);",
        "CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);",
        ("fail", "unlogged tables", "public.scratch"),
    ),
    (
        "SELECT lo_from_bytea(0, 'large');",
        "",
        ("fail", "not replicated", ""),
    ),
    (
        "CREATE SEQUENCE ticket; SELECT setval('ticket', 500);",
        "CREATE SEQUENCE ticket;",
        ("warn", "sequences", ""),
    ),
    (
        "CREATE PUBLICATION partly FOR TABLE item, forgotten, keyless;",
        "",
        ("fail", "publications", "public.marker"),
    ),
    (
        "BEGIN; INSERT INTO item VALUES (1, 'x'); PREPARE TRANSACTION 'abandoned';",
        "",
        ("fail", "transactions", "abandoned"),
    ),
    (
        "CREATE ROLE app LOGIN; GRANT SELECT ON item TO app;",
        "",
        ("fail", "roles", "app"),
    ),
    (
        "",
        "ALTER TABLE marker ENABLE ALWAYS TRIGGER stamp;",
        ("fail", "triggers", "public.marker stamp"),
    ),
];

const STAMP: &str =
    "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER stamp BEFORE INSERT ON marker FOR EACH ROW EXECUTE FUNCTION stamp();";

#[test]
fn check_finds_the_twelve_faults_of_a_prepared_database_and_nothing_else() {
    let settings = &["max_prepared_transactions=5"];
    let pair = Pair::start_with(settings, settings);
    for cluster in [&pair.old, &pair.new] {
        cluster.shop(RIGHTS);
        cluster.shop(STAMP);
    }
    let folder = configured(&pair);
    let (code, text, errors) = run(&folder, &["check"]);
    assert_eq!(code, 0, "nothing is wrong yet: {text}\n{errors}");
    assert!(text.contains(" pass, 0 warn, 0 fail"), "{text}");
    assert_eq!(FAULTS.len(), 12);
    for (old, new, _) in FAULTS {
        for (cluster, sql) in [(&pair.old, old), (&pair.new, new)] {
            if !sql.is_empty() {
                cluster.shop(sql);
            }
        }
    }
    let (code, document) = run_json(&folder, &["check"]);
    assert_eq!(code, 1, "some fail");
    // What scripts rely on.
    let keys = |it: &Value| {
        let mut keys: Vec<_> = it.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&document),
        "databases fails findings name passes warns"
    );
    let findings = document["findings"].as_array().expect("a list");
    for finding in findings {
        assert_eq!(keys(finding), "answer check found object remedy");
    }
    let wrong = findings.iter().filter(|it| it["answer"] != "pass");
    let found: Vec<(&str, &str, &str)> = wrong
        .map(|it| {
            assert!(
                it["remedy"].as_str().is_some_and(|it| !it.is_empty()),
                "{it}"
            );
            let text = |key: &str| it[key].as_str().unwrap_or_default();
            (text("answer"), text("check"), text("object"))
        })
        .collect();
    let unique: BTreeSet<_> = found.iter().copied().collect();
    let expected: BTreeSet<_> = FAULTS.iter().map(|(_, _, it)| *it).collect();
    assert_eq!(unique, expected, "{document:#}");
    assert_eq!(found.len(), expected.len(), "each once: {found:?}");
    let (_, text, _) = run(&folder, &["check"]);
    let longest = text.lines().map(|it| it.chars().count()).max();
    assert!(longest.expect("lines") <= 100, "{text}");
}

#[test]
fn check_says_what_its_role_may_not_see() {
    let pair = Pair::start();
    pair.old.shop("CREATE SEQUENCE ticket");
    pair.new.shop("CREATE SEQUENCE ticket");
    let (code, text, errors) = run(&configured(&pair), &["check"]);
    assert_eq!(code, 0, "{text}\n{errors}");
    assert!(
        text.contains("on old: GRANT pg_monitor TO changeover"),
        "{text}"
    );
    assert!(
        text.contains("on new: GRANT pg_read_all_data TO changeover"),
        "{text}"
    );
}

#[test]
fn check_names_the_side_that_it_cannot_reach() {
    let mut pair = Pair::start();
    pair.new.crash();
    let (code, _, errors) = run(&configured(&pair), &["check"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("failed on new"), "{errors}");
}

//! What is written on new while old is the one to be written, and what a rollback would leave behind: as
//! `docs/replication.md` has it looked for, with its own statements.

use std::{process::Stdio, time::Duration};

use super::{
    commands::{RIGHTS, configured, run},
    page::blocks,
};
use crate::harness::{
    eventually,
    postgres::{Cluster, Pair},
};

const LIMIT: Duration = Duration::from_secs(20);

/// The page's statements: make the slot, look, drop it; and for the way back.
fn statements() -> [String; 4] {
    let found = blocks("Writes that got to new\n", "sql").try_into();
    found.expect("the page has four blocks")
}

fn note(cluster: &Cluster, id: u32) -> String {
    cluster.shop(&format!("SELECT note FROM item WHERE id = {id}"))
}

fn arrives(cluster: &Cluster, id: u32, expected: &str) {
    eventually("the change arrives", LIMIT, || {
        (note(cluster, id) == expected).then_some(())
    });
}

/// The lines about rows, without their positions, each of which is checked to be there.
fn rows(listed: &str) -> Vec<&str> {
    let lines = listed.lines().filter_map(|it| {
        let (position, data) = it.split_once('|').expect("two fields");
        assert!(position.contains('/'), "{it}");
        data.strip_prefix("table ")
    });
    lines.collect()
}

/// That every transaction has the time of its commit.
fn has_times(listed: &str) {
    let commits: Vec<_> = listed.lines().filter(|it| it.contains("COMMIT")).collect();
    assert!(!commits.is_empty(), "{listed}");
    assert!(commits.iter().all(|it| it.contains(" (at 2")), "{listed}");
}

#[test]
fn a_write_that_leaked_into_new_is_overwritten_in_silence_and_listed_all_the_same() {
    let pair = Pair::start();
    for cluster in [&pair.old, &pair.new] {
        cluster.shop(RIGHTS);
    }
    pair.old
        .shop("INSERT INTO item VALUES (1, 'ordered'), (2, 'ordered')");
    pair.replicate();
    let [make, look, remove, _] = statements();
    pair.new.shop(&make);
    pair.old.shop("UPDATE item SET note = 'paid' WHERE id = 2");
    arrives(&pair.new, 2, "paid");
    assert_eq!(pair.new.shop(&look), "", "it all came from old");

    pair.new
        .shop("UPDATE item SET note = 'by a canary' WHERE id = 1");
    let folder = configured(&pair);
    let (code, text, errors) = run(&folder, &["verify", "--tables", "item"]);
    assert_eq!(code, 1, "{errors}");
    assert!(text.contains("id=1: differs in note"), "{text}");

    // Old's next change of the row takes its place. Nothing fails, nothing trails, nothing differs.
    pair.old.shop("UPDATE item SET note = 'sent' WHERE id = 1");
    arrives(&pair.new, 1, "sent");
    let errors = "SELECT apply_error_count FROM pg_stat_subscription_stats";
    assert_eq!(pair.new.shop(errors), "0");
    let (code, text, errors) = run(&folder, &["verify", "--tables", "item"]);
    assert_eq!(code, 0, "{text}{errors}");

    let listed = pair.new.shop(&look);
    assert_eq!(
        rows(&listed),
        ["public.item: UPDATE: id[integer]:1 note[text]:'by a canary'"]
    );
    has_times(&listed);
    pair.new.shop(&remove);
}

#[test]
fn what_new_has_and_old_has_not_is_listed_and_stays_on_its_way() {
    let pair = Pair::start();
    pair.new
        .shop("CREATE PUBLICATION changeover_back FOR ALL TABLES");
    let connection = pair.new.connection();
    pair.old.shop(&format!(
        "CREATE SUBSCRIPTION changeover_back CONNECTION '{connection}' PUBLICATION changeover_back
            WITH (copy_data = false)"
    ));
    pair.new.shop("INSERT INTO item VALUES (1, 'ordered')");
    arrives(&pair.old, 1, "ordered");
    let [.., peek] = statements();
    // The slot confirms what has arrived a moment later.
    eventually("nothing is on its way", LIMIT, || {
        rows(&listed(&pair.new, &peek)).is_empty().then_some(())
    });

    pair.old.shop("ALTER SUBSCRIPTION changeover_back DISABLE");
    pair.new
        .shop("INSERT INTO item VALUES (2, 'ordered'); UPDATE item SET note = 'paid' WHERE id = 1");
    let at_risk = [
        "public.item: INSERT: id[integer]:2 note[text]:'ordered'",
        "public.item: UPDATE: id[integer]:1 note[text]:'paid'",
    ];
    for _ in 0..2 {
        let listed = listed(&pair.new, &peek);
        assert_eq!(rows(&listed), at_risk, "to look takes nothing away");
        has_times(&listed);
    }
    let slots = pair.new.shop("SELECT slot_name FROM pg_replication_slots");
    assert_eq!(slots, "changeover_back", "the copy ends with its session");
    pair.old.shop("ALTER SUBSCRIPTION changeover_back ENABLE");
    arrives(&pair.old, 1, "paid");
    assert_eq!(note(&pair.old, 2), "ordered");
}

/// What both statements of a block say, run in one session, without what the copy of a slot is called.
fn listed(new: &Cluster, peek: &str) -> String {
    let mut psql = new.psql("shop");
    psql.stdin(Stdio::null());
    for statement in peek.split_inclusive(";\n") {
        psql.args(["-c", statement]);
    }
    let output = psql.output().expect("psql is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter(|it| it.contains('|'));
    lines.collect::<Vec<_>>().join("\n")
}

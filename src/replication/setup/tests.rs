//! The order of the steps for the versions found, and that names reach SQL quoted.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Moment, Step, due, script,
    sql::{Connection, Passwords, Sql},
    statements, steps,
};
use crate::{
    plan::{ChannelPlan, DatabaseEncryption, DatabasePlan, ReplicationKind, ReplicationPlan},
    replication::{
        catalog::{Catalog, Grant, Heartbeat, Object, REPLICATOR, Role, Subscription},
        check::tests::{catalog, pair, replicating, table},
    },
    units::{PerSide, Side},
};

fn plan() -> ReplicationPlan {
    let channel = |name: &str| ChannelPlan {
        publication: name.into(),
        subscription: name.into(),
    };
    ReplicationPlan {
        name: "shop".into(),
        kind: ReplicationKind::Postgres,
        databases: PerSide::from_fn(|side| DatabasePlan {
            host: format!("{side}.test"),
            port: 5432,
            database: "shop".into(),
            user: "changeover".into(),
            password: None,
            encryption: DatabaseEncryption::Verified,
            ca: None,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(1),
        }),
        forward: channel("changeover"),
        reverse: channel("changeover_back"),
    }
}

/// Each step as `moment side first-words-of-the-SQL`.
fn outline(sides: &PerSide<Catalog>) -> Vec<String> {
    steps(sides, &plan()).iter().map(line).collect()
}

fn line(step: &Step) -> String {
    let sql = step.sql.to_string();
    let first = sql.lines().find(|it| !it.starts_with("SET "));
    let words = first.expect("a statement").split_whitespace().take(3);
    format!(
        "{:?} {} {}",
        step.moment,
        step.side,
        words.collect::<Vec<_>>().join(" ")
    )
}

/// Of those that are due: as [`outline`].
fn begins(sides: &PerSide<Catalog>) -> Vec<String> {
    let due = due(steps(sides, &plan()), sides, &plan());
    due.iter().map(line).collect()
}

/// Of those that are due: their SQL.
fn due_now(sides: &PerSide<Catalog>) -> Vec<String> {
    let due = due(steps(sides, &plan()), sides, &plan());
    due.iter().map(|it| it.sql.to_string()).collect()
}

/// Forward replication as the steps make it.
fn set_up() -> PerSide<Catalog> {
    let mut sides = replicating();
    let beat = "changeover.heartbeat".to_owned();
    sides.old.publications[0].tables.push(beat.clone());
    sides.new.subscriptions[0].tables.insert(beat, 'r');
    for side in Side::ALL {
        let may = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        sides[side].heartbeat = Some(Heartbeat {
            readers: may(&["changeover", REPLICATOR]),
            writers: may(&["changeover"]),
            rows: Some(2),
        });
        let role = Role {
            name: REPLICATOR.into(),
            can_login: true,
            is_superuser: false,
            member_of: Vec::new(),
        };
        sides[side].roles.insert(role.name.clone(), role);
    }
    let select = Grant {
        grantee: REPLICATOR.into(),
        privilege: "SELECT".into(),
    };
    let old = &mut sides.old;
    old.objects.retain(|it| it.kind != "table");
    for table in old.tables.keys() {
        old.objects.push(Object {
            kind: "table".into(),
            name: table.clone(),
            owner: "owner".into(),
            definition: None,
            grants: [select.clone()].into(),
        });
    }
    sides
}

const BEFORE: [&str; 7] = [
    "Now old CREATE SCHEMA IF",
    "Now old CREATE ROLE changeover_replication",
    "Now new CREATE SCHEMA IF",
    "Now new CREATE ROLE changeover_replication",
    "Now old GRANT USAGE ON",
    "Now old CREATE PUBLICATION changeover",
    "Now new CREATE SUBSCRIPTION changeover",
];

#[test]
fn before_version_16_the_way_back_is_made_after_the_fence_and_after_the_forward_direction_ended() {
    let at_cutover = [
        "AtCutover old GRANT CONNECT ON",
        "AtCutover old SELECT pg_logical_emit_message(true, 'changeover',",
        "AtCutover old SELECT format('SELECT setval(%L,",
        "AtCutover new DROP SUBSCRIPTION changeover;",
        "AtCutover new CREATE PUBLICATION changeover_back",
        "AtCutover old CREATE SUBSCRIPTION changeover_back",
    ];
    let expected = [BEFORE.as_slice(), &at_cutover].concat();
    assert_eq!(outline(&pair()), expected);
    // One old side is enough.
    let mut mixed = pair();
    mixed.new = catalog(170_002);
    assert_eq!(outline(&mixed), expected);
    let all = steps(&mixed, &plan());
    assert!(
        all.iter().all(|it| !it.sql.to_string().contains("origin")),
        "15 knows no such option"
    );
}

#[test]
fn from_version_16_on_the_way_back_is_made_before_the_cutover() {
    let later = [
        "OnceCopied new CREATE PUBLICATION changeover_back",
        "OnceCopied old CREATE SUBSCRIPTION changeover_back",
        "AtCutover old GRANT CONNECT ON",
        "AtCutover old SELECT pg_logical_emit_message(true, 'changeover',",
        "AtCutover old SELECT format('SELECT setval(%L,",
    ];
    let sides = PerSide::from_fn(|_| catalog(160_004));
    assert_eq!(outline(&sides), [BEFORE.as_slice(), &later].concat());
    for step in steps(&sides, &plan()) {
        let sql = step.sql.to_string();
        if sql.contains("CREATE SUBSCRIPTION") {
            assert!(sql.contains("origin = none"), "{sql}");
            let copies = match step.side {
                Side::New => "copy_data = true",
                Side::Old => "copy_data = false",
            };
            assert!(sql.contains(copies), "{sql}");
        }
    }
}

#[test]
fn what_is_there_is_left_out() {
    let mut sides = set_up();
    assert_eq!(due_now(&sides), [] as [String; 0]);
    // What lacks is asked for alone, each with what it brings with it.
    let publication = &mut sides.old.publications[0];
    publication.tables.retain(|it| it != "public.items");
    assert_eq!(
        due_now(&sides),
        [
            "ALTER PUBLICATION changeover ADD TABLE public.items;",
            "ALTER SUBSCRIPTION changeover REFRESH PUBLICATION WITH (copy_data = true);",
        ]
    );
    let mut sides = set_up();
    sides.old.heartbeat.as_mut().expect("it is there").rows = Some(1);
    assert_eq!(begins(&sides), ["Now old CREATE SCHEMA IF"]);
    let mut sides = set_up();
    let heartbeat = sides.new.heartbeat.as_mut().expect("it is there");
    heartbeat.writers.clear();
    assert_eq!(begins(&sides), ["Now new CREATE SCHEMA IF"]);
    let mut sides = set_up();
    sides.old.objects.retain(|it| it.name != "public.items");
    assert_eq!(begins(&sides), ["Now old GRANT USAGE ON"]);
    let mut sides = set_up();
    sides.new.roles.remove("changeover");
    assert_eq!(begins(&sides), ["Now new CREATE ROLE changeover"]);
}

#[test]
fn what_comes_back_is_due_only_once_everything_is_copied_and_the_cutover_never() {
    let mut sides = set_up();
    for side in Side::ALL {
        sides[side].server.version = 160_004;
    }
    let back = [
        "OnceCopied new CREATE PUBLICATION changeover_back",
        "OnceCopied old CREATE SUBSCRIPTION changeover_back",
    ];
    assert_eq!(begins(&sides), back);
    let tables = &mut sides.new.subscriptions[0].tables;
    tables.insert("public.items".into(), 'd');
    assert_eq!(begins(&sides), [] as [&str; 0]);
    let fresh = PerSide::from_fn(|_| catalog(160_004));
    let all_now = begins(&fresh).iter().all(|it| it.starts_with("Now "));
    assert!(all_now, "{:?}", begins(&fresh));
}

#[test]
fn before_version_16_the_forward_direction_is_not_made_again_beside_the_way_back() {
    let mut sides = set_up();
    sides.new.subscriptions.clear();
    let back = Subscription {
        name: "changeover_back".into(),
        ..replicating().new.subscriptions.remove(0)
    };
    sides.old.subscriptions.push(back);
    let found = outline(&sides);
    let loops = |it: &String| it.contains("CREATE SUBSCRIPTION") || it.starts_with("AtCutover");
    assert!(!found.iter().any(loops), "{found:?}");
}

#[test]
fn passwords_are_put_in_only_where_statements_are_run() {
    let passwords = Passwords {
        watcher: Some("SCRAM-SHA-256$watcher".into()),
        replicator_kept: "SCRAM-SHA-256$kept".into(),
        replicator: "it's \\ secret".into(),
    };
    let database = plan().databases.old;
    let all = [
        statements::watcher("Watch"),
        statements::replicator(),
        Sql::from("CONNECTION ".to_owned()).connection(Connection::to(&database, 16)),
    ];
    for sql in &all {
        let shown = sql.to_string();
        assert!(
            !shown.contains("secret") && !shown.contains("SCRAM"),
            "{shown}"
        );
    }
    assert_eq!(
        all[0].to_run(&passwords),
        "CREATE ROLE \"Watch\" LOGIN;\nALTER ROLE \"Watch\" PASSWORD 'SCRAM-SHA-256$watcher';"
    );
    assert_eq!(
        all[1].to_run(&passwords),
        format!(
            "CREATE ROLE {REPLICATOR} LOGIN REPLICATION;\n\
            ALTER ROLE {REPLICATOR} PASSWORD 'SCRAM-SHA-256$kept';"
        )
    );
    assert_eq!(
        all[2].to_run(&passwords),
        "CONNECTION E'host=old.test port=5432 dbname=shop user=changeover_replication \
        password=''it\\\\''s \\\\\\\\ secret'' sslmode=verify-full sslrootcert=system'"
    );
}

#[test]
fn divided_and_unlogged_tables_are_published_as_a_whole_and_not_at_all() {
    let mut old = catalog(150_018);
    let mut root = table("public.events");
    root.kind = 'p';
    let mut part = table("public.events_1");
    part.root = Some("public.events".into());
    let mut unlogged = table("public.scratch");
    unlogged.persistence = 'u';
    old.tables = BTreeMap::from([root, part, unlogged].map(|it| (it.name.clone(), it)));
    let sides = PerSide {
        old,
        new: catalog(150_018),
    };
    let all = steps(&sides, &plan());
    let publication = all
        .iter()
        .map(|it| it.sql.to_string())
        .find(|it| it.starts_with("CREATE PUBLICATION changeover "));
    assert_eq!(
        publication.expect("it is missing"),
        "CREATE PUBLICATION changeover FOR TABLE\n  public.events,\n  changeover.heartbeat;"
    );
}

#[test]
fn names_reach_sql_quoted() {
    let check = |name: &str, expected: &str| assert_eq!(statements::identifier(name), expected);
    check("orders_2", "orders_2");
    check("2orders", "\"2orders\"");
    check("Order", "\"Order\"");
    check("order", "\"order\"");
    check("a\"; DROP TABLE b; --", "\"a\"\"; DROP TABLE b; --\"");
    assert_eq!(statements::literal("o'clock"), "'o''clock'");
    assert_eq!(statements::literal("a\\b'"), "E'a\\\\b'''");
    let mut database = plan().databases.old;
    database.database = "o'clock".into();
    let connection = |version| {
        Sql::from(String::new())
            .connection(Connection::to(&database, version))
            .to_string()
    };
    let (before, since) = (connection(15), connection(16));
    let connection = before;
    assert!(
        connection.contains("dbname=''o\\\\''clock'' user="),
        "{connection}"
    );
    assert!(
        connection.starts_with("E'host=old.test port=5432"),
        "{connection}"
    );
    assert!(connection.contains("sslrootcert=/etc/ssl"), "{connection}");
    let connection = since;
    assert!(
        connection.contains("sslmode=verify-full sslrootcert=system"),
        "{connection}"
    );
}

#[test]
fn the_script_says_when_where_and_how_to_take_it_back() {
    let all = steps(&pair(), &plan());
    let text = script(
        &all,
        PerSide { old: "a", new: "b" },
        PerSide { old: 15, new: 15 },
    );
    let comments = text.lines().filter(|it| it.starts_with("--"));
    assert!(comments.clone().all(|it| it.len() <= 100), "{text}");
    assert_eq!(
        comments.filter(|it| it.starts_with("-- ====")).count(),
        2,
        "{text}"
    );
    assert!(
        all.iter()
            .filter(|it| it.moment == Moment::Now)
            .all(|it| it.undo.is_some())
    );
}

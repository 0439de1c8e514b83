//! Each fault alone gives one finding of its question, and a pair without faults gives none.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Finding, check};
use crate::{
    replication::catalog::{
        Catalog, Column, Constraint, Grant, Index, Object, Publication, Role, Sequence, Server,
        Slot, Subscription, Table, Transaction, TransactionKind, Trigger,
    },
    units::{PerSide, Side},
};

pub(crate) fn server(version: u32) -> Server {
    Server {
        version,
        database: "shop".into(),
        role: "changeover".into(),
        in_recovery: false,
        wal_level: "logical".into(),
        slots: 10,
        slots_used: 0,
        senders: 10,
        senders_used: 0,
        apply_workers: 4,
        sync_workers: 2,
        worker_processes: 8,
        encoding: "UTF8".into(),
        collate: "en_US.UTF-8".into(),
        ctype: "en_US.UTF-8".into(),
        provider: Some("c".into()),
        locale: None,
        collation_recorded: Some("2.36".into()),
        collation_version: Some("2.36".into()),
        large_objects: 0,
        sees_activity: true,
    }
}

pub(crate) fn table(name: &str) -> Table {
    let column = |name: &str, kind: &str, not_null| Column {
        name: name.into(),
        kind: kind.into(),
        not_null,
        default: None,
        generated: false,
        identity: String::new(),
        collation: (kind == "text").then(|| "pg_catalog.\"default\"".into()),
    };
    Table {
        name: name.into(),
        kind: 'r',
        persistence: 'p',
        replica_identity: 'd',
        rows: 100,
        root: None,
        key: vec!["id".into()],
        columns: vec![column("id", "bigint", true), column("note", "text", false)],
        constraints: vec![Constraint {
            name: "orders_pkey".into(),
            kind: 'p',
            definition: "PRIMARY KEY (id)".into(),
        }],
        indexes: vec![Index {
            name: "by_note".into(),
            unique: false,
            valid: true,
            definition: format!("CREATE INDEX ON {name} USING btree (note)"),
        }],
        triggers: vec![Trigger {
            name: "stamp".into(),
            enabled: 'O',
            definition: format!("CREATE TRIGGER stamp BEFORE INSERT ON {name} …"),
        }],
    }
}

pub(crate) fn catalog(version: u32) -> Catalog {
    let role = |name: &str, member_of: &[&str]| Role {
        name: name.into(),
        can_login: true,
        is_superuser: false,
        member_of: member_of.iter().map(|it| (*it).to_owned()).collect(),
    };
    let sequence = Sequence {
        name: "public.orders_id_seq".into(),
        increment: 1,
        min: 1,
        max: i64::MAX,
        start: 1,
        cycles: false,
        readable: true,
        last: Some(500),
    };
    let object = |kind: &str, name: &str, grants: &[(&str, &str)]| Object {
        kind: kind.into(),
        name: name.into(),
        owner: "owner".into(),
        definition: (kind == "view").then(|| "digest".into()),
        grants: grants
            .iter()
            .map(|(grantee, privilege)| Grant {
                grantee: (*grantee).into(),
                privilege: (*privilege).into(),
            })
            .collect(),
    };
    let named = |it: Vec<Role>| it.into_iter().map(|it| (it.name.clone(), it)).collect();
    Catalog {
        server: server(version),
        extensions: BTreeMap::from([("pgcrypto".into(), "1.3".into())]),
        types: BTreeMap::from([("public.mood".into(), "enum ('good', 'bad')".into())]),
        tables: ["public.orders", "public.items"]
            .into_iter()
            .map(|it| (it.to_owned(), table(it)))
            .collect(),
        sequences: BTreeMap::from([(sequence.name.clone(), sequence)]),
        objects: vec![
            object("database", "this database", &[("PUBLIC", "CONNECT")]),
            object("schema", "public", &[("PUBLIC", "USAGE")]),
            object(
                "table",
                "public.orders",
                &[("app", "SELECT"), ("app", "INSERT")],
            ),
            object("view", "public.recent", &[]),
        ],
        roles: named(vec![
            role("owner", &[]),
            role("app", &[]),
            role("ada", &["app"]),
            role("changeover", &[]),
        ]),
        publications: Vec::new(),
        subscriptions: Vec::new(),
        slots: Vec::new(),
        transactions: Vec::new(),
        heartbeat: None,
    }
}

pub(crate) fn pair() -> PerSide<Catalog> {
    PerSide::from_fn(|_| catalog(150_018))
}

/// As [`pair`], with forward replication set up.
pub(crate) fn replicating() -> PerSide<Catalog> {
    let mut sides = pair();
    let tables: Vec<String> = sides.old.tables.keys().cloned().collect();
    sides.old.publications.push(Publication {
        name: "changeover".into(),
        publishes_all: true,
        tables: tables.clone(),
        partial: Vec::new(),
    });
    sides.old.slots.push(Slot {
        name: "changeover".into(),
        plugin: "pgoutput".into(),
        is_active: true,
        wal_status: Some("reserved".into()),
    });
    sides.new.subscriptions.push(Subscription {
        name: "changeover".into(),
        is_enabled: true,
        slot: Some("changeover".into()),
        publications: vec!["changeover".into()],
        origin: None,
        errors: Some(0),
        tables: tables.into_iter().map(|it| (it, 'r')).collect(),
    });
    sides
}

/// The findings that are no passes, shortened to what tells them apart.
fn faults(sides: &PerSide<Catalog>) -> Vec<String> {
    let findings = check(sides)
        .into_iter()
        .filter(|it| it.answer != Answer::Pass);
    let told = |it: Finding| {
        assert!(
            it.remedy.is_some_and(|it| !it.is_empty()),
            "{}: says what to do",
            it.found
        );
        let object = it.object.unwrap_or_default();
        format!("{:?} {} {object}: {}", it.answer, it.check, it.found)
    };
    findings.map(told).collect()
}

/// One change to a pair without faults gives one finding, which begins so.
fn alone(expected: &str, change: impl FnOnce(&mut PerSide<Catalog>)) {
    let mut sides = replicating();
    change(&mut sides);
    let found = faults(&sides);
    assert_eq!(found.len(), 1, "{expected}: {found:#?}");
    assert!(found[0].starts_with(expected), "{expected}: {}", found[0]);
}

fn orders(sides: &mut PerSide<Catalog>, side: Side) -> &mut Table {
    sides[side]
        .tables
        .get_mut("public.orders")
        .expect("it is there")
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(
        faults(&pair()),
        Vec::<String>::new(),
        "before anything is set up"
    );
    assert_eq!(faults(&replicating()), Vec::<String>::new(), "once it is");
    let questions: Vec<_> = check(&pair()).into_iter().map(|it| it.check).collect();
    let unique: BTreeSet<_> = questions.iter().collect();
    assert_eq!(unique.len(), questions.len(), "one answer each");
}

#[test]
fn servers_that_cannot_replicate_are_found() {
    alone("Fail versions : old has version 13", |it| {
        it.old.server.version = 130_004
    });
    alone("Warn versions : new has version 14", |it| {
        it.new.server.version = 140_004
    });
    alone("Fail recovery : old is a standby", |it| {
        it.old.server.in_recovery = true
    });
    alone("Fail wal level : old has wal_level = replica", |it| {
        it.old.server.wal_level = "replica".into();
    });
    alone(
        "Fail wal level : new has wal_level = replica; without it there is no way back",
        |it| {
            it.new.server.wal_level = "replica".into();
        },
    );
    alone("Fail slots : new has no slot free", |it| {
        it.new.server.slots_used = 10
    });
    alone("Fail senders : new has no sender free", |it| {
        it.new.server.senders_used = 10
    });
    alone(
        "Fail workers : new has max_logical_replication_workers = 0",
        |it| {
            it.new.server.apply_workers = 0;
        },
    );
    alone("Warn workers : new has max_worker_processes = 4", |it| {
        it.new.server.worker_processes = 4;
    });
    alone(
        "Warn visibility : changeover does not see the transactions",
        |it| {
            it.old.server.sees_activity = false;
        },
    );
}

#[test]
fn slots_that_replication_itself_holds_are_not_missing() {
    let mut sides = replicating();
    sides.old.server.slots_used = 10;
    sides.old.server.senders_used = 10;
    assert_eq!(faults(&sides), Vec::<String>::new());
    let mut sides = pair();
    sides.old.server.slots_used = 8;
    let found = faults(&sides);
    assert_eq!(
        found,
        ["Warn slots : old has 2 slots free; the copy of tables uses up to 3"]
    );
}

#[test]
fn text_that_differs_is_found() {
    alone("Warn encoding : LATIN1 on old, UTF8 on new", |it| {
        it.old.server.encoding = "LATIN1".into();
    });
    alone("Fail encoding : UTF8 on old, LATIN1 on new", |it| {
        it.new.server.encoding = "LATIN1".into();
    });
    alone(
        "Warn collation : en_US.UTF-8/en_US.UTF-8 on old, C/en_US.UTF-8 on new",
        |it| {
            it.new.server.collate = "C".into();
        },
    );
    alone("Warn collation : version 2.36 on old, 2.41 on new", |it| {
        it.new.server.collation_version = Some("2.41".into());
        it.new.server.collation_recorded = Some("2.41".into());
    });
    alone(
        "Warn collation : new was built with collation version 2.31",
        |it| {
            it.new.server.collation_recorded = Some("2.31".into());
        },
    );
}

#[test]
fn schemas_that_differ_are_found() {
    alone("Fail extensions pgcrypto: missing", |it| {
        it.new.extensions.clear()
    });
    alone(
        "Warn extensions pgcrypto: version 1.3 on old, 1.4 on new",
        |it| {
            it.new.extensions.insert("pgcrypto".into(), "1.4".into());
        },
    );
    alone(
        "Fail types public.mood: enum ('good', 'bad') on old, enum ('good') on new",
        |it| {
            it.new
                .types
                .insert("public.mood".into(), "enum ('good')".into());
        },
    );
    alone("Fail tables public.items: missing on new", |it| {
        it.new.tables.remove("public.items");
    });
    alone("Warn tables public.extra: only on new", |it| {
        it.new
            .tables
            .insert("public.extra".into(), table("public.extra"));
    });
}

#[test]
fn columns_that_differ_are_found() {
    alone("Fail columns public.orders.note: missing on new", |it| {
        orders(it, Side::New).columns.pop();
    });
    alone(
        "Fail columns public.orders.note: text on old, character varying(9) on new",
        |it| {
            orders(it, Side::New).columns[1].kind = "character varying(9)".into();
        },
    );
    alone(
        "Fail columns public.orders.note: NOT NULL on new only",
        |it| {
            orders(it, Side::New).columns[1].not_null = true;
        },
    );
    alone(
        "Warn columns public.orders.note: default none on old, now() on new",
        |it| {
            orders(it, Side::New).columns[1].default = Some("now()".into());
        },
    );
    alone(
        "Fail columns public.orders.more: only on new, NOT NULL",
        |it| {
            let mut more = it.old.tables["public.orders"].columns[0].clone();
            more.name = "more".into();
            orders(it, Side::New).columns.push(more);
        },
    );
    alone(
        "Fail constraints public.orders orders_pkey: missing on new",
        |it| {
            orders(it, Side::New).constraints.clear();
            orders(it, Side::New).key.clear();
        },
    );
    alone(
        "Fail constraints public.orders positive: only on new: CHECK (id > 0)",
        |it| {
            orders(it, Side::New).constraints.push(Constraint {
                name: "positive".into(),
                kind: 'c',
                definition: "CHECK (id > 0)".into(),
            });
        },
    );
    alone("Warn indexes by_note: missing on new", |it| {
        orders(it, Side::New).indexes.clear();
    });
    alone("Warn indexes by_note: not valid on new", |it| {
        orders(it, Side::New).indexes[0].valid = false;
    });
    alone(
        "Fail views, routines view public.recent: missing on new",
        |it| {
            it.new.objects.pop();
        },
    );
    alone(
        "Warn views, routines view public.recent: its text differs",
        |it| {
            it.new.objects[3].definition = Some("another".into());
        },
    );
}

#[test]
fn rows_that_would_stay_behind_are_found() {
    alone(
        "Fail replica identity public.orders: rows have no identity",
        |it| {
            for side in Side::ALL {
                orders(it, side).key.clear();
                orders(it, side).constraints.clear();
            }
        },
    );
    alone(
        "Fail replica identity public.orders: rows have no identity: on new",
        |it| {
            orders(it, Side::New).replica_identity = 'n';
        },
    );
    alone(
        "Warn replica identity public.orders: rows are identified by all",
        |it| {
            for side in Side::ALL {
                orders(it, side).key.clear();
                orders(it, side).constraints.clear();
                orders(it, side).replica_identity = 'f';
            }
        },
    );
    alone("Fail unlogged tables public.orders: unlogged", |it| {
        orders(it, Side::Old).persistence = 'u';
    });
    alone("Fail not replicated : old has 3 large objects", |it| {
        it.old.server.large_objects = 3
    });
    alone(
        "Warn not replicated public.totals: a materialized view",
        |it| {
            for side in Side::ALL {
                let mut view = it[side].objects[3].clone();
                view.kind = "materialized view".into();
                view.name = "public.totals".into();
                it[side].objects.push(view);
            }
        },
    );
}

#[test]
fn sequences_that_would_collide_are_found() {
    let sequence = |it: &mut PerSide<Catalog>, side: Side, last: Option<i64>| {
        let sequence = it[side].sequences.get_mut("public.orders_id_seq");
        sequence.expect("it is there").last = last;
    };
    alone(
        "Warn sequences : 1 sequence of new is behind old, public.orders_id_seq by 500",
        |it| {
            sequence(it, Side::New, None);
        },
    );
    alone(
        "Warn sequences : 1 sequence of new is behind old, public.orders_id_seq by 1:",
        |it| {
            sequence(it, Side::New, Some(499));
        },
    );
    alone("Warn sequences public.orders_id_seq: 90 %", |it| {
        for side in Side::ALL {
            sequence(it, side, Some(i64::MAX / 100 * 90 + 1_000));
        }
    });
    let mut sides = pair();
    sequence(&mut sides, Side::Old, None);
    sequence(&mut sides, Side::New, None);
    assert_eq!(faults(&sides), Vec::<String>::new(), "nothing was drawn");
}

#[test]
fn triggers_roles_and_grants_that_differ_are_found() {
    alone("Fail triggers public.orders stamp: fires on new", |it| {
        orders(it, Side::New).triggers[0].enabled = 'A';
    });
    alone("Fail triggers public.orders stamp: fires on old", |it| {
        orders(it, Side::Old).triggers[0].enabled = 'R';
    });
    alone("Warn triggers public.orders stamp: missing on new", |it| {
        orders(it, Side::New).triggers.clear();
    });
    alone("Fail roles ada: missing on new", |it| {
        it.new.roles.remove("ada");
    });
    alone("Fail roles app: missing on new", |it| {
        it.new.roles.remove("app");
    });
    alone("Fail roles ada: not a member of app on new", |it| {
        it.new
            .roles
            .get_mut("ada")
            .expect("it is there")
            .member_of
            .clear();
    });
    alone(
        "Fail grants table public.orders: app may INSERT on old, not on new",
        |it| {
            it.new.objects[2]
                .grants
                .retain(|it| it.privilege != "INSERT");
        },
    );
}

#[test]
fn roles_of_our_own_need_not_have_the_same_rights_on_both_sides() {
    let mut sides = replicating();
    let grant = |grantee: &str| Grant {
        grantee: grantee.into(),
        privilege: "SELECT".into(),
    };
    let ours = ["changeover", "changeover_replication"];
    sides.old.objects[2].grants.extend(ours.map(grant));
    for name in ours {
        let mut role = sides.old.roles["app"].clone();
        role.name = name.into();
        sides.old.roles.insert(name.into(), role.clone());
        sides.new.roles.insert(name.into(), role);
    }
    assert_eq!(faults(&sides), Vec::<String>::new());
    sides.new.roles.remove("changeover_replication");
    assert_eq!(faults(&sides), Vec::<String>::new(), "the set-up makes it");
}

#[test]
fn transactions_that_a_slot_would_wait_for_are_found() {
    let transaction = |kind, age_s| Transaction {
        kind,
        name: "41".into(),
        role: "app".into(),
        age_s,
    };
    alone("Fail transactions 41: prepared on old", |it| {
        it.old
            .transactions
            .push(transaction(TransactionKind::Prepared, 1));
    });
    alone(
        "Warn transactions process 41: open on new by app for 301 s",
        |it| {
            it.new
                .transactions
                .push(transaction(TransactionKind::Open, 301));
            it.new
                .transactions
                .push(transaction(TransactionKind::Open, 30));
        },
    );
}

#[test]
fn what_is_set_up_wrong_is_found() {
    alone(
        "Fail publications public.items: in no publication of old",
        |it| {
            it.old.publications[0]
                .tables
                .retain(|it| it != "public.items");
        },
    );
    alone(
        "Warn publications public.items: changeover leaves out rows",
        |it| {
            it.old.publications[0].partial.push("public.items".into());
        },
    );
    alone(
        "Fail publications changeover: leaves out some kinds",
        |it| {
            it.old.publications[0].publishes_all = false;
        },
    );
    alone("Fail publications changeover: new subscribes to it", |it| {
        it.old.publications.clear()
    });
    alone("Fail subscriptions changeover: disabled on new", |it| {
        it.new.subscriptions[0].is_enabled = false;
    });
    alone("Warn subscriptions changeover: 7 failures", |it| {
        it.new.subscriptions[0].errors = Some(7);
    });
    alone(
        "Warn subscriptions changeover: 1 tables are not ready",
        |it| {
            it.new.subscriptions[0]
                .tables
                .insert("public.items".into(), 'd');
        },
    );
    alone("Fail subscriptions changeover: its slot is missing", |it| {
        it.old.slots.clear()
    });
    alone(
        "Fail subscriptions changeover: its slot on old has lost",
        |it| {
            it.old.slots[0].wal_status = Some("lost".into());
        },
    );
}

#[test]
fn both_directions_without_origins_are_a_loop() {
    let mut sides = replicating();
    let (publications, slots) = (sides.old.publications.clone(), sides.old.slots.clone());
    let subscriptions = sides.new.subscriptions.clone();
    sides.new.publications = publications;
    sides.new.slots = slots;
    sides.old.subscriptions = subscriptions;
    let found = faults(&sides);
    assert_eq!(
        found,
        ["Fail way back : both directions exist and feed each other in a loop"]
    );
    for side in Side::ALL {
        sides[side].server.version = 160_004;
        sides[side].subscriptions[0].origin = Some("none".into());
    }
    assert_eq!(
        faults(&sides),
        Vec::<String>::new(),
        "from version 16 on they need not"
    );
}

//! What a session with a database takes, and what those say that do not come about.

use std::{error::Error, fs, path::Path, time::Duration};

use changeover::{
    config::parse,
    plan::{DatabasePlan, Plan},
    replication::{Session, connect},
};
use tempfile::TempDir;

use crate::harness::{
    now,
    postgres::{Cluster, DATABASE, Pair},
    secure::Authority,
};

/// The databases of a configuration that names them, old's first.
fn plan(replication: &str, dir: &Path) -> Plan {
    let text = format!(
        "{replication}\n[old]\nendpoints = [\"http://127.0.0.1:1\"]\n\
         [new]\nendpoints = [\"http://127.0.0.1:1\"]\n"
    );
    let loaded = parse(&text, Path::new("test.toml"), dir).expect("it is right");
    loaded.plan
}

/// Opens a session, or says why there is none, with every cause.
fn open(database: &DatabasePlan) -> Result<i32, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let session = connect(database).await;
        let session: Session = session.map_err(|error| {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        })?;
        let rows = session.rows("look", "SELECT 1", &[]).await;
        assert_eq!(rows.expect("it answers").len(), 1);
        Ok(session.version())
    })
}

fn replication(old: &str, more: &str) -> String {
    let unused = "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable";
    format!(
        "[[replication]]\nname = \"shop\"\nkind = \"postgres\"\nold = \"{old}\"\nnew = \"{unused}\"\n{more}\n"
    )
}

fn refused(cluster: &Cluster, old: &str, more: &str, dir: &Path, expected: &str) {
    let plan = plan(&replication(old, more), dir);
    let error = open(&plan.replications[0].databases.old).expect_err("refused");
    assert!(error.contains(expected), "{error}");
    let place = format!("127.0.0.1:{}", cluster.port);
    let names_it = error.contains(&place) || error.contains("localhost");
    assert!(names_it, "the database is named: {error}");
    assert!(!error.contains("hunter2"), "a password is shown: {error}");
}

#[test]
fn two_clusters_replicate_within_seconds() {
    let began = now();
    let pair = Pair::replicating();
    println!("replicating after {:?}", now() - began);
    let plan = plan(&pair.configuration("shop"), Path::new(""));
    let databases = &plan.replications[0].databases;
    for database in [&databases.old, &databases.new] {
        let version = open(database).expect("the role may connect");
        assert!(version >= 140_000, "{version}");
    }
}

#[test]
fn a_session_that_does_not_come_about_says_why_and_never_the_password() {
    let mut cluster = Cluster::start(&[]);
    cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    cluster.shop("CREATE ROLE with_password LOGIN PASSWORD 'right hunter2'; CREATE ROLE nobody");
    let dir = TempDir::new().expect("a folder");
    fs::write(dir.path().join("right"), "right hunter2\n").expect("writable");
    fs::write(dir.path().join("wrong"), "wrong hunter2\n").expect("writable");
    let port = cluster.port;
    let user = |user: &str| cluster.url(user);

    let right = "old_password_file = \"right\"";
    let accepted = plan(&replication(&user("with_password"), right), dir.path());
    assert!(open(&accepted.replications[0].databases.old).is_ok());

    let check = |old: &str, more: &str, expected: &str| {
        refused(&cluster, old, more, dir.path(), expected);
    };
    let wrong = "old_password_file = \"wrong\"";
    check(
        &user("with_password"),
        wrong,
        "password authentication failed",
    );
    check(&user("with_password"), "", "password");
    check(&user("nobody"), "", "is not permitted to log in");
    check(&user("stranger"), "", "role \"stranger\" does not exist");
    let other = format!("postgres://postgres@127.0.0.1:{port}/other?sslmode=disable");
    check(&other, "", "database \"other\" does not exist");
    // The server has no TLS, and nothing is sent without it.
    let encrypted = format!("postgres://with_password@127.0.0.1:{port}/{DATABASE}");
    check(&encrypted, right, "server does not support TLS");

    cluster.freeze();
    let frozen = format!("{right}\nconnect_timeout = \"300ms\"");
    let began = now();
    let url = cluster.url("with_password");
    refused(
        &cluster,
        &url,
        &frozen,
        dir.path(),
        "no session within 300ms",
    );
    assert!(now() - began < Duration::from_secs(2));
    cluster.thaw();
    cluster.crash();
    refused(&cluster, &url, right, dir.path(), "Connection refused");
    cluster.restart();
    assert!(open(&accepted.replications[0].databases.old).is_ok());
}

#[test]
fn a_database_must_show_a_certificate_of_somebody_who_is_trusted() {
    let dir = TempDir::new().expect("a folder");
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    for (name, authority) in [("trusted.pem", &trusted), ("stranger.pem", &stranger)] {
        fs::write(dir.path().join(name), authority.pem()).expect("writable");
    }
    let cluster = Cluster::start_with_tls(&trusted, "localhost");
    cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let port = cluster.port;
    let named = format!("postgres://postgres@localhost:{port}/{DATABASE}");
    let accepted = plan(&replication(&named, "ca = \"trusted.pem\""), dir.path());
    open(&accepted.replications[0].databases.old).expect("it is verified");

    let unknown = "ca = \"stranger.pem\"";
    refused(
        &cluster,
        &named,
        unknown,
        dir.path(),
        "invalid peer certificate",
    );
    // The right authority, but not for this name.
    let other = format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}");
    let right = "ca = \"trusted.pem\"";
    refused(&cluster, &other, right, dir.path(), "not valid for name");
}

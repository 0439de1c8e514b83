//! `docs/replication.md`, followed literally: from two empty clusters to a satisfied gate.

use std::{process::Command, time::Duration};

use crate::harness::{
    environment::Environment,
    peers::succeeded,
    postgres::{Cluster, DATABASE},
    proxy::{Folder, Proxy, changeover, configuration},
    turn,
};

const PAGE: &str = include_str!("../../../docs/replication.md");

const WAY: &str = "From two empty clusters to a satisfied gate\n";

const LIMIT: Duration = Duration::from_secs(20);

/// The blocks in one language that follow one of the page's headings, in their order, without their indentation.
pub(super) fn blocks(heading: &str, language: &str) -> Vec<String> {
    let section = PAGE
        .split("\n## ")
        .find(|it| it.starts_with(heading))
        .expect("the page has it");
    let fence = format!("```{language}");
    let mut found: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in section.lines() {
        let text = line.strip_prefix("   ").unwrap_or(line);
        match (is_inside, text.trim()) {
            (false, opens) if opens == fence => {
                found.push(String::new());
                is_inside = true;
            }
            (true, "```") => is_inside = false,
            (true, _) => {
                let block = found.last_mut().expect("it was begun");
                block.push_str(text);
                block.push('\n');
            }
            (false, _) => (),
        }
    }
    found
}

/// What is of the page's servers, as it is of the test's.
fn here(text: &str, old: &Cluster, new: &Cluster) -> String {
    let at = |cluster: &Cluster| format!("127.0.0.1:{}", cluster.port);
    let for_psql = |cluster: &Cluster| format!("-h 127.0.0.1 -p {} ", cluster.port);
    let port = format!("host=127.0.0.1 port={}", old.port);
    [
        ("host=10.0.0.5", port.as_str()),
        ("-h 10.0.0.5 ", &for_psql(old)),
        ("-h 203.0.113.9 ", &for_psql(new)),
        (
            "@10.0.0.5/shop",
            &format!("@{}/shop?sslmode=disable", at(old)),
        ),
        (
            "@203.0.113.9/shop",
            &format!("@{}/shop?sslmode=disable", at(new)),
        ),
        // The test's servers have no certificates, and the test has no day.
        ("sslmode=verify-full sslrootcert=system", "sslmode=disable"),
        ("for = \"24h\"", "for = \"1s\""),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn the_page_leads_from_two_empty_clusters_to_a_satisfied_gate() {
    let _turn = turn();
    // Neither has its level yet, nor lets anybody but the administrator in without a password.
    let (mut old, mut new) = (Cluster::start_bare(), Cluster::start_bare());
    old.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    // Of an application, as it is of one.
    old.shop("CREATE ROLE app LOGIN; ALTER DATABASE shop OWNER TO app");
    old.shop(
        "CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL); ALTER TABLE item OWNER TO app",
    );
    old.shop("INSERT INTO item VALUES (1, 'from before')");

    let statements = blocks(WAY, "sql");
    let [level, heartbeat, on_old, on_new] = statements.as_slice() else {
        panic!("the page has other steps: {statements:?}");
    };
    for cluster in [&mut old, &mut new] {
        cluster.sql("postgres", level);
        cluster.crash();
        cluster.restart();
    }
    let [copy] = blocks(WAY, "sh")
        .try_into()
        .expect("the page has one script");
    let copy = here(&copy, &old, &new);
    succeeded(Command::new("bash").args(["-e", "-o", "pipefail", "-c", &copy]));
    for cluster in [&old, &new] {
        cluster.shop(heartbeat);
    }
    old.shop(on_old);
    new.shop(&here(on_new, &old, &new));

    let (first, second) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    folder.write("databases.password", "a long one\n");
    let [more] = blocks(WAY, "toml")
        .try_into()
        .expect("the page has one file");
    let more = here(&more, &old, &new);
    folder.write(
        "changeover.toml",
        &configuration(&first.url(), &second.url(), &more),
    );
    let proxy = Proxy::start_in(&folder);
    proxy.status_when("the gate is satisfied", LIMIT, |it| {
        it["gates"][0]["satisfied"] == true
    });
    let shown = changeover(&["status", "--admin", &format!("http://{}", proxy.admin)]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    for line in [
        "shop forward: ",
        "above 5%: forward lag of shop below 1 s: satisfied",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(new.shop("SELECT note FROM item"), "from before");
}

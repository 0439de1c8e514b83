//! `config/reference.toml` names every key that the code reads, and no other, with the defaults of the code.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path};

use toml::{Table, Value};

use super::LEAST;
use crate::config::{
    Loaded,
    document::SHAPES,
    load::parse_within,
    parse,
    reader::{Files, Surroundings},
};

const REFERENCE: &str = include_str!("../../../config/reference.toml");

/// More ways than any line of it can be written in.
const WAYS: usize = 8;

/// The reference with what is optional in it, each line in the way of this number, or in its last one. What stands there without
/// being optional is the way of other tests, and does not count.
fn whole(way: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut place, mut ways) = (0, 0);
    for line in REFERENCE.lines() {
        if let Some(other) = line.strip_prefix("#| ") {
            if ways <= way {
                other.clone_into(&mut lines[place]);
            }
            ways += 1;
            continue;
        }
        let optional = line.strip_prefix("#= ");
        if optional.is_some() || !line.starts_with('#') {
            (place, ways) = (lines.len(), usize::from(optional.is_some()));
        }
        lines.push(optional.unwrap_or(line).to_owned());
    }
    assert!(ways <= WAYS, "there are more ways than are tested");
    lines.join("\n")
}

/// Loads it in a directory that has every file it names.
fn load_whole(text: &str) -> Loaded {
    let dir = tempfile::tempdir().expect("a directory");
    let tls = dir.path().join("tls");
    fs::create_dir(&tls).expect("writable");
    let made =
        rcgen::generate_simple_self_signed([String::from("shop.test")]).expect("a certificate");
    for name in [
        "shop.pem",
        "ca.pem",
        "client.pem",
        "admin.pem",
        "operators.pem",
    ] {
        fs::write(tls.join(name), made.cert.pem()).expect("writable");
    }
    for name in ["shop.key", "client.key", "admin.key"] {
        fs::write(tls.join(name), made.signing_key.serialize_pem()).expect("writable");
    }
    fs::write(dir.path().join("force.secret"), "s".repeat(32)).expect("writable");
    for name in ["old.password", "new.password"] {
        fs::write(dir.path().join(name), "hunter2\n").expect("writable");
    }
    fs::write(dir.path().join("tsig.secret"), "c2VjcmV0\n").expect("writable");
    for name in ["dns.secret", "dns.token"] {
        fs::write(dir.path().join(name), "hunter2\n").expect("writable");
    }
    let secrets = [
        "CHANGEOVER_TSIG_SECRET",
        "CHANGEOVER_FORCE_SECRET",
        "CHANGEOVER_OLD_PASSWORD",
        "CHANGEOVER_NEW_PASSWORD",
        "CHANGEOVER_AWS_SECRET",
        "CHANGEOVER_AWS_SESSION_TOKEN",
    ];
    let environment = |name: &str| {
        secrets
            .contains(&name)
            .then(|| OsString::from("s".repeat(64)))
    };
    let surroundings = Surroundings {
        base_dir: dir.path(),
        environment: &environment,
        files: Files::Read,
    };
    match parse_within(text, Path::new("reference.toml"), surroundings) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

#[test]
fn it_holds_the_defaults() {
    let base_dir = Path::new("");
    let reference = parse(REFERENCE, Path::new("reference.toml"), base_dir);
    let least = parse(LEAST, Path::new("x.toml"), base_dir).expect("it is right");
    let reference = reference.expect("it is right");
    assert_eq!(reference.plan, least.plan);
    assert_eq!(reference.warnings, least.warnings);
}

#[test]
fn what_is_optional_in_it_loads() {
    for way in 0..WAYS {
        let plan = load_whole(&whole(way)).plan;
        assert_eq!(
            (plan.routes.len(), plan.gates.len(), plan.triggers.len()),
            (1, 1, 5)
        );
        assert!(plan.split.force.is_some());
        assert!(plan.upstreams.new.tls.client_certificate.is_some());
    }
}

#[test]
fn the_tables_that_it_shows_as_optional_hold_their_defaults() {
    let text =
        format!("{LEAST}[old.health]\npath = \"/healthz\"\n[new.health]\npath = \"/healthz\"\n");
    let few = parse(&text, Path::new("x.toml"), Path::new("")).expect("it is right");
    let shown = load_whole(&whole(0));
    for side in crate::units::Side::ALL {
        assert_eq!(
            shown.plan.upstreams[side].health,
            few.plan.upstreams[side].health
        );
    }
    let force = shown.plan.split.force.expect("it is there");
    assert_eq!(force.header.as_str(), crate::config::defaults::FORCE_HEADER);
}

#[test]
fn it_names_every_key_and_no_other() {
    let mut shown = BTreeSet::new();
    for way in 0..WAYS {
        let table: Table = whole(way).parse().expect("it is TOML");
        collect("", &table, &mut shown);
    }
    let mut read = BTreeSet::new();
    for shape in SHAPES {
        for side in ["old", "new"] {
            let path = shape.path.replace("SIDE", side);
            read.extend(
                shape
                    .keys
                    .iter()
                    .map(|key| (path.clone(), (*key).to_owned())),
            );
        }
    }
    let missing: Vec<_> = read.difference(&shown).collect();
    assert!(
        missing.is_empty(),
        "not in config/reference.toml: {missing:?}"
    );
    let unknown: Vec<_> = shown.difference(&read).collect();
    assert!(
        unknown.is_empty(),
        "only in config/reference.toml: {unknown:?}"
    );
}

fn collect(path: &str, table: &Table, keys: &mut BTreeSet<(String, String)>) {
    for (key, value) in table {
        keys.insert((path.to_owned(), key.clone()));
        let below = match path {
            "" => key.clone(),
            _ => format!("{path}.{key}"),
        };
        match value {
            Value::Table(table) => collect(&below, table, keys),
            Value::Array(array) => {
                for table in array.iter().filter_map(Value::as_table) {
                    collect(&below, table, keys);
                }
            }
            _ => (),
        }
    }
}

//! `config/reference.toml` names every key that the code reads, and no other, with the defaults of the code.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path};

use toml::{Table, Value};

use super::LEAST;
use crate::config::{Loaded, document::SHAPES, load::parse_within, parse, reader::Surroundings};

const REFERENCE: &str = include_str!("../../../config/reference.toml");

/// Which of two ways to write a line is taken.
#[derive(Clone, Copy)]
enum Alternatives {
    /// The first way, except for lines that are there already.
    First,
    /// The other one, marked `#|`.
    Other,
}

/// The reference with what is optional in it.
fn whole(alternatives: Alternatives) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut was_optional = false;
    for line in REFERENCE.lines() {
        match (line.strip_prefix("#= "), line.strip_prefix("#| ")) {
            (Some(optional), _) => {
                lines.push(optional.to_owned());
                was_optional = true;
            }
            (None, Some(other)) => match (alternatives, was_optional) {
                (Alternatives::First, true) => (),
                (Alternatives::First, false) | (Alternatives::Other, _) => {
                    lines.pop();
                    lines.push(other.to_owned());
                }
            },
            (None, None) => {
                lines.push(line.to_owned());
                was_optional = false;
            }
        }
    }
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
    let environment =
        |name: &str| (name == "CHANGEOVER_FORCE_SECRET").then(|| OsString::from("s".repeat(64)));
    let surroundings = Surroundings {
        base_dir: dir.path(),
        environment: &environment,
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
    assert_eq!(reference, parse(LEAST, Path::new("x.toml"), base_dir));
}

#[test]
fn what_is_optional_in_it_loads() {
    for alternatives in [Alternatives::First, Alternatives::Other] {
        let plan = load_whole(&whole(alternatives)).plan;
        assert_eq!(
            (plan.routes.len(), plan.gates.len(), plan.triggers.len()),
            (1, 1, 4)
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
    let shown = load_whole(&whole(Alternatives::First));
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
    for alternatives in [Alternatives::First, Alternatives::Other] {
        let table: Table = whole(alternatives).parse().expect("it is TOML");
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

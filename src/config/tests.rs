//! Whole files: right ones, wrong ones, and garbage.

mod described;
mod garbage;
mod reference;
mod right;
mod warnings;
mod wrong;

use std::{fs, path::Path};

use super::*;

/// The smallest file that says enough.
const LEAST: &str = r#"[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]
"#;

fn read(text: &str) -> Result<Loaded, Faults> {
    parse(text, Path::new("x.toml"), Path::new(""))
}

/// [`LEAST`] with sections after it, which must be right.
fn with(sections: &str) -> Loaded {
    read(&format!("{LEAST}{sections}")).expect("it is right")
}

#[test]
fn wrong_files_are_refused_with_every_fault_at_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("no-cert.pem"), "hello").expect("writable");
    fs::write(dir.path().join("short.secret"), "hunter2\n").expect("writable");
    let sections = wrong::SECTIONS.iter();
    let sections = sections.map(|(text, faults)| (format!("{LEAST}{text}\n"), *faults));
    let whole = wrong::WHOLE
        .iter()
        .map(|(text, faults)| (format!("{text}\n"), *faults));
    for (text, expected) in whole.chain(sections) {
        let faults = parse(&text, Path::new("x.toml"), dir.path()).expect_err(&text);
        let lines: Vec<String> = faults.as_slice().iter().map(ToString::to_string).collect();
        let said = lines
            .iter()
            .map(|it| it.strip_prefix("x.toml:").expect("the file's name"));
        let said = said.collect::<Vec<_>>().join("\n");
        let said = said.replace(&dir.path().display().to_string(), "DIR");
        assert_eq!(said, expected, "\n{text}");
        assert!(!said.contains("hunter2"), "a secret is shown:\n{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("/nowhere/x.toml")).expect_err("it is not there");
    assert!(error.to_string().contains("/nowhere/x.toml"), "{error}");
}

#[test]
fn a_file_that_is_no_text_is_refused_where_it_stops_being_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.toml");
    fs::write(&path, b"name = \"a\"\n# caf\xe9\n").expect("writable");
    let error = load(&path).expect_err("it is no UTF-8");
    assert!(
        error
            .to_string()
            .contains("x.toml:2:6: found bytes that are no UTF-8"),
        "{error}"
    );
}

#[test]
fn a_file_beyond_its_limit_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.toml");
    fs::write(&path, "#".repeat((1 << 20) + 1)).expect("writable");
    assert!(matches!(load(&path), Err(LoadError::Unreadable { .. })));
}

#[test]
fn wrong_arguments_are_named_all_at_once() {
    let faults = from_urls(
        "127.0.0.1:1",
        "http://b",
        Some("8080"),
        Some("0.0.0.0:9700"),
    );
    let said = faults.expect_err("three are wrong").to_string();
    let places: Vec<&str> = said.lines().filter_map(|it| it.split(':').next()).collect();
    assert_eq!(places, ["--old", "--listen", "--admin-listen"], "{said}");
    let taken = from_urls("http://a", "http://b", Some("127.0.0.1:9700"), None);
    assert!(
        taken
            .expect_err("it is taken")
            .to_string()
            .starts_with("--listen: ")
    );
}

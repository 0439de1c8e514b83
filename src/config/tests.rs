//! Whole files: right ones, wrong ones, and garbage.

use std::path::Path;

use super::*;
use crate::plan::{Sticky, Writes};

/// The smallest file that says enough.
const LEAST: &str = r#"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]
"#;

fn read(text: &str) -> Result<Loaded, Faults> {
    parse(text, Path::new("x.toml"), Path::new(""))
}

#[test]
fn two_environments_are_enough() {
    let from_file = read(LEAST).expect("it is right");
    let from_urls = from_urls("http://127.0.0.1:9001", "http://127.0.0.1:9002", None, None);
    assert_eq!(Ok(from_file), from_urls);
}

#[test]
fn the_quickstart_loads_without_a_warning_about_its_split() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/quickstart.toml");
    let loaded = load(Path::new(path)).expect("it is right");
    assert_eq!(loaded.plan.split.writes, Writes::Split);
    assert!(matches!(loaded.plan.split.sticky, Sticky::Cookie(_)));
    assert_eq!(loaded.plan.triggers.len(), 3);
    let about: Vec<&str> = loaded.warnings.iter().map(|it| it.about.as_str()).collect();
    assert_eq!(about, ["[admin]"]);
}

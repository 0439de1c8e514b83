//! Checks the shape of the source tree: who may import whom, and which modules stay pure.
//!
//! Reads `src/` as text, so it needs no build and no extra crate, runs in milliseconds, and says
//! `file:line` for every breach. `LAYERS` is the single statement of the layering.

#![expect(
    clippy::string_slice,
    reason = "the cuts are at characters found in the same text"
)]

use std::{collections::BTreeMap, env, fs, path::Path};

/// Each top-level module with the modules it may import. Earlier rows never import later rows.
const LAYERS: &[(&str, &str)] = &[
    ("units", ""),
    ("clock", "units"),
    ("plan", "units"),
    ("split", "units plan"),
    ("measure", "units plan split"),
    ("evidence", "units plan split measure"),
    ("config", "units plan evidence"),
    ("shadow", "units plan evidence"),
    ("cutover", "units plan split measure evidence shadow"),
    ("recording", "units plan split measure shadow cutover"),
    ("proxy", "units clock plan split measure shadow"),
    ("replication", "units clock plan measure"),
    ("dns", "units clock plan"),
    ("store", "units plan evidence cutover recording"),
    (
        "control",
        "units clock plan split measure evidence shadow cutover recording store",
    ),
    (
        "admin",
        "units clock plan split measure evidence shadow cutover store control",
    ),
    (
        "app",
        "units clock config plan split measure evidence shadow cutover proxy replication dns store control admin",
    ),
    (
        "demo",
        "units clock config plan split measure evidence cutover proxy replication store control admin app",
    ),
];

/// Modules that decide and never act: no sockets, files, threads, clocks, randomness or async.
const PURE: &[&str] = &[
    "units",
    "plan",
    "split",
    "measure",
    "evidence",
    "shadow",
    "cutover",
    "recording",
];

/// What a pure module may not mention.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "async fn",
    ".await",
    "std::fs",
    "std::net::Tcp",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "rand::rng",
    "println!",
];

#[test]
fn table_is_acyclic() {
    for (row, (module, allowed)) in LAYERS.iter().enumerate() {
        for name in allowed.split_whitespace().filter(|name| *name != "*") {
            let target = LAYERS.iter().position(|(other, _)| other == &name);
            assert!(
                target.is_some_and(|t| t < row),
                "{module} may import {name}, which is not above it"
            );
        }
    }
}

#[test]
fn tree_follows_the_rules() {
    let root =
        env::var("SRC_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/src").into());
    let mut files = BTreeMap::new();
    read_tree(Path::new(&root), "", &mut files);
    let mut faults = Vec::new();
    for (path, text) in &files {
        check_file(path, text, &mut faults);
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn check_file(path: &str, text: &str, faults: &mut Vec<String>) {
    if !text.starts_with("//!") {
        faults.push(format!(
            "{path}:1: starts without a `//!` line that says what the file is for"
        ));
    }
    let production = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let module = path.split(['/', '.']).next().unwrap_or_default();
    if matches!(module, "main" | "lib" | "cli") {
        return;
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        faults.push(format!("{path}: `{module}` has no row in LAYERS"));
        return;
    };
    for (number, line) in without_comments(production) {
        for target in crate_paths(&line) {
            let known =
                target == module || *allowed == "*" || allowed.split(' ').any(|it| it == target);
            if !known {
                faults.push(format!("{path}:{number}: {module} may not import {target}"));
            }
        }
        if line.contains("super::super") {
            faults.push(format!(
                "{path}:{number}: write `crate::…` instead of `super::super`"
            ));
        }
        if PURE.contains(&module) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                faults.push(format!(
                    "{path}:{number}: {module} is pure and may not use `{word}`"
                ));
            }
        }
    }
}

/// The first segments named after `crate::`, for `crate::a::b` and for `crate::{a, b::c}`.
fn crate_paths(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.push(rest),
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (at, symbol) in group.char_indices() {
                    match symbol {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => {
                            found.push(&group[start..at]);
                            start = at + 1;
                        }
                        _ => (),
                    }
                }
            }
        }
    }
    let word = |it: &str| {
        it.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(it.len())
    };
    let found = found.into_iter().map(str::trim);
    found
        .map(|it| &it[..word(it)])
        .filter(|it| !it.is_empty())
        .collect()
}

/// Lines with comments dropped and each multi-line `use` joined to the line it starts on.
fn without_comments(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        match out.last_mut().filter(|_| open) {
            Some((_, joined)) => joined.push_str(code),
            None => out.push((index + 1, code.to_owned())),
        }
        let starts_use = out
            .last()
            .is_some_and(|(_, it)| it.trim_start().starts_with("use ") || it.contains(" use "));
        open = starts_use && !code.contains(';');
    }
    out
}

fn read_tree(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let entry = entry.expect("entry is readable");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            read_tree(&entry.path(), &format!("{path}/"), files);
        } else if name.ends_with(".rs") {
            files.insert(
                path,
                fs::read_to_string(entry.path()).expect("source is UTF-8"),
            );
        }
    }
}

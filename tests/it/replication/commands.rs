//! `changeover replication …` as people run it, beside two databases.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{
    postgres::Pair,
    proxy::{Folder, configuration},
};

/// What `docs/replication.md` has the role granted for `check` and `verify`, beyond what the watch needs.
pub(super) const RIGHTS: &str = "GRANT pg_monitor, pg_read_all_data TO changeover;";

/// A configuration file that names both databases, and a place for what else a test keeps.
pub(super) fn configured(pair: &Pair) -> Folder {
    let folder = Folder::new();
    let text = configuration(
        "http://127.0.0.1:1",
        "http://127.0.0.1:1",
        &pair.configuration("shop"),
    );
    folder.write("changeover.toml", &text);
    folder
}

/// `changeover replication …` in that folder.
pub(super) fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_changeover"));
    command.arg("replication").args(arguments);
    command.args(["--config", "changeover.toml"]);
    command.current_dir(folder.path());
    command
}

/// As [`command`], run to its end: exit code, standard output, standard error.
pub(super) fn run(folder: &Folder, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(folder, arguments).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (
        status.code().expect("it ends by itself"),
        text(stdout),
        text(stderr),
    )
}

/// As [`run`], with `--json`.
pub(super) fn run_json(folder: &Folder, arguments: &[&str]) -> (i32, Value) {
    let (code, output, errors) = run(folder, &[arguments, &["--json"]].concat());
    let document = serde_json::from_str(&output);
    (
        code,
        document.unwrap_or_else(|_| panic!("{code}: {output}\n{errors}")),
    )
}

//! `replication setup --apply`: shows what is due, asks, and has the server run just that.

use std::{
    fs,
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Serialize;

use crate::{
    admin::{SetUpAnswer, SetUpStep},
    cli::{
        arguments::{Connect, Show},
        client::{Client, Method},
        exit::Failure,
        output::{self, printable},
    },
};

/// How, with `--apply`.
#[derive(Debug, Args)]
pub(super) struct With {
    /// With --apply: the role on old that may make roles and publications
    #[arg(long, value_name = "ROLE", default_value = "postgres")]
    old_user: String,
    /// With --apply: the role on new that may make roles and subscriptions
    #[arg(long, value_name = "ROLE", default_value = "postgres")]
    new_user: String,
    /// With --apply: holds that role's password, where old asks for one
    #[arg(long, value_name = "FILE", requires = "apply")]
    old_password_file: Option<PathBuf>,
    /// With --apply: holds that role's password, where new asks for one
    #[arg(long, value_name = "FILE", requires = "apply")]
    new_password_file: Option<PathBuf>,
    /// With --apply: holds the password that the servers read each other with
    #[arg(long, value_name = "FILE", requires = "apply")]
    replication_password_file: Option<PathBuf>,
    /// With --apply: consent without being asked
    #[arg(long, requires = "apply")]
    yes: bool,
    /// With --apply: go on although `replication check` finds faults
    #[arg(long, requires = "apply")]
    despite_faults: bool,
}

const PATH: &str = "/api/v1/replication/setup";
/// The server answers within 250 s.
const TIMEOUT: Duration = Duration::from_secs(270);

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    old: Login<'a>,
    new: Login<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent<'a>>,
}

#[derive(Serialize)]
struct Login<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

#[derive(Serialize)]
struct Consent<'a> {
    steps: &'a str,
    password: &'a str,
    despite_faults: bool,
}

pub(super) fn run(
    name: Option<&str>,
    with: &With,
    connect: &Connect,
    show: Show,
) -> Result<(), Failure> {
    let client = Client::new(connect)?;
    let password = |path: &Option<PathBuf>| path.as_deref().map(password).transpose();
    let passwords = (
        password(&with.old_password_file)?,
        password(&with.new_password_file)?,
        password(&with.replication_password_file)?.unwrap_or_default(),
    );
    let ask = |consent| {
        let request = Request {
            name,
            old: Login {
                user: &with.old_user,
                password: passwords.0.as_deref(),
            },
            new: Login {
                user: &with.new_user,
                password: passwords.1.as_deref(),
            },
            consent,
        };
        client.send_within::<SetUpAnswer>(Method::Post, PATH, &request, TIMEOUT)
    };
    let (text, shown) = ask(None)?;
    if shown.steps.is_empty() {
        return match show.json {
            true => output::print(&format!("{}\n", text.trim_end())),
            false => output::print("nothing is due: all of it is there\n"),
        };
    }
    // With --json only the last answer goes to standard output, so that it stays one document.
    match show.json {
        true => output::list(&steps(&shown)),
        false => output::print(&format!("{}\n", steps(&shown)))?,
    }
    if !shown.faults.is_empty() && !with.despite_faults {
        return Err(Failure::Refused(format!(
            "put right first what `replication check` finds, or say --despite-faults: {}",
            printable(&shown.faults.join("; "))
        )));
    }
    if !with.yes && !is_consented(shown.steps.len())? {
        return Err(Failure::Refused("nothing was run".into()));
    }
    let (text, ran) = ask(Some(Consent {
        steps: &shown.consent,
        password: &passwords.2,
        despite_faults: with.despite_faults,
    }))?;
    match show.json {
        true => output::print(&format!("{}\n", text.trim_end())),
        false => {
            let lines = ran.steps.iter().map(|it| format!("done: {}\n", title(it)));
            output::print(&lines.collect::<String>())
        }
    }
}

/// What is due, as people read it.
fn steps(answer: &SetUpAnswer) -> String {
    let mut lines = vec![format!("due for {}:", printable(&answer.name))];
    for (number, step) in answer.steps.iter().enumerate() {
        lines.push(String::new());
        lines.push(format!(
            "{}. {}: {}",
            number + 1,
            title(step),
            printable(&step.why)
        ));
        lines.extend(step.sql.lines().map(|it| format!("   {}", printable(it))));
        let undo = step.undo.as_ref();
        lines.extend(undo.map(|it| format!("   undo: {}", printable(it))));
    }
    lines.join("\n")
}

fn title(step: &SetUpStep) -> String {
    format!("{} on {}", printable(&step.title), step.side)
}

fn is_consented(steps: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let text = "nobody is there to be asked: say --yes to run these steps";
        return Err(Failure::Refused(text.into()));
    }
    output::complain(&format!("run these {steps} steps now? (yes/no)"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn password(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!(
            "cannot read the password in {}: {error}",
            path.display()
        ))
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

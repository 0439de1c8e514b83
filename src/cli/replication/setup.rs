//! `changeover replication setup`: the statements in their order, printed, or run by the server.

mod apply;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        arguments::{Connect, Show},
        exit::Failure,
        output,
        replication::{
            check::as_json,
            open::{Which, open},
        },
    },
    replication::{
        check::{Answer, check},
        setup::{Step, script, steps},
    },
    units::{PerSide, Side},
};

/// Print the statements that set replication up, in both directions, or have the server run those that are due
#[derive(Debug, Args)]
#[command(
    after_help = "--plan connects to both databases as the configuration says and runs nothing. --apply asks the server, \
    which writes each step into its journal before it runs it; it needs an approver's token in CHANGEOVER_TOKEN, and roles \
    that may make roles, publications and subscriptions. At the cutover itself nothing is run: --plan prints what to do then."
)]
pub(crate) struct Arguments {
    /// Print the steps for the versions found, in their order, leaving out what is there already
    #[arg(long, required_unless_present = "apply", requires = "config")]
    plan: bool,
    /// Show the steps that are due, ask, and have the server run them
    #[arg(long, conflicts_with = "plan", requires = "replication_password_file")]
    apply: bool,
    /// With --plan: the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    config: Option<PathBuf>,
    /// The replication, where the configuration has several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    apply_with: apply::With,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    fails: usize,
    steps: &'a [Step],
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.config {
        Some(config) => {
            let name = arguments.name;
            print(&Which { config, name }, arguments.show)
        }
        None => apply::run(
            arguments.name.as_deref(),
            &arguments.apply_with,
            &arguments.connect,
            arguments.show,
        ),
    }
}

fn print(which: &Which, show: Show) -> Result<(), Failure> {
    let opened = open(which)?;
    let steps = steps(&opened.catalogs, &opened.plan);
    let findings = check(&opened.catalogs);
    let fails = findings
        .iter()
        .filter(|it| it.answer == Answer::Fail)
        .count();
    if show.json {
        let document = Document {
            name: &opened.plan.name,
            fails,
            steps: &steps,
        };
        return output::print(&format!("{}\n", as_json(&document)?));
    }
    let databases = PerSide::from_fn(|side: Side| opened.sessions[side].database());
    let versions = PerSide::from_fn(|side: Side| opened.catalogs[side].server.major());
    output::print(&script(&steps, databases, versions))?;
    if fails > 0 {
        output::complain(&format!(
            "`replication check` finds {fails} faults; put them right before the first step"
        ));
    }
    Ok(())
}

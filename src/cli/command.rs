//! What can be asked, and who does it.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::{
    check, completions, demo, dns, drill, events, exit::Failure, explain, force_token, man, ramp,
    reload, replay, replication, rollback, serve, shadow, status, upgrade, watch, weight,
};

/// Moves live traffic from an old environment to a new one on evidence, and takes it back by itself.
#[derive(Debug, Parser)]
#[command(name = "changeover", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration, \
    3 refused (not allowed, or not in this state)."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which one meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    Check(check::Arguments),
    Status(status::Arguments),
    Watch(watch::Arguments),
    Events(events::Arguments),
    Explain(explain::Arguments),
    Replay(replay::Arguments),
    Ramp(ramp::Arguments),
    Weight(weight::Arguments),
    Rollback(rollback::Arguments),
    Drill(drill::Arguments),
    Shadow(shadow::Arguments),
    Reload(reload::Arguments),
    Upgrade(upgrade::Arguments),
    Replication(replication::Arguments),
    Dns(dns::Arguments),
    ForceToken(force_token::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Reads the arguments, does what they ask, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => Err(Failure::Arguments(error)),
    };
    Failure::exit(ended)
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Ramp(arguments) => ramp::run(arguments),
        Command::Weight(arguments) => weight::run(arguments),
        Command::Rollback(arguments) => rollback::run(arguments),
        Command::Drill(arguments) => drill::run(arguments),
        Command::Shadow(arguments) => shadow::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Upgrade(arguments) => upgrade::run(&arguments),
        Command::Replication(arguments) => replication::run(arguments),
        Command::Dns(arguments) => dns::run(&arguments),
        Command::ForceToken(arguments) => force_token::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// The whole command line as clap describes it, for completions, man pages and the reference.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

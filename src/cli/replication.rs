//! `changeover replication`: what stands in its way, how to set it up, and whether both sides hold the same.

mod check;
mod open;
mod setup;
mod verify;

use clap::{Args, Subcommand};

use crate::cli::exit::Failure;

/// Look at the replication of databases: what stands in its way, how to set it up, whether rows are the same
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Verify(verify::Arguments),
    Setup(setup::Arguments),
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Setup(arguments) => setup::run(arguments),
    }
}

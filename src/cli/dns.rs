//! `changeover dns`: what the servers of a zone say, orders about the names that move, and who still comes after that.

mod order;
mod show;
mod watch;

use clap::{Args, Subcommand};

use crate::{cli::exit::Failure, cutover::DnsPurpose};

/// Names in DNS: look at them, lower their TTL, move them, lead them back
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Arguments),
    /// Lower the TTL of the names, so that a move is known soon everywhere
    LowerTtl(order::LowerArguments),
    /// Move the names to new; needs a shift that is complete, and a TTL that has run out
    Move(order::Arguments),
    /// Lead the names back to where they led before the move
    Revert(order::Arguments),
    /// Restore the TTLs as they were before they were lowered
    RestoreTtl(order::Arguments),
    Watch(watch::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show(arguments) => show::run(arguments),
        Command::LowerTtl(arguments) => order::lower(arguments),
        Command::Move(arguments) => order::order(DnsPurpose::Move, arguments),
        Command::Revert(arguments) => order::order(DnsPurpose::Revert, arguments),
        Command::RestoreTtl(arguments) => order::order(DnsPurpose::RestoreTtl, arguments),
        Command::Watch(arguments) => watch::run(arguments),
    }
}

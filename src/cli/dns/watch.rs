//! `changeover dns watch`: what servers and resolvers say, and what still arrives here, live in a terminal.

mod screen;

use clap::Args;

use crate::cli::{arguments::Connect, exit::Failure, watch::live};

/// Watch servers, resolvers and what still arrives here live; q quits
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connect: Connect,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    live(&arguments.connect, "dns watch", screen::draw)
}

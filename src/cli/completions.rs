//! `changeover completions`: for shells.

use clap::Args;
use clap_complete::Shell;

use crate::cli::{command::command, exit::Failure, output};

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "changeover", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

//! `changeover check`: a configuration in words, or everything that is wrong with it.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{exit::Failure, output},
    clock, config,
};

/// Check a configuration and print the plan in words
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = config::load(&arguments.config);
    let loaded = loaded.map_err(|error| Failure::configuration(&error))?;
    output::print(&config::describe(&loaded, clock::wall()))
}

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
    /// Requests a second, on both sides together, that the times are told for
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = config::load(&arguments.config);
    let loaded = loaded.map_err(|error| Failure::configuration(&error))?;
    output::print(&config::describe(&loaded, clock::wall(), arguments.rate))
}

//! `changeover force-token`: the signed value by which a tester chooses a side.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cli::{arguments::duration, exit::Failure, output},
    clock, config, proxy,
    units::Side,
};

/// Print a header that sends a tester's requests to one side, whatever the weight
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The side
    #[arg(long)]
    side: SideArgument,
    /// How long it is valid, such as 30m or 8h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires: Duration,
    /// The configuration, which holds the secret
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SideArgument {
    Old,
    New,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = config::load(&arguments.config).map_err(|error| Failure::configuration(&error))?;
    let Some(force) = &loaded.plan.split.force else {
        return Err(Failure::Usage(format!(
            "{} has no [split.force], without which no side can be forced",
            arguments.config.display()
        )));
    };
    let side = match arguments.side {
        SideArgument::Old => Side::Old,
        SideArgument::New => Side::New,
    };
    let expires = clock::wall().after(arguments.expires);
    let token = proxy::head::force_token(&force.secret, side, expires);
    output::print(&format!("{}: {token}\n", force.header))
}

//! `changeover dns show`: what every server of the zone says, and what of it stands in the way of a move.

mod text;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tokio::runtime::Builder;

use crate::{
    cli::{arguments::Show, exit::Failure, output},
    clock, config,
    dns::look::{look, report},
};

/// Ask every server of the zone what it says, and say what stands in the way of a move; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    show: Show,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = config::load(&arguments.config);
    let loaded = loaded.map_err(|error| Failure::configuration(&error))?;
    let Some(plan) = loaded.plan.dns else {
        let file = arguments.config.display();
        return Err(Failure::Usage(format!(
            "{file} has no [dns]: it says which zone to look at"
        )));
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let seen = runtime.block_on(look(&plan));
    let seen = seen.context("failed to find the servers of the zone")?;
    let report = report(&plan, &seen, clock::wall());
    match arguments.show.json {
        true => {
            let json = serde_json::to_string_pretty(&report).context("cannot write JSON")?;
            output::print(&format!("{json}\n"))?;
        }
        false => output::print(&text::page(&report))?,
    }
    match report.fails {
        0 => Ok(()),
        1 => Err(anyhow::anyhow!("1 finding has to be put right").into()),
        fails => Err(anyhow::anyhow!("{fails} findings have to be put right").into()),
    }
}

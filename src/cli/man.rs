//! `changeover man`: manual pages, made from the command line's own description.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;
use clap_mangen::Man;

use crate::cli::{command::command, exit::Failure, output};

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write changeover.1 and a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(dir) = &arguments.dir else {
        let mut page = Vec::new();
        Man::new(command()).render(&mut page)?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let made = clap_mangen::generate_to(command(), dir);
    made.with_context(|| format!("cannot write manual pages into {}", dir.display()))?;
    Ok(())
}

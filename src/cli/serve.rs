//! `changeover serve`: the proxy, the control loop and the admin API.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::{
    app,
    cli::{
        exit::Failure,
        logging::{self, LevelFilter, LogFormat},
    },
    config::{self, LoadError, Loaded},
};

/// Serve: split the traffic, watch both sides, ramp, roll back
#[derive(Debug, Args)]
#[command(
    after_help = "CHANGEOVER_LOG filters the log on stderr, such as \"debug\". \
    SIGHUP reads the configuration and certificates again, SIGUSR2 has the program started anew and take over. SIGTERM and SIGINT drain and end with 0."
)]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_all = ["old", "new"],
        conflicts_with_all = ["old", "new", "listen", "admin_listen"]
    )]
    config: Option<PathBuf>,
    /// Without a configuration: the environment to leave, such as http://10.0.0.5:8080
    #[arg(long, value_name = "URL", requires = "new")]
    old: Option<String>,
    /// Without a configuration: the environment to move to
    #[arg(long, value_name = "URL", requires = "old")]
    new: Option<String>,
    /// Without a configuration: where clients connect
    #[arg(long, value_name = "ADDR", requires = "old")]
    listen: Option<String>,
    /// Without a configuration: where the admin API listens
    #[arg(long, value_name = "ADDR", requires = "old")]
    admin_listen: Option<String>,
    /// The journal's file, whatever the configuration says
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let predecessor = app::Predecessor::of_this_process().context("cannot take over")?;
    let loaded = match load(&arguments) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let Some(predecessor) = predecessor {
                predecessor.failed(&error.to_string());
            }
            return Err(Failure::configuration(&error));
        }
    };
    logging::start(arguments.log_format, LevelFilter::INFO)?;
    for warning in &loaded.warnings {
        tracing::warn!(about = warning.about, "{}", warning.text);
    }
    let source = move || load(&arguments);
    app::serve(loaded, &source, predecessor).map_err(|error| Failure::Failed(error.into()))
}

/// The configuration as the arguments have it.
fn load(arguments: &Arguments) -> Result<Loaded, LoadError> {
    let mut loaded = match &arguments.config {
        Some(path) => config::load(path)?,
        None => from_urls(arguments)?,
    };
    if let Some(store) = &arguments.store {
        loaded.plan.store.clone_from(store);
    }
    Ok(loaded)
}

fn from_urls(arguments: &Arguments) -> Result<Loaded, LoadError> {
    // clap lets nothing else through: both, or the file.
    let old = arguments.old.as_deref().unwrap_or_default();
    let new = arguments.new.as_deref().unwrap_or_default();
    let (listen, admin) = (
        arguments.listen.as_deref(),
        arguments.admin_listen.as_deref(),
    );
    Ok(config::from_urls(old, new, listen, admin)?)
}

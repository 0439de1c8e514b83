//! Logs: to stderr, filtered by `CHANGEOVER_LOG`.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

pub(crate) use tracing_subscriber::filter::LevelFilter;

use crate::cli::exit::Failure;

/// The variable that filters logs, such as `debug` or `changeover::control=debug,info`.
const FILTER: &str = "CHANGEOVER_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging for the rest of the process, from `level` on where the variable does not say.
pub(crate) fn start(format: LogFormat, level: LevelFilter) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_env_var(FILTER)
        .with_default_directive(level.into())
        .from_env();
    let filter = filter.map_err(|error| {
        Failure::Usage(format!("{FILTER}: {error}; expected such as \"debug\""))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // It would be told on standard error, with a panic where that cannot be written: a log that nobody can read, or that
        // is on a full disk, must not end the proxy.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::Failed(anyhow::anyhow!("cannot start logging: {error}")))
}

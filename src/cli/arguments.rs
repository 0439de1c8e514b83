//! Arguments that several commands have in common.

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// Where the server is. Its token comes from `CHANGEOVER_TOKEN` only: arguments are visible to everybody on a machine.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Connect {
    /// The admin API; CHANGEOVER_TOKEN holds the token for it
    #[arg(
        long,
        env = "CHANGEOVER_ADMIN",
        default_value = "http://127.0.0.1:9700",
        value_name = "URL"
    )]
    pub(crate) admin: String,
    /// For https://: trust the authorities in this PEM file, and no others
    #[arg(long, env = "CHANGEOVER_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// For https://: show this certificate, a PEM file with its chain
    #[arg(
        long,
        env = "CHANGEOVER_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub(crate) client_certificate: Option<PathBuf>,
    /// For https://: the key of that certificate, a PEM file
    #[arg(
        long,
        env = "CHANGEOVER_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Show {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why something is done.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reason {
    /// Why; it stands in the journal for good
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// A span of time that is not zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: Option<jiff::SignedDuration> = text.parse().ok();
    let span = span.and_then(|it| Duration::try_from(it).ok());
    let span = span.filter(|it| !it.is_zero());
    span.ok_or_else(|| "expected a time such as \"30m\" or \"8h\"".into())
}

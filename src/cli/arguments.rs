//! Arguments that several commands have in common.

use clap::Args;

/// Where the server is. Its token comes from `CHANGEOVER_TOKEN` only: arguments are visible to everybody on a machine.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connect {
    /// The admin API; CHANGEOVER_TOKEN holds the token for it
    #[arg(
        long,
        env = "CHANGEOVER_ADMIN",
        default_value = "http://127.0.0.1:9700",
        value_name = "URL"
    )]
    pub(crate) admin: String,
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

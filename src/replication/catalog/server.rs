//! The server, and the settings of the database.

use serde::Deserialize;

/// Settings and what of them is in use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Server {
    /// As `server_version_num`: 150018 is 15.18.
    pub(crate) version: u32,
    pub(crate) database: String,
    /// Who asked.
    pub(crate) role: String,
    pub(crate) in_recovery: bool,
    pub(crate) wal_level: String,
    pub(crate) slots: u32,
    pub(crate) slots_used: u32,
    pub(crate) senders: u32,
    pub(crate) senders_used: u32,
    pub(crate) apply_workers: u32,
    pub(crate) sync_workers: u32,
    pub(crate) worker_processes: u32,
    pub(crate) encoding: String,
    pub(crate) collate: String,
    pub(crate) ctype: String,
    /// `c` libc, `i` ICU, `b` built in; unknown before version 15.
    pub(crate) provider: Option<String>,
    pub(crate) locale: Option<String>,
    /// The version of the collation that indexes were built with.
    pub(crate) collation_recorded: Option<String>,
    /// The version that the operating system has now.
    pub(crate) collation_version: Option<String>,
    pub(crate) large_objects: u64,
    /// Whether the role sees other roles' sessions.
    pub(crate) sees_activity: bool,
}

impl Server {
    /// The first version whose subscriptions can tell a row of the application from one that replication wrote.
    pub(crate) const ORIGINS: u32 = 16;
    /// The first version with everything that is asked for here.
    pub(crate) const LEAST: u32 = 14;

    /// The major version.
    pub(crate) const fn major(&self) -> u32 {
        self.version / 10_000
    }
}

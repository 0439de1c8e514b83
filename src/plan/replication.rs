//! Databases that replicate from old to new, and how they are reached.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{plan::Secret, units::PerSide};

/// One database that the move carries over by replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationPlan {
    /// The name in gates, triggers, status and metrics; unique.
    pub name: String,
    /// What replicates.
    pub kind: ReplicationKind,
    /// The database on each side.
    pub databases: PerSide<DatabasePlan>,
    /// What carries changes from old to new.
    pub forward: ChannelPlan,
    /// What carries changes from new back to old, once that is set up.
    pub reverse: ChannelPlan,
}

/// What replicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationKind {
    /// Logical replication of PostgreSQL.
    Postgres,
}

/// The objects of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The publication, in the database that changes come from.
    pub publication: String,
    /// The subscription, in the database that they go to; its slot has the same name unless the subscription says otherwise.
    pub subscription: String,
}

/// One database and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePlan {
    /// A DNS name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// Its password; `None` where the server asks for none.
    pub password: Option<Secret>,
    /// Whether the connection is encrypted.
    pub encryption: DatabaseEncryption,
    /// PEM file of further trusted roots beside the system's.
    pub ca: Option<PathBuf>,
    /// For a connection, its TLS handshake and its login included.
    pub connect_timeout: Duration,
    /// For one statement; the server is told as well.
    pub statement_timeout: Duration,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseEncryption {
    /// TLS, with chain, name and expiry verified: `sslmode=verify-full`.
    Verified,
    /// None: `sslmode=disable`.
    None,
}

/// As a URL, never with the password.
impl fmt::Display for DatabasePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            database,
            user,
            ..
        } = self;
        if host.contains(':') {
            write!(f, "postgres://{user}@[{host}]:{port}/{database}")
        } else {
            write!(f, "postgres://{user}@{host}:{port}/{database}")
        }
    }
}

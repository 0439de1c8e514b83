//! The statements of a step. Passwords stay outside: a word stands in their place where statements are shown, and they are
//! put in only where statements are run.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{
    plan::{DatabaseEncryption, DatabasePlan},
    replication::{catalog::REPLICATOR, setup::statements::literal},
};

/// Stands where the password goes; nothing prints it.
pub(super) const PASSWORD: &str = "PASSWORD";
/// The first version that finds the roots of its system by itself.
const SYSTEM_ROOTS: u32 = 16;

/// Statements in their order. `Display` is for people and `psql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sql(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A statement that gives this role its password.
    Password(Whose),
    /// A literal that a subscription connects with.
    Connection(Connection),
}

/// Whose password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of the role that the watch uses, as SQL writes it.
    Watcher(String),
    /// Of the role that servers read each other as.
    Replicator,
}

/// The parts of a connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    host: String,
    port: u16,
    database: String,
    encryption: &'static str,
}

/// The passwords that statements are run with.
pub(crate) struct Passwords {
    /// What the server keeps of the watcher's, of one side; none where the configuration names no password.
    pub(crate) watcher: Option<String>,
    /// What the server keeps of the replicator's.
    pub(crate) replicator_kept: String,
    /// The replicator's itself, for connections.
    pub(crate) replicator: String,
}

impl Sql {
    /// The statements as they are run, all of them in one transaction.
    pub(crate) fn to_run(&self, passwords: &Passwords) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Password(whose) => {
                let (role, kept) = match whose {
                    Whose::Watcher(role) => (role.as_str(), passwords.watcher.as_ref()),
                    Whose::Replicator => (REPLICATOR, Some(&passwords.replicator_kept)),
                };
                kept.map(|kept| format!("ALTER ROLE {role} PASSWORD {};", literal(kept)))
                    .unwrap_or_default()
            }
            Part::Connection(connection) => connection.literal(&passwords.replicator),
        };
        self.0.iter().map(part).collect()
    }

    pub(super) fn then(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    pub(super) fn password(mut self, whose: Whose) -> Self {
        self.0.push(Part::Password(whose));
        self
    }

    pub(super) fn connection(mut self, connection: Connection) -> Self {
        self.0.push(Part::Connection(connection));
        self
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self(vec![Part::Text(text)])
    }
}

/// As `psql` takes it: it asks for passwords itself.
impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Password(Whose::Watcher(role)) => write!(f, "\\password {role}")?,
                Part::Password(Whose::Replicator) => write!(f, "\\password {REPLICATOR}")?,
                Part::Connection(connection) => f.write_str(&connection.literal(PASSWORD))?,
            }
        }
        Ok(())
    }
}

impl Serialize for Sql {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Connection {
    /// What a subscription of a server of that major version connects with.
    pub(super) fn to(database: &DatabasePlan, version: u32) -> Self {
        let encryption = match database.encryption {
            DatabaseEncryption::Verified if version >= SYSTEM_ROOTS => {
                "sslmode=verify-full sslrootcert=system"
            }
            DatabaseEncryption::Verified => {
                "sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt"
            }
            DatabaseEncryption::None => "sslmode=disable",
        };
        Self {
            host: database.host.clone(),
            port: database.port,
            database: database.database.clone(),
            encryption,
        }
    }

    /// Values are quoted as connection strings want it, the whole as SQL wants it.
    fn literal(&self, password: &str) -> String {
        let value = |it: &str| match !it.is_empty()
            && it
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "._-:/".contains(it))
        {
            true => it.to_owned(),
            false => format!("'{}'", it.replace('\\', "\\\\").replace('\'', "\\'")),
        };
        literal(&format!(
            "host={} port={} dbname={} user={REPLICATOR} password={} {}",
            value(&self.host),
            self.port,
            value(&self.database),
            value(password),
            self.encryption,
        ))
    }
}

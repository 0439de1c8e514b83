//! Reading the journal beside its writer, for the admin API.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{cutover::Entry, store::journal};

/// How long a page waits for the writer, which in WAL mode blocks readers only while it opens or recovers.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A read-only connection of its own. Calls block on the disk: use it where that is allowed.
#[derive(Clone, Debug)]
pub struct JournalReader {
    // Several requests of the admin API share one connection; the lock is held for one page.
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

/// Why a page of the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite failed.
    #[error("cannot read the journal {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// An entry cannot be understood.
    #[error("entry {seq} of the journal {} cannot be read", path.display())]
    Entry {
        /// The database.
        path: PathBuf,
        /// The entry's number.
        seq: i64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl JournalReader {
    /// Opens a journal that [`crate::store::Store::open`] has made.
    ///
    /// # Errors
    /// [`ReadError::Database`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        };
        let connection = open().map_err(|source| ReadError::Database {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            path: path.to_owned(),
        })
    }

    /// Up to `limit` entries after number `seq`, in order.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn page_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let rows = {
            // A panic elsewhere cannot have left a read-only connection in the middle of anything.
            let connection = self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            journal::rows_after(&connection, seq, limit)
        };
        let rows = rows.map_err(|source| ReadError::Database {
            path: self.path.clone(),
            source,
        })?;
        let entries = rows.into_iter().map(|(seq, text)| {
            serde_json::from_str(&text).map_err(|source| ReadError::Entry {
                path: self.path.clone(),
                seq,
                source,
            })
        });
        entries.collect()
    }
}

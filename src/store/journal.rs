//! Reading and writing the journal's rows over one connection.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::{cutover::Entry, store::Snapshot};

/// How long a statement waits for somebody else's lock. Short, since a rollback's record may stand behind it.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// The writing connection.
#[derive(Debug)]
pub(super) struct Journal {
    connection: Connection,
}

/// Why something was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// SQLite failed: the disk is full, the file read-only, another process holds its lock …
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// The entry's number is not above the journal's last one, which is another entry.
    #[error("entry {seq} would overwrite another one")]
    Conflict {
        /// The number.
        seq: u64,
    },
    /// The entry cannot be written as JSON.
    #[error("the entry cannot be serialised")]
    Serialise(#[source] serde_json::Error),
}

impl Journal {
    /// Opens the database for writing: WAL, every commit on disk before it is acknowledged.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self { connection })
    }

    pub(super) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Appends an entry; when this returns `Ok` it is on disk. Appending the last entry once more is `Ok`, so
    /// that a commit of which SQLite could not say how it ended can be tried again.
    pub(super) fn append(&self, entry: &Entry) -> Result<(), RecordError> {
        let text = serde_json::to_string(entry).map_err(RecordError::Serialise)?;
        if let Some(present) = self.text_of(entry.seq)? {
            return match present == text {
                true => Ok(()),
                false => Err(RecordError::Conflict { seq: entry.seq }),
            };
        }
        if self.last_seq()?.is_some_and(|last| last >= entry.seq) {
            return Err(RecordError::Conflict { seq: entry.seq });
        }
        self.connection.execute(
            "INSERT INTO journal (seq, at, generation, entry) VALUES (?1, ?2, ?3, ?4)",
            params![
                as_integer(entry.seq),
                entry.at.micros(),
                as_integer(entry.generation.number()),
                text
            ],
        )?;
        Ok(())
    }

    /// Makes sure that nothing of a failed commit can come back: SQLite may have written a whole transaction
    /// to the write-ahead log and failed only to sync it, and would find it there after a crash.
    pub(super) fn forget_failed(&self) {
        let truncated = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()));
        if let Err(error) = truncated {
            tracing::debug!(%error, "cannot empty the write-ahead log");
        }
    }

    /// Replaces the snapshot.
    pub(super) fn save(&self, snapshot: &Snapshot) -> Result<(), RecordError> {
        let Snapshot { progress, ledger } = snapshot;
        let text = serde_json::to_string(progress).map_err(RecordError::Serialise)?;
        let evidence = serde_json::to_string(ledger).map_err(RecordError::Serialise)?;
        self.connection.execute(
            "INSERT OR REPLACE INTO snapshot (id, seq, progress, evidence) VALUES (1, ?1, ?2, ?3)",
            params![as_integer(progress.seq), text, evidence],
        )?;
        Ok(())
    }

    /// The snapshot's texts, of the progress and of the evidence, if there is one.
    pub(super) fn snapshot(&self) -> rusqlite::Result<Option<(String, Option<String>)>> {
        let sql = "SELECT progress, evidence FROM snapshot WHERE id = 1";
        self.connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// Every entry's number and text, in order.
    pub(super) fn rows(&self) -> rusqlite::Result<Vec<(i64, String)>> {
        rows_after(&self.connection, 0, usize::MAX)
    }

    fn text_of(&self, seq: u64) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT entry FROM journal WHERE seq = ?1";
        self.connection
            .query_row(sql, [as_integer(seq)], |row| row.get(0))
            .optional()
    }

    fn last_seq(&self) -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT max(seq) FROM journal";
        let last: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(last.and_then(|it| u64::try_from(it).ok()))
    }
}

/// Up to `limit` rows after `seq`, in order.
pub(super) fn rows_after(
    connection: &Connection,
    seq: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let sql = "SELECT seq, entry FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![as_integer(seq), limit], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// SQLite's integers end at 2^63; no count of decisions comes near.
fn as_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

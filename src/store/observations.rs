//! What decisions rested on, in a database of its own beside the journal: a thread writes it, and nothing waits for it.
//!
//! ```text
//! control loop ── Row ──▶ queue ──▶ observations thread ──▶ changeover.db.observations
//! ```
//!
//! Rows come in groups, each of a keyframe and what followed it. The oldest groups go once all rows together take more than
//! they may. What cannot be written is left out: the next row is a keyframe again, which says that something is missing.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::{
    recording::{Batch, CodingError, Keyframe, Row},
    store::open::{beside, create},
};

/// Rows that wait for the thread; one comes each second. At 100,000 requests a second each takes 14 MiB of memory.
const QUEUE_MAX: usize = 4;

/// How long a statement waits for somebody who reads or takes over.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The version of the tables and of what is in their rows, kept in `user_version`.
const VERSION: i64 = 1;

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS observations (
    id    INTEGER PRIMARY KEY,
    start INTEGER NOT NULL, -- the row of the keyframe that it follows, or that it is
    body  BLOB    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS observations_start ON observations (start, id);
";

/// The control loop's end: nothing here ever waits.
#[derive(Debug)]
pub struct Observations {
    /// `None` where nothing is recorded.
    thread: Option<(SyncSender<Row>, JoinHandle<()>)>,
    fault: Arc<ArcSwapOption<String>>,
}

/// Why what was recorded cannot be read, or written.
#[derive(Debug, thiserror::Error)]
pub enum ObservationsError {
    /// SQLite failed.
    #[error("cannot use {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// There is nothing.
    #[error(
        "there is no {}: nothing was recorded beside this journal ([store] observations), or it is elsewhere",
        path.display()
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error("{} has format {found}, this binary knows {VERSION}: use the binary that wrote it", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// A row cannot be understood.
    #[error("row {id} of {} cannot be read", path.display())]
    Row {
        /// The database.
        path: PathBuf,
        /// The row's number.
        id: i64,
        /// What is wrong with it.
        #[source]
        source: CodingError,
    },
}

impl Observations {
    /// Begins to write beside the journal at `journal`, up to `max` bytes; with none of them nothing is written.
    #[must_use]
    pub fn start(journal: &Path, max: usize) -> Self {
        let fault: Arc<ArcSwapOption<String>> = Arc::default();
        let nothing = Self {
            thread: None,
            fault: Arc::clone(&fault),
        };
        let Ok(max @ 1..) = i64::try_from(max) else {
            return nothing;
        };
        let path = beside(journal, ".observations");
        let (orders, queue) = mpsc::sync_channel(QUEUE_MAX);
        let writer = Writer {
            path,
            max,
            database: None,
            fault: Arc::clone(&fault),
        };
        let started = thread::Builder::new()
            .name("observations".to_owned())
            .spawn(move || writer.run(&queue));
        match started {
            Ok(thread) => Self {
                thread: Some((orders, thread)),
                fault,
            },
            Err(error) => {
                fault.store(Some(Arc::new(error.to_string())));
                nothing
            }
        }
    }

    /// Whether anything is to be written at all.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.thread.is_some()
    }

    /// Has it written, if there is room; whether there was.
    #[must_use]
    pub fn write(&self, row: Row) -> bool {
        let thread = self.thread.as_ref();
        thread.is_some_and(|(orders, _)| orders.try_send(row).is_ok())
    }

    /// Why it is not written at present, in words.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<String>> {
        self.fault.load_full()
    }

    /// Ends the thread once what it was given is written.
    pub fn close(self) {
        let Some((orders, thread)) = self.thread else {
            return;
        };
        drop(orders);
        if thread.join().is_err() {
            tracing::error!("the thread that records what decisions rest on panicked");
        }
    }
}

struct Writer {
    path: PathBuf,
    max: i64,
    database: Option<Database>,
    fault: Arc<ArcSwapOption<String>>,
}

/// An open database.
struct Database {
    connection: Connection,
    /// The keyframe that batches follow; nothing until one is written.
    start: Option<i64>,
    /// Bytes in all rows.
    bytes: i64,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Row>) {
        while let Ok(row) = queue.recv() {
            let done = self.write(&row);
            match &done {
                Ok(()) => self.fault.store(None),
                Err(error) => {
                    let cause = error.source().map(|it| format!(": {it}"));
                    let text = format!("{error}{}", cause.unwrap_or_default());
                    let is_news = self.fault.load().as_deref() != Some(&text);
                    if is_news {
                        tracing::warn!(error = text, "what decisions rest on is not recorded");
                    }
                    self.fault.store(Some(Arc::new(text)));
                    // It begins anew with the next keyframe.
                    self.database = None;
                }
            }
        }
    }

    fn write(&mut self, row: &Row) -> Result<(), ObservationsError> {
        let failed = |source| ObservationsError::Database {
            path: self.path.clone(),
            source,
        };
        let coding = |source| ObservationsError::Row {
            path: self.path.clone(),
            id: 0,
            source,
        };
        let database = match &mut self.database {
            Some(database) => database,
            // What followed a keyframe that is not there says nothing.
            None if matches!(row, Row::Batch(_)) => return Ok(()),
            none @ None => none.insert(Database::open(&self.path)?),
        };
        match row {
            Row::Keyframe(keyframe) => {
                let body = keyframe.encode().map_err(coding)?;
                let start = database.insert(None, &body).map_err(failed)?;
                database.start = Some(start);
                database.trim(self.max, start).map_err(failed)
            }
            Row::Batch(batch) => {
                let Some(start) = database.start else {
                    return Ok(());
                };
                let body = batch.encode().map_err(coding)?;
                database.insert(Some(start), &body).map_err(failed)?;
                database.trim(self.max, start).map_err(failed)
            }
        }
    }
}

impl Database {
    /// Opens it for writing, making it if there is none. What another version wrote goes: it could not be read any more.
    fn open(path: &Path) -> Result<Self, ObservationsError> {
        let failed = |source| ObservationsError::Database {
            path: path.to_owned(),
            source,
        };
        if create(path).is_err() {
            let source = rusqlite::Error::InvalidPath(path.to_owned());
            return Err(failed(source));
        }
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A crash of the machine may lose what came last, and nothing waits for the disk.
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found != VERSION {
                connection.execute_batch(&format!(
                    "BEGIN IMMEDIATE; DROP TABLE IF EXISTS observations; {TABLE} \
                     PRAGMA user_version = {VERSION}; COMMIT"
                ))?;
            }
            let sum = "SELECT coalesce(sum(length(body)), 0) FROM observations";
            let bytes = connection.query_row(sum, [], |row| row.get(0))?;
            Ok(Self {
                connection,
                start: None,
                bytes,
            })
        };
        open().map_err(failed)
    }

    /// Inserts a row that follows the keyframe of row `start`, or one that is a keyframe.
    fn insert(&mut self, start: Option<i64>, body: &[u8]) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO observations (id, start, body) \
                   SELECT next, coalesce(?1, next), ?2 \
                   FROM (SELECT coalesce(max(id), 0) + 1 AS next FROM observations)";
        let mut statement = self.connection.prepare(sql)?;
        statement.execute(params![start, body])?;
        self.bytes += i64::try_from(body.len()).unwrap_or(i64::MAX);
        Ok(self.connection.last_insert_rowid())
    }

    /// Has the oldest groups go, but for the one of `latest`, until all rows together take no more than `max`.
    fn trim(&mut self, max: i64, latest: i64) -> rusqlite::Result<()> {
        while self.bytes > max {
            let oldest = "SELECT min(start) FROM observations WHERE start < ?1";
            let oldest: Option<i64> = self
                .connection
                .query_row(oldest, [latest], |row| row.get(0))?;
            let Some(oldest) = oldest else {
                return Ok(());
            };
            let sum = "SELECT sum(length(body)) FROM observations WHERE start = ?1";
            let gone: i64 = self.connection.query_row(sum, [oldest], |row| row.get(0))?;
            let delete = "DELETE FROM observations WHERE start = ?1";
            self.connection.execute(delete, [oldest])?;
            self.bytes -= gone;
        }
        Ok(())
    }
}

/// Gives every row to `take`, in order, until that returns `Err`. `path` is that of the journal, or of what lies beside it; either may be
/// in use.
///
/// # Errors
/// See [`ObservationsError`], and what `take` returns.
pub fn recorded<E: From<ObservationsError>>(
    path: &Path,
    mut take: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let (path, connection) = open_to_read(path)?;
    let failed = |source| ObservationsError::Database {
        path: path.clone(),
        source,
    };
    // By groups: the last words of a process may come after the first ones of the one that took over from it.
    let sql = "SELECT id, start, body FROM observations WHERE (start, id) > (?1, ?2) \
               ORDER BY start, id LIMIT 1";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut last = (0_i64, 0_i64);
    loop {
        let row = statement.query_row([last.0, last.1], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        });
        let row: Option<(i64, i64, Vec<u8>)> = row.optional().map_err(failed)?;
        let Some((id, start, body)) = row else {
            return Ok(());
        };
        let unreadable = |source| ObservationsError::Row {
            path: path.clone(),
            id,
            source,
        };
        let row = match start == id {
            true => Keyframe::decode(&body).map(|it| Row::Keyframe(Box::new(it))),
            false => Batch::decode(&body).map(Row::Batch),
        };
        take(row.map_err(unreadable)?)?;
        last = (start, id);
    }
}

/// Opens what was recorded beside a journal, or this file itself.
fn open_to_read(path: &Path) -> Result<(PathBuf, Connection), ObservationsError> {
    let open = |path: &Path| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'observations'";
        let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        Ok((connection, tables > 0, found))
    };
    let other = beside(path, ".observations");
    let path = if other.exists() { &other } else { path };
    if !path.exists() {
        return Err(ObservationsError::Missing { path: other });
    }
    let failed = |source| ObservationsError::Database {
        path: path.to_owned(),
        source,
    };
    let (connection, is_there, found) = open(path).map_err(failed)?;
    if !is_there {
        return Err(ObservationsError::Missing { path: other });
    }
    if found != VERSION {
        return Err(ObservationsError::Foreign {
            path: path.to_owned(),
            found,
        });
    }
    Ok((path.to_owned(), connection))
}

//! Opening a journal: the lock, the schema, and what was recorded.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    cutover::Entry,
    store::{
        RecordError, Snapshot,
        journal::Journal,
        lock::{Lock, LockError},
        marker::Marker,
        schema::{self, SchemaError},
    },
};

/// An open journal that belongs to this process; [`Store::start`] moves it to its thread.
#[derive(Debug)]
pub struct Store {
    pub(super) journal: Journal,
    pub(super) marker: Marker,
    /// An entry in force that the marker holds and the journal does not.
    pub(super) unrecorded: Option<Entry>,
    pub(super) snapshot: Snapshot,
    pub(super) lock: Lock,
    path: PathBuf,
}

/// What a journal held when it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// Every entry in order; one that only the marker held is the last one.
    pub entries: Vec<Entry>,
    /// The last snapshot.
    pub snapshot: Option<Snapshot>,
}

/// Why a journal cannot be opened. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns it.
    #[error(
        "the journal {} is in use by process {}: stop that one first, or give this one a [store] of its own",
        path.display(), pid.map_or_else(|| "(unknown)".to_owned(), |it| it.to_string())
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The owner.
        pid: Option<u32>,
    },
    /// A file of the store cannot be made or opened.
    #[error("cannot open {}: the directory must exist and be writable, and its disk must have room", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite cannot open, migrate or read it.
    #[error(
        "cannot use the journal {}: check that it is a journal of this program, that it can be written, and that no other program holds it",
        path.display()
    )]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A later version of this program wrote it.
    #[error(
        "the journal {} has schema {found}, this binary knows {}: use the binary that wrote it, or a later one",
        path.display(), schema::VERSION
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// An entry cannot be understood.
    #[error("entry {seq} of the journal {} cannot be read: restore the journal from a backup, or move it away to begin anew at weight 0", path.display())]
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

impl Store {
    /// Opens the journal at `path`, making it if there is none, and reads what it holds.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<(Self, Recovered), OpenError> {
        let lock = take_lock(path)?;
        create(path)?;
        let database = |source| OpenError::Database {
            path: path.to_owned(),
            source,
        };
        let mut journal = Journal::open(path).map_err(database)?;
        schema::migrate(journal.connection()).map_err(|error| match error {
            SchemaError::Newer(found) => OpenError::Newer {
                path: path.to_owned(),
                found,
            },
            SchemaError::Database(source) => database(source),
        })?;
        let mut entries = read_entries(&journal, path)?;
        let (marker, unrecorded) = open_marker(path, entries.last())?;
        entries.extend(unrecorded.clone());
        let snapshot = journal.snapshot().map_err(database)?;
        let snapshot = snapshot
            .and_then(|(progress, evidence)| Snapshot::parse(&progress, evidence.as_deref()));
        let store = Self {
            journal,
            marker,
            unrecorded,
            snapshot: snapshot.clone().unwrap_or_default(),
            lock,
            path: path.to_owned(),
        };
        Ok((store, Recovered { entries, snapshot }))
    }

    /// Records an entry at once, before the store's thread is started.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn append(&mut self, entry: &Entry) -> Result<(), RecordError> {
        if let Some(earlier) = &self.unrecorded {
            self.journal.append(earlier)?;
            self.unrecorded = None;
        }
        self.journal.append(entry)
    }

    /// Where the journal lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn take_lock(path: &Path) -> Result<Lock, OpenError> {
    let lock = beside(path, ".lock");
    Lock::take(&lock).map_err(|error| match error {
        LockError::Held(pid) => OpenError::InUse {
            path: path.to_owned(),
            pid,
        },
        LockError::Io(source) => OpenError::File { path: lock, source },
    })
}

/// Makes the database's file, readable by its owner only: it holds the assignment salt. SQLite gives the files
/// beside it the same mode.
pub(super) fn create(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })
}

fn read_entries(journal: &Journal, path: &Path) -> Result<Vec<Entry>, OpenError> {
    let rows = journal.rows().map_err(|source| OpenError::Database {
        path: path.to_owned(),
        source,
    })?;
    let entries = rows.into_iter().map(|(seq, text)| {
        serde_json::from_str(&text).map_err(|source| OpenError::Entry {
            path: path.to_owned(),
            seq,
            source,
        })
    });
    entries.collect()
}

/// Opens the marker; its entry is returned if the journal lacks it.
fn open_marker(path: &Path, last: Option<&Entry>) -> Result<(Marker, Option<Entry>), OpenError> {
    let file = beside(path, ".rollback");
    let failed = |source| OpenError::File {
        path: file.clone(),
        source,
    };
    let (marker, held) = Marker::open(&file).map_err(failed)?;
    let Some(last) = last else {
        // The marker of a journal that somebody removed must not be taken for one of the journal begun now.
        if held.is_some() {
            marker.clear().map_err(failed)?;
        }
        return Ok((marker, None));
    };
    let unrecorded = held.filter(|it| it.seq > last.seq && it.generation >= last.generation);
    Ok((marker, unrecorded))
}

/// The path with `suffix` after the file's whole name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

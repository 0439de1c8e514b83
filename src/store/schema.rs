//! The database's tables, and the way from each version of them to the next.

use rusqlite::{Connection, TransactionBehavior};

/// The version that this binary writes, kept in `user_version`.
pub(super) const VERSION: i64 = 2;

/// Migration `n` leads from version `n` to `n + 1`; as many as [`VERSION`] says.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL, -- microseconds since the Unix epoch
    generation INTEGER NOT NULL,
    entry      TEXT    NOT NULL  -- the whole entry, JSON
) STRICT;
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_never_shortened BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_only_rises BEFORE INSERT ON journal
    WHEN NEW.seq <= (SELECT max(seq) FROM journal)
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TABLE snapshot (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    seq      INTEGER NOT NULL,
    progress TEXT    NOT NULL -- JSON
) STRICT;
",
    "ALTER TABLE snapshot ADD COLUMN evidence TEXT; -- what the tests have gathered, JSON",
];

/// What a database's version means to this binary.
#[derive(Debug)]
pub(super) enum SchemaError {
    /// A later binary wrote it.
    Newer(i64),
    /// SQLite failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Brings the database to [`VERSION`], each step in one transaction. Writes nothing where it is there already.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    loop {
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(step) = usize::try_from(found)
            .ok()
            .and_then(|at| MIGRATIONS.get(at))
        else {
            return match found {
                VERSION => Ok(()),
                _ => Err(SchemaError::Newer(found)),
            };
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", found + 1)?;
        transaction.commit()?;
    }
}

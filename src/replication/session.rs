//! One open session with one database: statements with a limit on their time, and errors that say which database.

use std::time::Duration;

use thiserror::Error;
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use crate::plan::DatabasePlan;

/// The server ends a statement that takes too long; a server that says nothing at all is given this much more.
const GRACE: Duration = Duration::from_millis(500);

/// An open session. Dropping it closes the connection.
#[derive(Debug)]
pub struct Session {
    client: Client,
    database: String,
    version: i32,
    statement_timeout: Duration,
    /// Held, since the connection ends with it.
    _task: Task,
}

/// What moves a session's bytes; ends when dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a statement has no result.
#[derive(Debug, Error)]
pub enum QueryError {
    /// Neither a result nor an error in time. The session is of no use any more.
    #[error("{what} from {database}: no answer within {limit:?}")]
    TimedOut {
        /// What was to be done, such as "read the slot".
        what: &'static str,
        /// The database, without its password.
        database: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// The server refused, or is gone.
    #[error("{what} from {database}")]
    Failed {
        /// What was to be done.
        what: &'static str,
        /// The database, without its password.
        database: String,
        /// What it said.
        source: tokio_postgres::Error,
    },
}

impl Session {
    pub(super) fn new(client: Client, task: Task, plan: &DatabasePlan, version: i32) -> Self {
        Self {
            client,
            database: plan.to_string(),
            version,
            statement_timeout: plan.statement_timeout,
            _task: task,
        }
    }

    /// The rows of one statement, whose names must be qualified unless they are the system's. `what` completes
    /// "failed to … from …".
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn rows(
        &self,
        what: &'static str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, QueryError> {
        let limit = self.statement_timeout + GRACE;
        let answer = timeout(limit, self.client.query_typed(sql, parameters)).await;
        let database = || self.database.clone();
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(source)) => Err(QueryError::Failed {
                what,
                database: database(),
                source,
            }),
            Err(_elapsed) => Err(QueryError::TimedOut {
                what,
                database: database(),
                limit,
            }),
        }
    }

    /// Another limit on each statement from now on.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn limit_statements(&mut self, limit: Duration) -> Result<(), QueryError> {
        let milliseconds = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let sql = "SELECT set_config('statement_timeout', $1::int8::text, false)";
        let parameters: &[(&(dyn ToSql + Sync), Type)] = &[(&milliseconds, Type::INT8)];
        self.rows("limit statements", sql, parameters).await?;
        self.statement_timeout = limit;
        Ok(())
    }

    /// The client itself, for transactions and scripts.
    #[must_use]
    pub const fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The server's version, such as 150018.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The database as a URL without its password.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

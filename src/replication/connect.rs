//! Opening a session with a database.

use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;
use tokio_postgres::{
    Client, Config, Connection, NoTls, Socket,
    config::SslMode,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    plan::{DatabaseEncryption, DatabasePlan},
    replication::{
        Session,
        session::Task,
        trust::{self, TrustError},
    },
};

/// Who we say we are; administrators see it in `pg_stat_activity`.
const APPLICATION_NAME: &str = "changeover";

/// Names are looked up in the system's catalog only, so that nobody who may create objects can put another one in the place
/// of what is meant; and a session that is forgotten in a transaction ends by itself. A database that refuses writes of
/// applications by a default of its sessions still takes the heartbeat, which says whether all that was written has arrived.
const SETTINGS: &str =
    "SET search_path = pg_catalog; SET idle_in_transaction_session_timeout = '60s';
    SET default_transaction_read_only = off";

/// Why there is no session.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody can be trusted.
    #[error("prepare TLS towards {database}")]
    Trust {
        /// The database, without its password.
        database: String,
        /// Why.
        source: TrustError,
    },
    /// No answer in time.
    #[error("connect to {database}: no session within {limit:?}")]
    TimedOut {
        /// The database, without its password.
        database: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// Refused, by the network, the TLS handshake or the server.
    #[error("connect to {database}")]
    Refused {
        /// The database, without its password.
        database: String,
        /// What it said.
        source: tokio_postgres::Error,
    },
}

/// Opens a session, within the plan's time-out.
///
/// # Errors
/// See [`ConnectError`]; it names the database and never the password.
pub async fn connect(plan: &DatabasePlan) -> Result<Session, ConnectError> {
    let limit = plan.connect_timeout;
    let opening = Box::pin(open(plan));
    timeout(limit, opening).await.unwrap_or_else(|_elapsed| {
        Err(ConnectError::TimedOut {
            database: plan.to_string(),
            limit,
        })
    })
}

async fn open(plan: &DatabasePlan) -> Result<Session, ConnectError> {
    let refused = |source| ConnectError::Refused {
        database: plan.to_string(),
        source,
    };
    let mut config = Config::new();
    config
        .host(&plan.host)
        .port(plan.port)
        .dbname(&plan.database)
        .user(&plan.user)
        .application_name(APPLICATION_NAME)
        .connect_timeout(plan.connect_timeout);
    if let Some(password) = &plan.password {
        config.password(password.expose());
    }
    let (client, task) = match plan.encryption {
        DatabaseEncryption::Verified => {
            let trusted = trust::client_config(plan.ca.as_deref());
            let trusted = trusted.map_err(|source| ConnectError::Trust {
                database: plan.to_string(),
                source,
            })?;
            config.ssl_mode(SslMode::Require);
            login(&config, MakeRustlsConnect::new(trusted)).await
        }
        DatabaseEncryption::None => {
            config.ssl_mode(SslMode::Disable);
            login(&config, NoTls).await
        }
    }
    .map_err(refused)?;
    let statement_timeout = plan.statement_timeout;
    let milliseconds = statement_timeout.as_millis();
    let settings = format!("{SETTINGS}; SET statement_timeout = {milliseconds}");
    client.batch_execute(&settings).await.map_err(refused)?;
    let sql = "SELECT current_setting('server_version_num')::int4";
    let row = client.query_typed_one(sql, &[]).await.map_err(refused)?;
    Ok(Session::new(
        client,
        task,
        plan,
        row.try_get(0).map_err(refused)?,
    ))
}

/// Logs in. What moves the session's bytes is a task of its own from then on, which ends with the session.
async fn login<T>(config: &Config, tls: T) -> Result<(Client, Task), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection): (_, Connection<Socket, T::Stream>) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the session with a database has ended");
        }
    });
    Ok((client, Task(task)))
}

//! Asks a database for its [`Catalog`]. The statements are in `sql/`; each answers with one JSON text.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::replication::catalog::Catalog;

/// The first version that counts the failures of subscriptions.
const SUBSCRIPTION_STATISTICS: u32 = 150_000;
/// The first version whose subscriptions know origins.
const SUBSCRIPTION_ORIGIN: u32 = 160_000;

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// The database refused, or went away.
    #[error("cannot read the {part} of the database")]
    Query {
        /// What was asked for.
        part: &'static str,
        /// What came back.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The answer has another shape than the statement gives it.
    #[error("the {part} of the database came in a shape that is not understood")]
    Shape {
        /// What was asked for.
        part: &'static str,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads everything, as it stands at one moment.
pub(crate) async fn read(client: &mut Client) -> Result<Catalog, CatalogError> {
    let begin = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start();
    let snapshot = begin.await.map_err(query("catalog"))?;
    // With nothing on the path every name is shown with its schema.
    let path = snapshot.batch_execute("SET LOCAL search_path = ''");
    path.await.map_err(query("catalog"))?;
    let server: super::Server = part(&snapshot, "settings", include_str!("sql/server.sql")).await?;
    let subscriptions = include_str!("sql/subscriptions.sql")
        .replace(
            "{origin}",
            match server.version >= SUBSCRIPTION_ORIGIN {
                true => "b.suborigin",
                false => "NULL",
            },
        )
        .replace(
            "{errors}",
            match server.version >= SUBSCRIPTION_STATISTICS {
                true => {
                    "(SELECT e.apply_error_count + e.sync_error_count \
                FROM pg_stat_subscription_stats e WHERE e.subid = b.oid)"
                }
                false => "NULL",
            },
        );
    let tables: Vec<super::Table> =
        part(&snapshot, "tables", include_str!("sql/tables.sql")).await?;
    let sequences: Vec<super::Sequence> =
        part(&snapshot, "sequences", include_str!("sql/sequences.sql")).await?;
    let roles: Vec<super::Role> = part(&snapshot, "roles", include_str!("sql/roles.sql")).await?;
    let catalog = Catalog {
        extensions: part(&snapshot, "extensions", include_str!("sql/extensions.sql")).await?,
        types: part(&snapshot, "types", include_str!("sql/types.sql")).await?,
        tables: by_name(tables, |it| &it.name),
        sequences: by_name(sequences, |it| &it.name),
        objects: part(&snapshot, "objects", include_str!("sql/objects.sql")).await?,
        roles: by_name(roles, |it| &it.name),
        publications: part(
            &snapshot,
            "publications",
            include_str!("sql/publications.sql"),
        )
        .await?,
        subscriptions: part(&snapshot, "subscriptions", &subscriptions).await?,
        slots: part(&snapshot, "slots", include_str!("sql/slots.sql")).await?,
        transactions: part(
            &snapshot,
            "transactions",
            include_str!("sql/transactions.sql"),
        )
        .await?,
        heartbeat: heartbeat(&snapshot, &server.role).await?,
        server,
    };
    snapshot.commit().await.map_err(query("catalog"))?;
    Ok(catalog)
}

/// Its rows are counted only where the role may look: a table that is not there cannot be named in a statement.
async fn heartbeat(
    snapshot: &Transaction<'_>,
    role: &str,
) -> Result<Option<super::Heartbeat>, CatalogError> {
    let sql = include_str!("sql/heartbeat.sql");
    let found: Option<super::Heartbeat> = part(snapshot, "heartbeat", sql).await?;
    let Some(mut found) = found else {
        return Ok(None);
    };
    if found.readers.contains(role) {
        let sql = "SELECT count(*)::text FROM changeover.heartbeat WHERE direction IN ('forward', 'reverse')";
        found.rows = Some(part(snapshot, "heartbeat", sql).await?);
    }
    Ok(Some(found))
}

async fn part<T: DeserializeOwned>(
    snapshot: &Transaction<'_>,
    part: &'static str,
    sql: &str,
) -> Result<T, CatalogError> {
    let row = snapshot.query_one(sql, &[]).await.map_err(query(part))?;
    let text: &str = row.try_get(0).map_err(query(part))?;
    serde_json::from_str(text).map_err(|source| CatalogError::Shape { part, source })
}

fn query(part: &'static str) -> impl Fn(tokio_postgres::Error) -> CatalogError {
    move |source| CatalogError::Query { part, source }
}

fn by_name<T>(all: Vec<T>, name: impl Fn(&T) -> &String) -> BTreeMap<String, T> {
    all.into_iter().map(|it| (name(&it).clone(), it)).collect()
}

//! Single rows, looked up by their keys.

use std::collections::BTreeMap;

use tokio_postgres::{Client, types::ToSql};

use crate::replication::verify::{range::quoted, subject::Subject};

/// One version of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The transaction that wrote this version; tells versions of one side apart.
    pub(super) version: String,
    /// All columns as text, in the order of the subject.
    pub(super) values: Vec<Option<String>>,
}

/// The rows of these keys; those that are not there are missing in the answer.
pub(super) async fn look_up(
    client: &Client,
    subject: &Subject,
    keys: &[&Vec<String>],
) -> Result<BTreeMap<Vec<String>, Row>, tokio_postgres::Error> {
    let columns = 0..subject.key.len();
    let wanted: Vec<Vec<&str>> = columns
        .clone()
        .map(|column| {
            keys.iter()
                .filter_map(|key| key.get(column))
                .map(String::as_str)
                .collect()
        })
        .collect();
    let arrays = columns.clone().map(|it| format!("${}::text[]", it + 1));
    let names = columns.clone().map(|it| format!("k{it}"));
    let matches = columns.zip(&subject.key);
    let matches =
        matches.map(|(it, key)| format!("t.{} = w.k{it}::{}", quoted(&key.column), key.kind));
    let values = subject
        .columns
        .iter()
        .map(|it| format!("t.{}::text", quoted(it)));
    let sql = format!(
        "SELECT ARRAY[{key}], t.xmin::text, ARRAY[{values}] \
        FROM unnest({arrays}) AS w ({names}) JOIN ONLY {table} t ON {matches}",
        key = subject.key_as_text(),
        values = values.collect::<Vec<_>>().join(", "),
        arrays = arrays.collect::<Vec<_>>().join(", "),
        names = names.collect::<Vec<_>>().join(", "),
        table = subject.table,
        matches = matches.collect::<Vec<_>>().join(" AND "),
    );
    let parameters = wanted.iter().map(|it| it as &(dyn ToSql + Sync));
    let parameters: Vec<_> = parameters.collect();
    let rows = client.query(&sql, &parameters).await?;
    let row = |row: &tokio_postgres::Row| {
        let version = row.try_get(1)?;
        let values = row.try_get(2)?;
        Ok((row.try_get(0)?, Row { version, values }))
    };
    rows.iter().map(row).collect()
}

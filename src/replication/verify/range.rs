//! A range of a key, and what both sides say of the rows in it.

use tokio_postgres::Client;

use crate::replication::verify::subject::Subject;

/// What lies after one key, up to and with another. Without an end it goes on to the last row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: Option<Vec<String>>,
    pub(super) until: Option<Vec<String>>,
}

/// A count and a checksum that does not depend on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) rows: u64,
    checksum: [String; 2],
}

/// The next so many rows, read once: the range that they make, which is open where fewer are left, and its summary.
pub(super) async fn next(
    client: &Client,
    subject: &Subject,
    after: Option<&[String]>,
    rows: u64,
) -> Result<(Range, Summary), tokio_postgres::Error> {
    let after = after.map(<[String]>::to_vec);
    let range = Range { after, until: None };
    let (condition, values) = range.condition(subject);
    let sql = format!(
        "WITH d AS MATERIALIZED (\
            SELECT ARRAY[{shown}] AS key, {digest} AS digest, row_number() OVER (ORDER BY {key}) AS place \
            FROM ONLY {table} t WHERE {condition} ORDER BY {key} LIMIT {rows}\
        ) SELECT {summary}, (SELECT l.key FROM d l ORDER BY l.place DESC LIMIT 1) FROM d",
        shown = subject.key_as_text(),
        digest = subject.digest(),
        key = subject.key_columns(),
        table = subject.table,
        summary = summed(),
    );
    let row = client.query_one(&sql, &references(&values)).await?;
    let summary = Summary::from(&row)?;
    let until = match summary.rows >= rows {
        true => row.try_get(3)?,
        false => None,
    };
    Ok((Range { until, ..range }, summary))
}

/// Counts and sums the rows of a range, in one snapshot. No more than `most` are read: with more there it is not the same
/// as the other side's, whatever they hold. In the order of the key, so that its index is read and not the whole table.
pub(super) async fn summary(
    client: &Client,
    subject: &Subject,
    range: &Range,
    most: u64,
) -> Result<Summary, tokio_postgres::Error> {
    let (condition, values) = range.condition(subject);
    let sql = format!(
        "SELECT {summary} FROM (\
            SELECT {digest} AS digest FROM ONLY {table} t WHERE {condition} ORDER BY {key} LIMIT {most}\
        ) d",
        summary = summed(),
        digest = subject.digest(),
        table = subject.table,
        key = subject.key_columns(),
    );
    let row = client.query_one(&sql, &references(&values)).await?;
    Summary::from(&row)
}

/// A count, and the sums of both halves of the digests, so that neither the order of rows nor their number matters.
fn summed() -> String {
    let half = |from: u32| {
        format!(
            "coalesce(sum(('x' || encode(substr(d.digest, {from}, 8), 'hex'))::bit(64)::bigint), 0)::text"
        )
    };
    format!("count(*), {}, {}", half(1), half(9))
}

impl Summary {
    fn from(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
        let rows: i64 = row.try_get(0)?;
        Ok(Self {
            rows: u64::try_from(rows).unwrap_or(0),
            checksum: [row.try_get(1)?, row.try_get(2)?],
        })
    }
}

/// The keys of a range, each with the digest of its row: the first `most` of them.
pub(super) async fn digests(
    client: &Client,
    subject: &Subject,
    range: &Range,
    most: u64,
) -> Result<Vec<(Vec<String>, String)>, tokio_postgres::Error> {
    let (condition, values) = range.condition(subject);
    let sql = format!(
        "SELECT ARRAY[{shown}], encode({digest}, 'hex') \
        FROM ONLY {table} t WHERE {condition} ORDER BY {key} LIMIT {most}",
        shown = subject.key_as_text(),
        digest = subject.digest(),
        table = subject.table,
        key = subject.key_columns(),
    );
    let rows = client.query(&sql, &references(&values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

impl Range {
    /// The condition, and its values in order.
    fn condition(&self, subject: &Subject) -> (String, Vec<String>) {
        let mut values = Vec::new();
        let mut bound = |bound: &Option<Vec<String>>, sign: &str| {
            let bound = bound.as_ref()?;
            let casts = subject.key.iter().zip(bound).map(|(key, value)| {
                values.push(value.clone());
                format!("${}::text::{}", values.len(), key.kind)
            });
            let casts = casts.collect::<Vec<_>>().join(", ");
            Some(format!("({}) {sign} ({casts})", subject.key_columns()))
        };
        let bounds = [bound(&self.after, ">"), bound(&self.until, "<=")];
        let conditions: Vec<_> = bounds.into_iter().flatten().collect();
        match conditions.is_empty() {
            true => ("true".into(), values),
            false => (conditions.join(" AND "), values),
        }
    }
}

impl Subject {
    fn key_columns(&self) -> String {
        let columns = self
            .key
            .iter()
            .map(|it| format!("t.{}", quoted(&it.column)));
        columns.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn key_as_text(&self) -> String {
        let columns = self.key.iter();
        let columns = columns.map(|it| format!("t.{}::text", quoted(&it.column)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Of the whole row. UTF-8, so that databases of different encodings agree.
    fn digest(&self) -> String {
        let columns = self.columns.iter().map(|it| format!("t.{}", quoted(it)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("sha256(convert_to(ROW({columns})::text, 'UTF8'))")
    }
}

/// An identifier as SQL takes it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

type Parameter = dyn tokio_postgres::types::ToSql + Sync;

fn references(values: &[String]) -> Vec<&Parameter> {
    values.iter().map(|it| it as &Parameter).collect()
}

//! Which tables can be compared, by which columns, in ranges of which key.

use serde::Serialize;

use crate::{
    replication::{
        catalog::{Catalog, Server, Table},
        verify::Flow,
    },
    units::PerSide,
};

/// A table to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) table: String,
    pub(crate) key: Vec<Key>,
    /// All columns of the side that changes come from, in its order.
    pub(crate) columns: Vec<String>,
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) column: String,
    /// As SQL writes the type.
    pub(crate) kind: String,
}

/// A table that is not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) table: String,
    pub(crate) why: String,
}

/// A table that was asked for and is not there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no table {0:?}; name tables as \"schema.table\", or \"table\" for those in public"
)]
pub(crate) struct SubjectError(String);

/// All tables that hold rows, or those asked for: what is compared, and what is not.
pub(crate) fn subjects(
    sides: &PerSide<Catalog>,
    flow: &Flow,
    asked: &[String],
) -> Result<(Vec<Subject>, Vec<Skipped>), SubjectError> {
    let all = &sides[flow.from].tables;
    let find = |name: &String| {
        let in_public = format!("public.{name}");
        let is_meant = |it: &&Table| it.name == *name || it.name == in_public;
        let found = all.values().filter(|it| it.holds_rows()).find(is_meant);
        found.ok_or_else(|| SubjectError(name.clone()))
    };
    let tables: Vec<&Table> = match asked.is_empty() {
        true => all.values().filter(|it| it.holds_rows()).collect(),
        false => asked.iter().map(find).collect::<Result<_, _>>()?,
    };
    let mut subjects = Vec::new();
    let mut skipped = Vec::new();
    for table in tables {
        match subject(sides, flow, table) {
            Ok(subject) => subjects.push(subject),
            Err(why) => skipped.push(Skipped {
                table: table.name.clone(),
                why,
            }),
        }
    }
    Ok((subjects, skipped))
}

fn subject(sides: &PerSide<Catalog>, flow: &Flow, table: &Table) -> Result<Subject, String> {
    let (from, to) = (&sides[flow.from], &sides[flow.to]);
    let Some(there) = to.tables.get(&table.name) else {
        return Err(format!("missing on {}", flow.to));
    };
    if !there.holds_rows() {
        return Err(format!("divided into partitions on {} only", flow.to));
    }
    let states = to
        .subscriptions
        .iter()
        .flat_map(|it| it.tables.get(&table.name));
    match states.max_by_key(|state| **state != 'r') {
        None => return Err(format!("no subscription on {} takes it in", flow.to)),
        Some('r') => {}
        Some(_) => return Err("its initial copy is not finished".into()),
    }
    let mut published = from.published_for(to).into_iter();
    if published.any(|it| it.partial.contains(&table.name)) {
        return Err("its publication leaves out rows or columns".into());
    }
    if table.key.is_empty() {
        return Err("no key to divide it by".into());
    }
    let missing = table
        .columns
        .iter()
        .find(|it| there.column(&it.name).is_none());
    if let Some(missing) = missing {
        return Err(format!("column {} is missing on {}", missing.name, flow.to));
    }
    let mut key = Vec::new();
    for name in &table.key {
        let (Some(here), Some(other)) = (table.column(name), there.column(name)) else {
            return Err(format!("column {name} of its key cannot be seen"));
        };
        if here.kind != other.kind {
            return Err(format!(
                "column {name} of its key has another type on {}",
                flow.to
            ));
        }
        let sorts_alike = here.collation == other.collation
            && match here.collation.as_deref() {
                None | Some("pg_catalog.\"C\"" | "pg_catalog.\"POSIX\"") => true,
                Some("pg_catalog.\"default\"") => sort_alike(&from.server, &to.server),
                Some(_) => false,
            };
        if !sorts_alike {
            return Err(format!(
                "column {name} of its key may sort differently on {}",
                flow.to
            ));
        }
        key.push(Key {
            column: name.clone(),
            kind: here.kind.clone(),
        });
    }
    Ok(Subject {
        table: table.name.clone(),
        key,
        columns: table.columns.iter().map(|it| it.name.clone()).collect(),
    })
}

/// Whether the databases' own collation is the same, in the same version.
fn sort_alike(one: &Server, other: &Server) -> bool {
    let collation = |it: &Server| {
        (
            it.provider.clone(),
            it.collate.clone(),
            it.locale.clone(),
            it.collation_version.clone(),
            it.encoding.clone(),
        )
    };
    collation(one) == collation(other)
}

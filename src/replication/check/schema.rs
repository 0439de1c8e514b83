//! Where the schemas differ, and what that does to rows that arrive.

use std::collections::BTreeMap;

use crate::{
    replication::{
        catalog::{Catalog, Column, Constraint, Object, Table},
        check::Fault,
    },
    units::PerSide,
};

pub(super) fn extensions(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, version) in &sides.old.extensions {
        match sides.new.extensions.get(name) {
            None => faults.push(
                Fault::fail("missing on new", format!("on new: CREATE EXTENSION {name}"))
                    .about(name),
            ),
            Some(there) if there != version => faults.push(
                Fault::warn(
                    format!("version {version} on old, {there} on new"),
                    "see in its notes whether what is stored differs",
                )
                .about(name),
            ),
            Some(_) => {}
        }
    }
    faults
}

pub(super) fn types(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, old) in &sides.old.types {
        match sides.new.types.get(name) {
            None => faults.push(
                Fault::fail(format!("missing on new; old has {old}"), "create it on new")
                    .about(name),
            ),
            Some(new) if new != old => faults.push(
                Fault::fail(
                    format!("{old} on old, {new} on new"),
                    "make new's the same: a value that it lacks stops replication",
                )
                .about(name),
            ),
            Some(_) => {}
        }
    }
    faults
}

pub(super) fn tables(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, old) in &sides.old.tables {
        match sides.new.tables.get(name) {
            None => faults.push(
                Fault::fail(
                    "missing on new",
                    "create it on new: its first row stops replication",
                )
                .about(name),
            ),
            Some(new) if new.kind != old.kind => faults.push(
                Fault::warn(
                    "divided into partitions on one side only",
                    "publish with publish_via_partition_root = true",
                )
                .about(name),
            ),
            Some(_) => {}
        }
    }
    for name in sides.new.tables.keys() {
        if !sides.old.tables.contains_key(name) {
            faults.push(
                Fault::warn(
                    "only on new",
                    "what is written to it has no way back to old",
                )
                .about(name),
            );
        }
    }
    faults
}

/// The tables that both sides have.
fn pairs(sides: &PerSide<Catalog>) -> impl Iterator<Item = (&Table, &Table)> {
    let tables = sides.old.tables.iter();
    tables.filter_map(|(name, old)| Some((old, sides.new.tables.get(name)?)))
}

pub(super) fn columns(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (old, new) in pairs(sides) {
        for column in &old.columns {
            let fault = match new.column(&column.name) {
                None => Some(Fault::fail(
                    "missing on new",
                    format!(
                        "on new: ALTER TABLE {} ADD COLUMN … {}",
                        new.name, column.kind
                    ),
                )),
                Some(there) => column_differs(column, there),
            };
            faults.extend(fault.map(|it| it.about(format!("{}.{}", old.name, column.name))));
        }
        let only_new = new
            .columns
            .iter()
            .filter(|it| old.column(&it.name).is_none());
        for column in only_new {
            let is_filled =
                !column.not_null || column.default.is_some() || !column.identity.is_empty();
            let fault = match is_filled {
                true => Fault::warn(
                    "only on new",
                    "what is written to it has no way back to old",
                ),
                false => Fault::fail(
                    "only on new, NOT NULL and without default: rows of old do not fit",
                    "give it a default on new, or let it be NULL until old is gone",
                ),
            };
            faults.push(fault.about(format!("{}.{}", new.name, column.name)));
        }
    }
    faults
}

/// The worst of what differs.
fn column_differs(old: &Column, new: &Column) -> Option<Fault> {
    let or_none = |it: &Option<String>| it.clone().unwrap_or_else(|| "none".into());
    if old.kind != new.kind {
        return Some(Fault::fail(
            format!("{} on old, {} on new", old.kind, new.kind),
            "make them the same: a value that new's type does not take stops replication",
        ));
    }
    if new.not_null && !old.not_null {
        return Some(Fault::fail(
            "NOT NULL on new only: a row without it stops replication",
            "drop it on new, or fill it and set it on old first",
        ));
    }
    if old.generated != new.generated {
        return Some(Fault::fail(
            "generated on one side only",
            "make them the same: generated columns are computed, not replicated",
        ));
    }
    if old.not_null != new.not_null {
        return Some(Fault::warn(
            "NOT NULL on old only",
            "set it on new once the copy is there",
        ));
    }
    if old.default != new.default || old.identity != new.identity {
        return Some(Fault::warn(
            format!(
                "default {} on old, {} on new",
                or_none(&old.default),
                or_none(&new.default)
            ),
            "make new's the same, or its own rows will differ from old's",
        ));
    }
    (old.collation != new.collation).then(|| {
        Fault::warn(
            format!(
                "collation {} on old, {} on new",
                or_none(&old.collation),
                or_none(&new.collation)
            ),
            "make new's the same, or look at what depends on the order of text",
        )
    })
}

pub(super) fn constraints(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (old, new) in pairs(sides) {
        let about = |it: &Constraint| format!("{} {}", old.name, it.name);
        for missing in without(&old.constraints, &new.constraints, |it| &it.definition) {
            let remedy = format!(
                "on new: ALTER TABLE {} ADD {}",
                new.name, missing.definition
            );
            let fault = match missing.kind {
                'p' => Fault::fail("missing on new: updates find no row there", remedy),
                _ => Fault::warn(format!("missing on new: {}", missing.definition), remedy),
            };
            faults.push(fault.about(about(missing)));
        }
        for extra in without(&new.constraints, &old.constraints, |it| &it.definition) {
            let fault = match extra.kind {
                // Replicated rows are not held to foreign keys.
                'f' => Fault::warn(
                    format!("only on new: {}", extra.definition),
                    "rows of old may break it, and replication does not look",
                ),
                _ => Fault::fail(
                    format!(
                        "only on new: {}: a row that breaks it stops replication",
                        extra.definition
                    ),
                    format!(
                        "drop it on new, or add it on old first: ALTER TABLE {} …",
                        old.name
                    ),
                ),
            };
            faults.push(fault.about(about(extra)));
        }
    }
    faults
}

pub(super) fn indexes(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (old, new) in pairs(sides) {
        for missing in without(&old.indexes, &new.indexes, |it| &it.definition) {
            faults.push(
                Fault::warn(
                    "missing on new: queries may be slow there",
                    format!("on new: {}", missing.definition),
                )
                .about(&missing.name),
            );
        }
        let extra = without(&new.indexes, &old.indexes, |it| &it.definition);
        for extra in extra.into_iter().filter(|it| it.unique) {
            faults.push(
                Fault::fail(
                    format!(
                        "unique on new only ({}): a row that breaks it stops replication",
                        new.name
                    ),
                    "drop it on new, or create it on old first",
                )
                .about(&extra.name),
            );
        }
        for invalid in new.indexes.iter().filter(|it| !it.valid) {
            faults.push(
                Fault::warn(
                    "not valid on new: queries do not use it",
                    "REINDEX it on new",
                )
                .about(&invalid.name),
            );
        }
    }
    faults
}

/// Views, routines and what else has a text.
pub(super) fn routines(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let keyed =
        |all: &'static [&'static str], of: &'_ [Object]| -> BTreeMap<String, Option<String>> {
            let some = of.iter().filter(|it| all.contains(&it.kind.as_str()));
            some.map(|it| (format!("{} {}", it.kind, it.name), it.definition.clone()))
                .collect()
        };
    let kinds = &["view", "materialized view", "routine"];
    let (old, new) = (
        keyed(kinds, &sides.old.objects),
        keyed(kinds, &sides.new.objects),
    );
    let mut faults = Vec::new();
    for (name, definition) in &old {
        match new.get(name) {
            None => faults.push(Fault::fail("missing on new", "create it on new").about(name)),
            Some(there) if there != definition => faults.push(
                Fault::warn("its text differs", "compare both; make new's the same").about(name),
            ),
            Some(_) => {}
        }
    }
    faults
}

/// What of `all` has no equal in `others`.
fn without<'a, T>(all: &'a [T], others: &[T], by: impl Fn(&T) -> &String) -> Vec<&'a T> {
    let has_equal = |it: &T| others.iter().any(|other| by(other) == by(it));
    all.iter().filter(|it| !has_equal(it)).collect()
}

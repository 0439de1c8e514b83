//! Rows that would not be replicated, or whose changes would not.

use crate::{
    replication::{
        catalog::{Catalog, Table},
        check::Fault,
    },
    units::{PerSide, Side},
};

pub(super) fn replica_identity(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, old) in &sides.old.tables {
        let on = |table: &Table| table.holds_rows() && table.is_logged() && !is_identified(table);
        let new = sides.new.tables.get(name);
        // Where new lacks the very key that old has, the constraints say so.
        let sides_without = match (on(old), new.is_some_and(on)) {
            (true, _) => "UPDATE and DELETE fail on old as soon as it is published",
            (false, true) if new.is_some_and(|it| !it.key.is_empty()) => {
                "on new: UPDATE and DELETE fail there once the way back is set up"
            }
            (false, _) => continue,
        };
        faults.push(
            Fault::fail(
                format!("rows have no identity: {sides_without}"),
                format!("ALTER TABLE {name} ADD PRIMARY KEY (…), or REPLICA IDENTITY FULL if it is small"),
            )
            .about(name),
        );
    }
    let full = sides
        .old
        .tables
        .values()
        .filter(|it| it.holds_rows() && it.replica_identity == 'f');
    for table in full.filter(|it| it.key.is_empty()) {
        faults.push(
            Fault::warn(
                "rows are identified by all of their columns: each change reads the whole table on new",
                format!("ALTER TABLE {} ADD PRIMARY KEY (…) if it is large", table.name),
            )
            .about(&table.name),
        );
    }
    faults
}

const fn is_identified(table: &Table) -> bool {
    match table.replica_identity {
        'f' => true,
        'n' => false,
        _ => !table.key.is_empty(),
    }
}

pub(super) fn unlogged(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let tables = sides
        .old
        .tables
        .values()
        .filter(|it| it.holds_rows() && !it.is_logged());
    let fault = |table: &Table| {
        Fault::fail(
            "unlogged: its rows are not replicated",
            format!(
                "ALTER TABLE {} SET LOGGED, or copy it at the cutover by other means",
                table.name
            ),
        )
        .about(&table.name)
    };
    tables.map(fault).collect()
}

pub(super) fn not_replicated(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let count = sides[side].server.large_objects;
        // New may hold a copy of old's already; the way back would not carry on from there.
        if count > 0 && (side == Side::Old || sides.old.server.large_objects == 0) {
            faults.push(Fault::fail(
                format!("{side} has {count} large objects, which are not replicated"),
                "move them into bytea columns, or copy them at the cutover while writes are held",
            ));
        }
    }
    for object in &sides.old.objects {
        let fault = match object.kind.as_str() {
            "foreign table" => Fault::warn(
                "a foreign table: its rows lie elsewhere and are not replicated",
                "make sure that new reaches the same server",
            ),
            "materialized view" => Fault::warn(
                "a materialized view: its rows are not replicated",
                format!(
                    "on new, after the copy: REFRESH MATERIALIZED VIEW {}",
                    object.name
                ),
            ),
            _ => continue,
        };
        faults.push(fault.about(&object.name));
    }
    faults
}

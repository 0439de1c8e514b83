//! Single statements, with everything in them quoted as SQL wants it.

use crate::replication::{
    catalog::{Catalog, REPLICATOR, Table},
    setup::sql::{Sql, Whose},
};

/// Numbers that a sequence skips at the cutover, for what was drawn and not yet seen.
const MARGIN: u32 = 1000;

/// A text as SQL takes it.
pub(super) fn literal(text: &str) -> String {
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

/// An identifier as SQL takes it.
pub(super) fn identifier(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_lowercase() || it == '_';
    let goes_on = |it: char| is_plain(it) || it.is_ascii_digit();
    let is_word = name.starts_with(is_plain) && name.chars().all(goes_on);
    match is_word && !RESERVED.contains(&name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// The tables that a publication names: those that hold rows, and of divided ones only the top.
pub(super) fn published(catalog: &Catalog) -> Vec<&Table> {
    let tables = catalog.tables.values();
    tables
        .filter(|it| it.is_logged() && it.root.is_none())
        .collect()
}

/// The role that the watch uses.
pub(super) fn watcher(role: &str) -> Sql {
    let role = identifier(role);
    Sql::from(format!("CREATE ROLE {role} LOGIN;\n")).password(Whose::Watcher(role))
}

/// The role for replication.
pub(super) fn replicator() -> Sql {
    Sql::from(format!("CREATE ROLE {REPLICATOR} LOGIN REPLICATION;\n")).password(Whose::Replicator)
}

/// What it may read, which the first copy needs.
pub(super) fn readable(catalog: &Catalog) -> String {
    let schemas = catalog.objects.iter().filter(|it| it.kind == "schema");
    let schemas = schemas.map(|it| it.name.as_str()).chain(["changeover"]);
    let schemas = schemas.collect::<Vec<_>>().join(", ");
    format!(
        "GRANT USAGE ON SCHEMA {schemas} TO {REPLICATOR};\n\
        GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO {REPLICATOR};"
    )
}

/// The heartbeat: one row for each direction.
pub(super) fn heartbeat(role: &str, rows: bool) -> String {
    let role = identifier(role);
    let table = format!(
        "CREATE SCHEMA IF NOT EXISTS changeover;\n\
        CREATE TABLE IF NOT EXISTS changeover.heartbeat \
        (direction text PRIMARY KEY, beat_at timestamptz NOT NULL);\n\
        GRANT USAGE ON SCHEMA changeover TO {role};\n\
        GRANT SELECT, UPDATE ON changeover.heartbeat TO {role};"
    );
    match rows {
        true => format!(
            "{table}\nINSERT INTO changeover.heartbeat VALUES \
            ('forward', clock_timestamp()), ('reverse', clock_timestamp()) ON CONFLICT DO NOTHING;"
        ),
        false => table,
    }
}

/// For a session that has to write on a side that is fenced.
pub(super) const UNFENCED: &str = "SET default_transaction_read_only = off;";

/// The fence: nobody but replication and the watch gets in, and who does, does not write by mistake.
pub(super) fn fence(catalog: &Catalog, role: &str) -> String {
    let database = identifier(&catalog.server.database);
    let (role_name, role) = (literal(role), identifier(role));
    let revoked = who_connects(catalog).join(", ");
    format!(
        "{UNFENCED}\n\
        GRANT CONNECT ON DATABASE {database} TO {role}, {REPLICATOR};\n\
        REVOKE CONNECT ON DATABASE {database} FROM {revoked};\n\
        ALTER DATABASE {database} SET default_transaction_read_only = on;\n\
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity\n\
        \x20 WHERE datname = current_database() AND backend_type = 'client backend'\n\
        \x20   AND pid <> pg_backend_pid() AND usename NOT IN ({role_name}, '{REPLICATOR}');"
    )
}

/// Takes the fence away.
pub(super) fn unfence(catalog: &Catalog) -> String {
    let database = identifier(&catalog.server.database);
    let granted = who_connects(catalog).join(", ");
    format!(
        "{UNFENCED} \
        ALTER DATABASE {database} RESET default_transaction_read_only; \
        GRANT CONNECT ON DATABASE {database} TO {granted};"
    )
}

/// Whom connecting is granted to, our own roles aside.
fn who_connects(catalog: &Catalog) -> Vec<String> {
    let database = catalog.objects.iter().find(|it| it.kind == "database");
    let grants = database.into_iter().flat_map(|it| &it.grants);
    let grantees = grants
        .filter(|it| it.privilege == "CONNECT")
        .map(|it| it.grantee.as_str());
    let ours = [REPLICATOR, catalog.server.role.as_str()];
    let mut found: Vec<_> = grantees
        .filter(|it| !ours.contains(it))
        .map(|it| match it {
            "PUBLIC" => it.to_owned(),
            name => identifier(name),
        })
        .collect();
    if found.is_empty() {
        found.push("PUBLIC".into());
    }
    found
}

/// Prints the statements that set the other side's sequences past this one's.
pub(super) fn sequences() -> String {
    format!(
        "SELECT format('SELECT setval(%L, %s);', format('%I.%I', schemaname, sequencename),\n\
        \x20   CASE WHEN increment_by > 0\n\
        \x20     THEN least(last_value::numeric + {MARGIN} * increment_by, max_value)\n\
        \x20     ELSE greatest(last_value::numeric + {MARGIN} * increment_by, min_value) END)\n\
        \x20 FROM pg_sequences WHERE last_value IS NOT NULL AND schemaname <> 'changeover';"
    )
}

/// Words that are no names unless they are quoted.
#[rustfmt::skip]
const RESERVED: [&str; 103] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both", "case",
    "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "default",
    "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from",
    "full", "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join",
    "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "natural", "none", "not", "notnull",
    "null", "offset", "on", "only", "or", "order", "outer", "overlaps", "placing", "primary", "public", "references",
    "returning", "right", "select", "session_user", "similar", "some", "symmetric", "system_user", "table", "tablesample",
    "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where", "window",
    "with",
];

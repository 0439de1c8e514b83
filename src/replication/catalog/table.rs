//! A table: its columns, what restricts its rows, and what happens when they change.

use serde::Deserialize;

/// A table or a partitioned table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// `r` holds rows, `p` is divided into partitions.
    pub(crate) kind: char,
    /// `p` permanent, `u` unlogged.
    pub(crate) persistence: char,
    /// `d` primary key, `i` an index, `f` the full row, `n` nothing.
    pub(crate) replica_identity: char,
    /// The planner's estimate; below 0 where there is none.
    pub(crate) rows: i64,
    /// Of a partition: the table at the top.
    pub(crate) root: Option<String>,
    /// Columns of the primary key, or of the index that identifies rows; none: there is neither.
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) constraints: Vec<Constraint>,
    /// Indexes that belong to no constraint.
    pub(crate) indexes: Vec<Index>,
    pub(crate) triggers: Vec<Trigger>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    pub(crate) generated: bool,
    /// `a` always, `d` by default, empty: none.
    pub(crate) identity: String,
    pub(crate) collation: Option<String>,
}

/// A constraint, told by what it demands rather than by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    /// `p` primary key, `u` unique, `c` check, `f` foreign key, `x` exclusion.
    pub(crate) kind: char,
    pub(crate) definition: String,
}

/// An index, told by what it holds rather than by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) valid: bool,
    pub(crate) definition: String,
}

/// A trigger of the application's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) name: String,
    /// `O` for sessions of applications, `R` for replication only, `A` for both, `D` for nobody.
    pub(crate) enabled: char,
    pub(crate) definition: String,
}

impl Table {
    /// Whether it holds rows of its own.
    pub(crate) const fn holds_rows(&self) -> bool {
        self.kind == 'r'
    }

    /// Whether its changes reach the write-ahead log.
    pub(crate) const fn is_logged(&self) -> bool {
        self.persistence == 'p'
    }

    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|it| it.name == name)
    }
}

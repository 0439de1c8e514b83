//! How far a comparison has come and what it has found; kept in a file, so that it can go on after it was stopped.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::units::Side;

/// Everything there is to know of an unfinished comparison. Keys of differing rows are in it, so the file is its owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    version: u32,
    /// The replication, as the configuration names it.
    pub(crate) name: String,
    pub(crate) from: Side,
    pub(crate) tables: BTreeMap<String, TableProgress>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableProgress {
    /// The last key that is compared.
    pub(crate) after: Option<Vec<String>>,
    pub(crate) is_done: bool,
    /// Rows compared, of the side that changes come from.
    pub(crate) rows: u64,
    /// The position that the other side had passed when the last range was read there.
    pub(crate) position: Option<String>,
    pub(crate) differences: Vec<Difference>,
    /// Keys of rows that never stood still while they were looked at.
    pub(crate) unsettled: Vec<Vec<String>>,
    /// Differences were so many that the rest was not looked at.
    pub(crate) is_cut: bool,
}

/// One row that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    /// The key, column by column.
    pub(crate) key: BTreeMap<String, String>,
    pub(crate) kind: Kind,
    /// The columns that differ, where both sides have the row.
    pub(crate) columns: Vec<String>,
    /// The values of these columns; only where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<Values>,
}

/// What both sides hold in the columns that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Values {
    pub(crate) old: BTreeMap<String, Option<String>>,
    pub(crate) new: BTreeMap<String, Option<String>>,
}

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Both have it, with different content.
    Differs,
    OnlyOnOld,
    OnlyOnNew,
}

/// Why progress cannot be kept or taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgressError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} holds no progress of `replication verify`; name another file, or remove it", path.display())]
    Shape {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "{} holds the progress of another comparison ({found}, not {expected}); name another file, or remove it",
        path.display()
    )]
    Other {
        path: PathBuf,
        found: String,
        expected: String,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Progress {
    const VERSION: u32 = 1;

    pub(crate) fn new(name: &str, from: Side) -> Self {
        Self {
            version: Self::VERSION,
            name: name.to_owned(),
            from,
            tables: BTreeMap::new(),
        }
    }

    /// What an earlier run has left in the file; a new beginning where there is none.
    pub(crate) fn load(path: &Path, name: &str, from: Side) -> Result<Self, ProgressError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::new(name, from));
            }
            Err(source) => {
                let path = path.to_owned();
                return Err(ProgressError::Read { path, source });
            }
        };
        let found: Self = serde_json::from_str(&text).map_err(|source| ProgressError::Shape {
            path: path.to_owned(),
            source,
        })?;
        let described = |version: u32, name: &str, from: Side| {
            format!("format {version}, {name:?}, changes from {from}")
        };
        let expected = described(Self::VERSION, name, from);
        let found_text = described(found.version, &found.name, found.from);
        match found_text == expected {
            true => Ok(found),
            false => Err(ProgressError::Other {
                path: path.to_owned(),
                found: found_text,
                expected,
            }),
        }
    }

    /// Replaces the file as a whole; a run that is stopped meanwhile leaves the former one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ProgressError> {
        let write = || -> io::Result<()> {
            let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
            let mut file =
                tempfile::NamedTempFile::new_in(parent.unwrap_or_else(|| Path::new(".")))?;
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|it| it.error)?;
            Ok(())
        };
        write().map_err(|source| ProgressError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_taken_up_again_by_the_same_comparison_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("progress");
        let mut progress = Progress::load(&path, "shop", Side::Old).expect("a beginning");
        assert!(progress.tables.is_empty());
        let table = TableProgress {
            after: Some(vec!["17".into()]),
            rows: 17,
            ..TableProgress::default()
        };
        progress.tables.insert("public.orders".into(), table);
        progress.save(&path).expect("it is written");
        let again = Progress::load(&path, "shop", Side::Old).expect("it is read");
        assert_eq!(again, progress);
        let other = Progress::load(&path, "shop", Side::New).expect_err("another direction");
        assert!(other.to_string().contains("another comparison"), "{other}");
        fs::write(&path, "{}").expect("it is written");
        let other = Progress::load(&path, "shop", Side::Old).expect_err("no progress");
        assert!(other.to_string().contains("holds no progress"), "{other}");
    }
}

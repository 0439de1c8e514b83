//! What is wrong with a configuration, and where.

use std::{fmt, io, path::PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub complaint: Complaint,
}

/// What was found, what was expected, and what to do about it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is there.
    pub found: String,
    /// What belongs there.
    pub expected: String,
    /// What to do, such as the nearest valid word.
    pub remedy: Option<String>,
}

/// Where a fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file; lines and columns (in characters) count from 1.
    File {
        /// The file, as it was named to us.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an argument of the command line, such as `--old`.
    Argument(&'static str),
}

/// Everything that is wrong with a configuration: at least one fault, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// Why a configuration file gives no plan.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file was read and is wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

impl Complaint {
    /// A complaint without a remedy.
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
            remedy: None,
        }
    }

    /// The same with what to do about it.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// The same with what to do about it, if that is known.
    pub(super) fn maybe(self, remedy: Option<String>) -> Self {
        Self { remedy, ..self }
    }
}

impl Faults {
    /// Sorts the faults by their place. `None` if there are none.
    pub(super) fn new(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by_key(|fault| match fault.place {
            Place::File { line, column, .. } => (line, column),
            Place::Argument(_) => (0, 0),
        });
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The faults in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => {
                write!(f, "{}:{line}:{column}", file.display())
            }
            Self::Argument(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, expected {}", self.found, self.expected)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.complaint)
    }
}

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

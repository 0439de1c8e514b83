//! How a command ends: what is said about it, and the exit code. The one place that maps the one to the other.

use std::{fmt, io, process::ExitCode};

use crate::{cli::output, config::LoadError};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// clap's own: wrong arguments, and also help and version, which are no failures.
    Arguments(clap::Error),
    /// Wrong usage; the text says what, where, and what was expected.
    Usage(String),
    /// A wrong configuration: lines that begin with their place.
    Configuration(String),
    /// Not allowed, or not in this state.
    Refused(String),
    /// It went wrong.
    Failed(anyhow::Error),
    /// Whoever read our output has seen enough.
    ClosedPipe,
}

impl Failure {
    /// The exit code of a command that ended so.
    pub(crate) fn exit(ended: Result<(), Self>) -> ExitCode {
        let Err(failure) = ended else {
            return ExitCode::SUCCESS;
        };
        match &failure {
            // Nothing can be done about an output that cannot be written.
            Self::Arguments(error) => drop(error.print()),
            Self::Usage(_) | Self::Refused(_) | Self::Failed(_) => {
                output::complain(&failure.to_string());
            }
            Self::Configuration(faults) => output::list(faults),
            Self::ClosedPipe => {}
        }
        ExitCode::from(failure.code())
    }

    /// A configuration file that gives no plan.
    pub(crate) fn configuration(error: &LoadError) -> Self {
        match error {
            LoadError::Unreadable { path, source } => Self::Usage(format!(
                "cannot read the configuration {}: {source}",
                path.display()
            )),
            LoadError::Faults(faults) => Self::Configuration(faults.to_string()),
        }
    }

    /// 0 done, 1 failed, 2 bad usage or configuration, 3 refused.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Arguments(error) if error.use_stderr() => 2,
            Self::Arguments(_) | Self::ClosedPipe => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Configuration(_) => 2,
            Self::Refused(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => error.fmt(f),
            Self::Usage(text) | Self::Configuration(text) => f.write_str(text),
            Self::Refused(text) => write!(f, "refused: {text}"),
            Self::Failed(error) => write!(f, "{error:#}"),
            Self::ClosedPipe => f.write_str("nobody reads the output"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Only for our own output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Failed(anyhow::Error::new(error).context("cannot write the output")),
        }
    }
}

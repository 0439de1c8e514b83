//! From a file, or its text, to a plan with its warnings.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::Path,
};

use toml::de::DeTable;

use crate::{
    config::{
        document,
        fault::{Complaint, Faults, LoadError},
        file,
        reader::{Files, Reader, Surroundings},
        syntax,
        warning::{self, Warning},
    },
    plan::Plan,
};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub plan: Plan,
    /// The file as it was written, or as one would be that says the same; without the digests of tokens.
    pub text: String,
    /// What may not be what was meant.
    pub warnings: Vec<Warning>,
}

/// No configuration written by people is longer.
const LONGEST: u64 = 1 << 20;

/// Reads a configuration file. Relative paths in it start from its own directory.
///
/// # Errors
/// See [`LoadError`].
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let unreadable = |source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = content(path).map_err(unreadable)?;
    let base_dir = path.parent().unwrap_or_else(|| Path::new(""));
    match String::from_utf8(bytes) {
        Ok(text) => Ok(parse(&text, path, base_dir)?),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let reader = Reader::new(path, &text, surroundings(base_dir, &environment));
            reader.note(
                valid,
                Complaint::new("bytes that are no UTF-8", "UTF-8 text"),
            );
            let faults = Faults::new(reader.into_faults());
            Err(faults.expect("one fault was noted just before").into())
        }
    }
}

/// Reads the text of a configuration file that faults call `file_name`; relative paths in it start from `base_dir`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(text: &str, file_name: &Path, base_dir: &Path) -> Result<Loaded, Faults> {
    parse_within(text, file_name, surroundings(base_dir, &environment))
}

/// Reads a configuration that was in force elsewhere: with stand-ins for its certificates and secrets, which no decision
/// depends on and which are not kept.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse_recorded(text: &str) -> Result<Loaded, Faults> {
    let surroundings = Surroundings {
        base_dir: Path::new(""),
        environment: &|_name| Some(OsString::from(file::STAND_IN)),
        files: Files::StoodInFor,
    };
    parse_within(text, Path::new("recorded.toml"), surroundings)
}

pub(super) fn parse_within(
    text: &str,
    file_name: &Path,
    surroundings: Surroundings<'_>,
) -> Result<Loaded, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let reader = Reader::new(file_name, text, surroundings);
    let is_readable = syntax::note(&reader, &errors);
    let plan = match is_readable {
        true => document::read(&reader, table.get_ref()),
        false => None,
    };
    match (Faults::new(reader.into_faults()), plan) {
        (None, Some(plan)) => Ok(Loaded {
            warnings: warning::of(&plan),
            plan,
            text: without_digests(text),
        }),
        (faults, _) => Err(faults.expect("whatever keeps a plan from being read is noted")),
    }
}

/// The text with a number in the place of each digest in hexadecimal digits: no decision depends on one.
fn without_digests(text: &str) -> String {
    const DIGITS: usize = 64;
    let mut shown = String::with_capacity(text.len());
    let mut digests = 0_usize;
    for part in text.split_inclusive(|it: char| !it.is_ascii_hexdigit()) {
        let digits = part.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
        if digits.len() == DIGITS {
            digests += 1;
            let number = digests.to_string();
            shown.extend(std::iter::repeat_n('0', DIGITS - number.len()));
            shown.push_str(&number);
            shown.push_str(part.trim_start_matches(digits));
        } else {
            shown.push_str(part);
        }
    }
    shown
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= LONGEST => Ok(bytes),
        _ => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1MiB",
        )),
    }
}

fn surroundings<'t>(
    base_dir: &'t Path,
    environment: &'t dyn Fn(&str) -> Option<OsString>,
) -> Surroundings<'t> {
    Surroundings {
        base_dir,
        environment,
        files: Files::Read,
    }
}

fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}

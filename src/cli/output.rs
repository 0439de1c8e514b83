//! Writing to stdout and stderr without a panic when nobody reads.

use std::io::{self, Write};

use crate::cli::exit::Failure;

/// Writes to stdout at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Writes one message to stderr, under the program's name.
pub(crate) fn complain(text: &str) {
    // There is nobody left to tell if this fails.
    drop(writeln!(io::stderr().lock(), "changeover: {text}"));
}

/// Writes lines to stderr as they are, so that editors find the places that they begin with.
pub(crate) fn list(lines: &str) {
    drop(writeln!(io::stderr().lock(), "{lines}"));
}

/// Removes what could steer a terminal: text of journals and servers is shown, never obeyed.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    text.chars().map(shown).collect()
}

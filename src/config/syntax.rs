//! What is no TOML at all, told like any other fault.

use toml::de::Error;

use crate::config::{fault::Complaint, reader::Reader, scalar::quoted};

/// What the parser says of a key that stands twice in one table.
const DUPLICATE: &str = "duplicate key";

/// Notes every syntax error, one a line: what follows in a broken line is only its echo. Says whether the tree that
/// was read in spite of them is worth checking: a key that stands twice damages nothing else.
pub(super) fn note(reader: &Reader<'_>, errors: &[Error]) -> bool {
    let mut noted = Vec::new();
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let line = reader.line(offset);
        if !noted.contains(&line) {
            noted.push(line);
            reader.note(offset, complaint(reader, error));
        }
    }
    errors.iter().all(|it| it.message() == DUPLICATE)
}

/// Never shows the text at the error, which may be an unquoted secret.
fn complaint(reader: &Reader<'_>, error: &Error) -> Complaint {
    let message = error.message();
    if message == DUPLICATE {
        let key = error
            .span()
            .and_then(|span| reader.text.get(span))
            .unwrap_or_default();
        let found = format!("the key {} for the second time", quoted(key));
        return Complaint::new(found, "each key once in a table");
    }
    let (found, expected) = match message.split_once(", expected ") {
        Some((found, expected)) => (found, expected),
        None => (message, "valid TOML"),
    };
    let complaint = Complaint::new(format!("{found} (no valid TOML)"), expected);
    // A bare word reads as a boolean gone wrong.
    match ["boolean", "string", "quote"]
        .iter()
        .any(|it| found.contains(it))
    {
        true => complaint.remedy("texts stand in quotes"),
        false => complaint,
    }
}

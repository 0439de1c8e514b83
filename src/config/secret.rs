//! Secrets: they stand in a file or an environment variable, never in the configuration, and are never shown.

use toml::de::DeValue;

use crate::config::{
    fault::Complaint,
    file,
    reader::{Section, Value},
};

/// The two keys of a section that may name one secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// Names a file.
    pub(super) file: &'static str,
    /// Names an environment variable.
    pub(super) environment: &'static str,
}

/// The secret that one of the two keys names, and which one; `None` without either, and where it cannot be had.
pub(super) fn read(section: &Section<'_>, keys: Keys) -> Option<(Vec<u8>, &'static str)> {
    let Keys {
        file: from_file,
        environment,
    } = keys;
    match (section.has(from_file), section.has(environment)) {
        (true, false) => {
            let secret = section.get(from_file, file::secret)?;
            Some((trimmed(secret), from_file))
        }
        (false, true) => {
            let secret = section.get(environment, from_environment)?;
            Some((trimmed(secret), environment))
        }
        (true, true) => {
            let found = format!("`{environment}` beside `{from_file}`");
            section.note_key(environment, Complaint::new(found, "one of them"));
            None
        }
        (false, false) => None,
    }
}

/// The value of an environment variable. Its name is never shown: it may be the secret itself, put in the wrong place.
fn from_environment(value: Value<'_>) -> Option<Vec<u8>> {
    let DeValue::String(name) = value.item() else {
        return value.fail(Complaint::new(
            value.kind(),
            "the name of an environment variable",
        ));
    };
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let is_valid = !name.is_empty() && name.chars().all(is_name);
    let content = is_valid
        .then(|| (value.surroundings().environment)(name))
        .flatten();
    match content {
        Some(content) => Some(content.into_encoded_bytes()),
        None => value.fail(Complaint::new(
            "the name of no environment variable that is set",
            "the name of one that holds the secret",
        )),
    }
}

/// Without the newline that editors put at the end of a file.
fn trimmed(mut secret: Vec<u8>) -> Vec<u8> {
    while matches!(secret.last(), Some(b'\n' | b'\r')) {
        secret.pop();
    }
    secret
}

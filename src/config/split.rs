//! `[split]`: how requests are assigned.

use std::time::Duration;

use http::HeaderName;
use toml::de::DeValue;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        file,
        nearest::did_you_mean,
        reader::{Section, Shape, Value, boolean, choice, duration, parsed},
        scalar::{self, quoted},
    },
    plan::{CookiePlan, ForcePlan, Secret, SplitPlan, Sticky, Writes},
};

/// The keys of `[split]`.
pub(super) const SHAPE: Shape = Shape {
    path: "split",
    keys: &["sticky", "cookie", "writes", "reveal", "force"],
};

/// The keys of `cookie`.
pub(super) const COOKIE: Shape = Shape {
    path: "split.cookie",
    keys: &["name", "lifetime"],
};

/// The keys of `force`.
pub(super) const FORCE: Shape = Shape {
    path: "split.force",
    keys: &["header", "secret_file", "secret_env"],
};

/// Where unsafe methods go, as `[split]` and `[[route]]` name it.
pub(super) const WRITES: &[(&str, Writes)] = &[
    ("old", Writes::Old),
    ("split", Writes::Split),
    ("new", Writes::New),
];

/// A secret below this many bytes could be guessed.
const SECRET_LEAST: usize = 32;

/// What `sticky` names.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    None,
    Cookie,
    ClientIp,
    Header(HeaderName),
}

/// Reads `[split]`.
pub(super) fn read(root: &Section<'_>) -> SplitPlan {
    let section = root.table("split", &SHAPE);
    let default = defaults::split();
    let sticky = section.get("sticky", parsed(STICKY, key));
    let cookie = read_cookie(&section);
    if section.has("cookie") && sticky.as_ref().is_some_and(|it| *it != Key::Cookie) {
        let found = "`cookie` beside another `sticky`";
        let complaint = Complaint::new(found, "`sticky = \"cookie\"`, or no `cookie`");
        section.note_key("cookie", complaint);
    }
    SplitPlan {
        sticky: match sticky {
            Some(Key::None) => Sticky::None,
            Some(Key::ClientIp) => Sticky::ClientIp,
            Some(Key::Header(name)) => Sticky::Header(name),
            Some(Key::Cookie) | None => Sticky::Cookie(cookie),
        },
        writes: section
            .get("writes", choice(WRITES))
            .unwrap_or(default.writes),
        reveals_side: section
            .get("reveal", boolean)
            .unwrap_or(default.reveals_side),
        force: read_force(&section),
    }
}

const STICKY: &str = "one of \"none\", \"cookie\", \"client-ip\", \"header:NAME\"";

fn key(text: &str) -> Result<Key, Complaint> {
    match text {
        "none" => Ok(Key::None),
        "cookie" => Ok(Key::Cookie),
        "client-ip" => Ok(Key::ClientIp),
        _ => match text.strip_prefix("header:") {
            Some(name) => {
                let name = scalar::header_name(name);
                let wrong = |it| Complaint {
                    found: quoted(text),
                    ..it
                };
                name.map(Key::Header).map_err(wrong)
            }
            None => {
                let near = did_you_mean(text, ["none", "cookie", "client-ip", "header:NAME"]);
                Err(Complaint::new(quoted(text), STICKY).maybe(near))
            }
        },
    }
}

fn read_cookie(split: &Section<'_>) -> CookiePlan {
    // Browsers keep no cookie for longer than 400 days.
    const LIFETIME: (Duration, Duration) = (
        Duration::from_secs(60),
        Duration::from_secs(400 * 24 * 3600),
    );
    let section = split.table("cookie", &COOKIE);
    let name = section.get("name", parsed("a cookie's name", cookie_name));
    let lifetime = section.get("lifetime", duration(LIFETIME.0..=LIFETIME.1));
    CookiePlan {
        name: name.unwrap_or_else(|| defaults::COOKIE_NAME.to_owned()),
        lifetime: lifetime.unwrap_or(defaults::COOKIE_LIFETIME),
    }
}

/// A token of RFC 9110 section 5.6.2, as RFC 6265 section 4.1.1 wants it.
fn cookie_name(text: &str) -> Result<String, Complaint> {
    let is_token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
    match (1..=64).contains(&text.len()) && text.bytes().all(is_token) {
        true => Ok(text.to_owned()),
        false => {
            let expected = "1 to 64 letters, digits or any of !#$%&'*+-.^_`|~";
            Err(Complaint::new(quoted(text), expected))
        }
    }
}

fn read_force(split: &Section<'_>) -> Option<ForcePlan> {
    let section = split.table("force", &FORCE);
    if !section.is_present() {
        return None;
    }
    let header = section.get(
        "header",
        parsed("the name of a header field", scalar::header_name),
    );
    let default = || HeaderName::from_static(defaults::FORCE_HEADER);
    let secret = match (section.has("secret_file"), section.has("secret_env")) {
        (true, false) => section.get("secret_file", file::secret),
        (false, true) => section.get("secret_env", from_environment),
        (true, true) => {
            let complaint = Complaint::new("`secret_env` beside `secret_file`", "one of them");
            section.note_key("secret_env", complaint);
            None
        }
        (false, false) => {
            section.note_missing("\"secret_file\" or \"secret_env\"");
            None
        }
    };
    let source = if section.has("secret_file") {
        "secret_file"
    } else {
        "secret_env"
    };
    let secret = trimmed(secret?);
    if secret.len() < SECRET_LEAST {
        let found = format!("a secret of {} bytes", secret.len());
        let complaint = Complaint::new(found, format!("at least {SECRET_LEAST} bytes"));
        section.note_value(source, complaint.remedy("see `openssl rand -hex 32`"));
    }
    Some(ForcePlan {
        header: header.unwrap_or_else(default),
        secret: Secret::new(secret),
    })
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

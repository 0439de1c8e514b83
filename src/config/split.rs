//! `[split]`: how requests are assigned.

use std::time::Duration;

use http::HeaderName;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        nearest::did_you_mean,
        reader::{Section, Shape, boolean, choice, duration, parsed},
        scalar::{self, quoted},
        secret,
    },
    plan::{CookiePlan, ForcePlan, Secret, SplitPlan, Sticky, Writes},
};

/// The keys of `[split]`.
pub(super) const SHAPE: Shape = Shape {
    path: "split",
    keys: &[
        "sticky",
        "cookie",
        "writes",
        "read_your_writes",
        "reveal",
        "force",
    ],
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

const SECRET: secret::Keys = secret::Keys {
    file: "secret_file",
    environment: "secret_env",
};

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
    let writes = section.get("writes", choice(WRITES));
    let writes = writes.unwrap_or(default.writes);
    let is_recognised = sticky.as_ref().is_none_or(|it| *it != Key::None);
    SplitPlan {
        read_your_writes: read_your_writes(&section, writes, is_recognised),
        sticky: match sticky {
            Some(Key::None) => Sticky::None,
            Some(Key::ClientIp) => Sticky::ClientIp,
            Some(Key::Header(name)) => Sticky::Header(name),
            Some(Key::Cookie) | None => Sticky::Cookie(cookie),
        },
        writes,
        reveals_side: section
            .get("reveal", boolean)
            .unwrap_or(default.reveals_side),
        force: read_force(&section),
    }
}

/// How long a client that has just written is kept on old; that takes to recognise it, and writes that go to old.
fn read_your_writes(
    section: &Section<'_>,
    writes: Writes,
    is_recognised: bool,
) -> Option<Duration> {
    const BOUND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
    let bound = section.get("read_your_writes", duration(BOUND.0..=BOUND.1))?;
    if !is_recognised {
        let found = "`read_your_writes` with `sticky = \"none\"`";
        let complaint = Complaint::new(found, "a `sticky` that a client is recognised by");
        section.note_key("read_your_writes", complaint);
    }
    if writes != Writes::Old {
        let found = "`read_your_writes` beside another `writes`";
        let complaint = Complaint::new(found, "`writes = \"old\"`, or no `read_your_writes`");
        section.note_key("read_your_writes", complaint);
    }
    Some(bound)
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
    if !section.has(SECRET.file) && !section.has(SECRET.environment) {
        section.note_missing("\"secret_file\" or \"secret_env\"");
    }
    let (secret, source) = secret::read(&section, SECRET)?;
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

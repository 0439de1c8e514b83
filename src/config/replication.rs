//! `[[replication]]`: databases that replicate from old to new.

use std::{path::PathBuf, time::Duration};

use crate::{
    config::{
        defaults,
        fault::Complaint,
        file,
        nearest::did_you_mean,
        reader::{Section, Shape, choice, duration, parsed, text},
        scalar::{self, DATABASE, DatabaseUrl, quoted},
        secret,
    },
    plan::{
        ChannelPlan, DatabaseEncryption, DatabasePlan, ReplicationKind, ReplicationPlan, Secret,
    },
    units::{Direction, PerSide},
};

/// The keys of `[[replication]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "replication",
    keys: &[
        "name",
        "kind",
        "old",
        "old_password_file",
        "old_password_env",
        "new",
        "new_password_file",
        "new_password_env",
        "ca",
        "publication",
        "subscription",
        "reverse_publication",
        "reverse_subscription",
        "connect_timeout",
        "statement_timeout",
    ],
};

/// Each holds a connection to both sides.
const REPLICATIONS: usize = 32;

const KINDS: &[(&str, ReplicationKind)] = &[("postgres", ReplicationKind::Postgres)];

const PASSWORDS: PerSide<secret::Keys> = PerSide {
    old: secret::Keys {
        file: "old_password_file",
        environment: "old_password_env",
    },
    new: secret::Keys {
        file: "new_password_file",
        environment: "new_password_env",
    },
};

/// Reads every `[[replication]]`.
pub(super) fn read(root: &Section<'_>) -> Vec<ReplicationPlan> {
    let sections = root.tables("replication", &SHAPE, REPLICATIONS);
    let mut found: Vec<ReplicationPlan> = Vec::new();
    for section in &sections {
        let Some(replication) = read_one(section) else {
            continue;
        };
        if found.iter().any(|it| it.name == replication.name) {
            section.note_duplicate("name", &replication.name);
        }
        found.push(replication);
    }
    found
}

/// What both databases of a table share.
struct Common {
    ca: Option<PathBuf>,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

fn read_one(section: &Section<'_>) -> Option<ReplicationPlan> {
    const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
    let name = section.require("name", text());
    let kind = section.require("kind", choice(KINDS));
    let timeout = |key, default| {
        let read = section.get(key, duration(TIMEOUT.0..=TIMEOUT.1));
        read.unwrap_or(default)
    };
    let common = Common {
        ca: section.get("ca", file::certificates),
        connect_timeout: timeout("connect_timeout", defaults::DATABASE_CONNECT),
        statement_timeout: timeout("statement_timeout", defaults::DATABASE_STATEMENT),
    };
    let old = section.require("old", parsed(DATABASE, scalar::database));
    let new = section.require("new", parsed(DATABASE, scalar::database));
    if let (Some(old), Some(new)) = (&old, &new) {
        note_contradictions(section, old, new);
    }
    let old = database(section, old, PASSWORDS.old, &common);
    let new = database(section, new, PASSWORDS.new, &common);
    let object = |key, default: &str| {
        let read = section.get(key, parsed(OBJECT, object));
        read.unwrap_or_else(|| default.to_owned())
    };
    let forward = ChannelPlan {
        publication: object("publication", defaults::CHANNEL),
        subscription: object("subscription", defaults::CHANNEL),
    };
    let reverse = ChannelPlan {
        publication: object("reverse_publication", defaults::REVERSE_CHANNEL),
        subscription: object("reverse_subscription", defaults::REVERSE_CHANNEL),
    };
    Some(ReplicationPlan {
        name: name?,
        kind: kind?,
        databases: PerSide {
            old: old?,
            new: new?,
        },
        forward,
        reverse,
    })
}

fn note_contradictions(section: &Section<'_>, old: &DatabaseUrl, new: &DatabaseUrl) {
    let place = |it: &DatabaseUrl| (it.host.clone(), it.port, it.database.clone());
    if place(old) == place(new) {
        let complaint = Complaint::new("the database of old", "another one");
        section.note_value("new", complaint);
    }
    if section.has("ca") && old.is_plain && new.is_plain {
        let complaint = Complaint::new("`ca` beside databases without TLS", "no `ca`");
        section.note_key("ca", complaint.remedy("leave out \"sslmode=disable\""));
    }
}

fn database(
    section: &Section<'_>,
    url: Option<DatabaseUrl>,
    keys: secret::Keys,
    common: &Common,
) -> Option<DatabasePlan> {
    let password = secret::read(section, keys);
    let is_missing =
        password.is_none() && (section.has(keys.file) || section.has(keys.environment));
    if let Some((password, key)) = &password
        && password.is_empty()
    {
        section.note_value(key, Complaint::new("an empty password", "a password"));
    }
    let url = url.filter(|_| !is_missing)?;
    Some(DatabasePlan {
        host: url.host,
        port: url.port,
        database: url.database,
        user: url.user,
        password: password.map(|(password, _)| Secret::new(password)),
        encryption: match url.is_plain {
            true => DatabaseEncryption::None,
            false => DatabaseEncryption::Verified,
        },
        ca: common.ca.clone().filter(|_| !url.is_plain),
        connect_timeout: common.connect_timeout,
        statement_timeout: common.statement_timeout,
    })
}

const DIRECTIONS: &[(&str, Direction)] = &[
    ("forward", Direction::Forward),
    ("reverse", Direction::Reverse),
];

/// The place of the replication that `key` names; it may be left out where there is one only.
pub(super) fn find(
    section: &Section<'_>,
    key: &'static str,
    replications: &[ReplicationPlan],
) -> Option<usize> {
    let named = match (section.has(key), replications) {
        (false, [_only]) => return Some(0),
        (false, []) => {
            let found = format!(
                "a replication in {}, and no [[replication]]",
                section.label()
            );
            section.note(Complaint::new(found, "a [[replication]] to watch"));
            return None;
        }
        (false, _several) => section.require(key, text())?,
        (true, _) => section.get(key, text())?,
    };
    let place = replications.iter().position(|it| it.name == named);
    if place.is_none() {
        let names = replications.iter().map(|it| it.name.as_str());
        let near = did_you_mean(&named, names);
        let complaint = Complaint::new(quoted(&named), "the name of a [[replication]]");
        section.note_value(key, complaint.maybe(near));
    }
    place
}

/// The direction that a table names; forward where it names none.
pub(super) fn direction(section: &Section<'_>) -> Direction {
    let read = section.get("direction", choice(DIRECTIONS));
    read.unwrap_or(Direction::Forward)
}

const OBJECT: &str = "a name of 1 to 63 lower-case letters, digits or underscores";

/// The name of a publication or subscription; a slot takes its name from it, and slots take nothing else.
fn object(text: &str) -> Result<String, Complaint> {
    let is_allowed = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    match (1..=63).contains(&text.len()) && text.bytes().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new(quoted(text), OBJECT)),
    }
}

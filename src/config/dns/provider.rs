//! `[dns.provider]`: where the zone is changed, and with which key.
//!
//! Each kind of provider has keys of its own; those of another kind are faults.

mod route53;

use std::{ops::RangeInclusive, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{
    config::{
        defaults,
        fault::Complaint,
        file,
        reader::{Section, Shape, choice, duration, list, parsed, text},
        scalar::{self, API, DOMAIN, quoted},
        secret,
    },
    plan::{
        Secret,
        dns::{
            ApiPlan, CloudflarePlan, ExecPlan, PowerDnsPlan, ProviderPlan, Rfc2136Plan,
            TsigAlgorithm,
        },
    },
};

/// The keys of `[dns.provider]`, of all kinds.
pub(in crate::config) const SHAPE: Shape = Shape {
    path: "dns.provider",
    keys: &[
        "kind",
        "server",
        "key_name",
        "algorithm",
        "secret_file",
        "secret_env",
        "url",
        "ca",
        "timeout",
        "server_id",
        "zone_id",
        "access_key_id",
        "session_token_file",
        "session_token_env",
        "command",
    ],
};

const SECRET: secret::Keys = secret::Keys {
    file: "secret_file",
    environment: "secret_env",
};

/// The kinds of provider.
#[derive(Clone, Copy)]
enum Kind {
    Rfc2136,
    PowerDns,
    Cloudflare,
    Route53,
    Exec,
    Manual,
}

const KINDS: &[(&str, Kind)] = &[
    ("rfc2136", Kind::Rfc2136),
    ("powerdns", Kind::PowerDns),
    ("cloudflare", Kind::Cloudflare),
    ("route53", Kind::Route53),
    ("exec", Kind::Exec),
    ("manual", Kind::Manual),
];

const ALGORITHMS: &[(&str, TsigAlgorithm)] = &[
    ("hmac-sha256", TsigAlgorithm::HmacSha256),
    ("hmac-sha512", TsigAlgorithm::HmacSha512),
];

/// For one call of an API.
const CALL_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// For one run of a program.
const RUN_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);

/// More are no command that people write.
const WORDS: usize = 64;

/// Reads `[dns.provider]`.
pub(super) fn read(dns: &Section<'_>) -> Option<ProviderPlan> {
    if !dns.has("provider") {
        dns.note_missing("[dns.provider]");
        return None;
    }
    let section = dns.table("provider", &SHAPE);
    let kind = section.require("kind", choice(KINDS))?;
    note_others(&section, kind);
    match kind {
        Kind::Rfc2136 => rfc2136(&section).map(ProviderPlan::Rfc2136),
        Kind::PowerDns => powerdns(&section).map(ProviderPlan::PowerDns),
        Kind::Cloudflare => cloudflare(&section).map(ProviderPlan::Cloudflare),
        Kind::Route53 => route53::read(&section).map(ProviderPlan::Route53),
        Kind::Exec => exec(&section).map(ProviderPlan::Exec),
        Kind::Manual => Some(ProviderPlan::Manual),
    }
}

impl Kind {
    /// The keys that it may have beside `kind`.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Rfc2136 => &[
                "server",
                "key_name",
                "algorithm",
                SECRET.file,
                SECRET.environment,
            ],
            Self::PowerDns => &[
                "url",
                "ca",
                "timeout",
                "server_id",
                SECRET.file,
                SECRET.environment,
            ],
            Self::Cloudflare => &[
                "url",
                "ca",
                "timeout",
                "zone_id",
                SECRET.file,
                SECRET.environment,
            ],
            Self::Route53 => route53::KEYS,
            Self::Exec => &["command", "timeout"],
            Self::Manual => &[],
        }
    }
}

/// Keys of another kind would be believed to do something.
fn note_others(section: &Section<'_>, kind: Kind) {
    let own = kind.keys();
    let others = SHAPE
        .keys
        .iter()
        .filter(|it| **it != "kind" && !own.contains(it));
    for key in others.filter(|it| section.has(it)) {
        let expected = match own.is_empty() {
            true => "no key beside `kind` for this kind".to_owned(),
            false => format!("one of {} for this kind", own.join(", ")),
        };
        section.note_key(key, Complaint::new(format!("the key \"{key}\""), expected));
    }
}

fn powerdns(section: &Section<'_>) -> Option<PowerDnsPlan> {
    let api = api(section, None);
    let server = section.get("server_id", parsed(WORD, word));
    let key = header_secret(section);
    Some(PowerDnsPlan {
        api: api?,
        server: server.unwrap_or_else(|| defaults::POWERDNS_SERVER.to_owned()),
        key: key?,
    })
}

fn cloudflare(section: &Section<'_>) -> Option<CloudflarePlan> {
    let api = api(section, Some(defaults::CLOUDFLARE_URL));
    let zone_id = section.require("zone_id", parsed(ZONE_ID, zone_id));
    let token = header_secret(section);
    Some(CloudflarePlan {
        api: api?,
        zone_id: zone_id?,
        token: token?,
    })
}

fn exec(section: &Section<'_>) -> Option<ExecPlan> {
    let timeout = section.get("timeout", duration(RUN_TIMEOUT));
    let words = section.require("command", list(WORDS, text()));
    if section.has_empty("command") {
        let expected = "a program, and its arguments if it has any";
        section.note_value("command", Complaint::new("an empty list", expected));
    }
    let mut words = words?.into_iter().map(|(word, _)| word);
    Some(ExecPlan {
        program: words.next()?,
        arguments: words.collect(),
        timeout: timeout.unwrap_or(defaults::PROGRAM_TIMEOUT),
    })
}

/// Where an API is, which has to be said where there is no default.
fn api(section: &Section<'_>, default: Option<&str>) -> Option<ApiPlan> {
    let url = match default {
        Some(default) if !section.has("url") => Some(default.to_owned()),
        Some(_) | None => section.require("url", parsed(API, scalar::api)),
    };
    let ca = section.get("ca", file::certificates);
    let timeout = section.get("timeout", duration(CALL_TIMEOUT));
    Some(ApiPlan {
        url: url?,
        ca,
        timeout: timeout.unwrap_or(defaults::CALL_TIMEOUT),
    })
}

/// A key or token, which goes into a header as it is.
fn header_secret(section: &Section<'_>) -> Option<Secret> {
    let (secret, key) = secret(section)?;
    printable(section, key, secret)
}

/// A secret that no other characters can be a part of than those of one line of ASCII.
fn printable(section: &Section<'_>, key: &'static str, secret: Vec<u8>) -> Option<Secret> {
    let is_printable = |it: &u8| it.is_ascii_graphic() || *it == b' ';
    if secret.is_empty() || !secret.iter().all(is_printable) {
        let found = "an empty secret, or one that is no line of ASCII";
        let complaint = Complaint::new(found, "the key or token and nothing else");
        section.note_value(key, complaint);
        return None;
    }
    Some(Secret::new(secret))
}

fn secret(section: &Section<'_>) -> Option<(Vec<u8>, &'static str)> {
    if !section.has(SECRET.file) && !section.has(SECRET.environment) {
        section.note_missing("\"secret_file\" or \"secret_env\"");
        return None;
    }
    secret::read(section, SECRET)
}

const ZONE_ID: &str = "the zone's id of 32 hexadecimal digits, from its overview at Cloudflare";

fn zone_id(text: &str) -> Result<String, Complaint> {
    let is_id = text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    match is_id {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Complaint::new(quoted(text), ZONE_ID)),
    }
}

const WORD: &str = "a word of letters, digits, \"-\", \"_\" or \".\"";

/// What stands in a path as it is.
fn word(text: &str) -> Result<String, Complaint> {
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    match !matches!(text, "" | "." | "..") && text.bytes().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new(quoted(text), WORD)),
    }
}

fn rfc2136(section: &Section<'_>) -> Option<Rfc2136Plan> {
    let server = section.require("server", parsed(scalar::ADDRESS, scalar::address));
    let key_name = section.require("key_name", parsed(DOMAIN, scalar::domain));
    let algorithm = section.get("algorithm", choice(ALGORITHMS));
    let secret = tsig_secret(section);
    Some(Rfc2136Plan {
        server: server?,
        key_name: key_name?,
        algorithm: algorithm.unwrap_or(TsigAlgorithm::HmacSha256),
        secret: secret?,
    })
}

/// As name servers write it: in Base64.
fn tsig_secret(section: &Section<'_>) -> Option<Secret> {
    let (text, key) = secret(section)?;
    match BASE64.decode(text.trim_ascii()) {
        Ok(secret) if !secret.is_empty() => Some(Secret::new(secret)),
        Ok(_) | Err(_) => {
            let found = "a secret that is no Base64 text";
            let complaint = Complaint::new(found, "the secret as the name server's key has it");
            section.note_value(key, complaint);
            None
        }
    }
}

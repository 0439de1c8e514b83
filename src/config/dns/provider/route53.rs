//! The keys of `[dns.provider]` for Route 53.

use crate::{
    config::{
        defaults,
        dns::provider::{SECRET, api, header_secret, printable},
        fault::Complaint,
        reader::{Section, parsed},
        scalar::quoted,
        secret,
    },
    plan::{Secret, dns::Route53Plan},
};

/// The keys that it may have beside `kind`.
pub(super) const KEYS: &[&str] = &[
    "url",
    "ca",
    "timeout",
    "zone_id",
    "access_key_id",
    SECRET.file,
    SECRET.environment,
    SESSION_TOKEN.file,
    SESSION_TOKEN.environment,
];

const SESSION_TOKEN: secret::Keys = secret::Keys {
    file: "session_token_file",
    environment: "session_token_env",
};

/// Reads them.
pub(super) fn read(section: &Section<'_>) -> Option<Route53Plan> {
    let api = api(section, Some(defaults::ROUTE53_URL));
    let zone_id = section.require("zone_id", parsed(ZONE_ID, zone_id));
    let access_key_id = section.require("access_key_id", parsed(ACCESS_KEY_ID, access_key_id));
    let secret = header_secret(section);
    let session_token = session_token(section);
    Some(Route53Plan {
        api: api?,
        zone_id: zone_id?,
        access_key_id: access_key_id?,
        secret: secret?,
        session_token,
    })
}

/// Only temporary credentials have one.
fn session_token(section: &Section<'_>) -> Option<Secret> {
    let (token, key) = secret::read(section, SESSION_TOKEN)?;
    printable(section, key, token)
}

const ZONE_ID: &str =
    "the hosted zone's id of up to 32 upper-case letters and digits, such as \"Z1D633PJN98FT9\"";

/// With or without what Route 53 writes before it.
fn zone_id(text: &str) -> Result<String, Complaint> {
    let id = text.strip_prefix("/hostedzone/").unwrap_or(text);
    match (1..=32).contains(&id.len()) && id.bytes().all(is_of_id) {
        true => Ok(id.to_owned()),
        false => Err(Complaint::new(quoted(text), ZONE_ID)),
    }
}

const ACCESS_KEY_ID: &str =
    "the key's id of 16 to 128 upper-case letters and digits, such as \"AKIAIOSFODNN7EXAMPLE\"";

/// What is no id is not shown: it may be the secret, put in the wrong place.
fn access_key_id(text: &str) -> Result<String, Complaint> {
    match (16..=128).contains(&text.len()) && text.bytes().all(is_of_id) {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new("something else", ACCESS_KEY_ID)),
    }
}

const fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

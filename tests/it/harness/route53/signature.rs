//! Version 4 of Amazon's signatures, computed anew from its specification, by nothing but SHA-256.

use changeover::clock;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY_ID, SECRET, failure};
use crate::harness::standin::{Answer, Call};

/// How far the time of a signature may be from now.
const APART_SECONDS_MAX: i64 = 300;

/// What every signature of this service is good for, beside its day.
const SCOPE: &str = "us-east-1/route53/aws4_request";

/// Whether the call is signed with the key, and with the session token if it needs one.
pub fn check(call: &Call, token: Option<&str>) -> Result<(), Answer> {
    let header = |name: &str| call.headers.get(name).and_then(|it| it.to_str().ok());
    let incomplete = |why: &str| failure(400, "IncompleteSignature", why);
    let missing = || {
        failure(
            403,
            "MissingAuthenticationToken",
            "Missing Authentication Token",
        )
    };
    let authorization = header("authorization").ok_or_else(missing)?;
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ");
    let parts = parts.ok_or_else(|| incomplete("the algorithm"))?;
    let parts: Vec<(&str, &str)> = parts
        .split(", ")
        .filter_map(|it| it.split_once('='))
        .collect();
    let [
        ("Credential", credential),
        ("SignedHeaders", signed),
        ("Signature", signature),
    ] = parts[..]
    else {
        return Err(incomplete("its parts"));
    };
    let at = header("x-amz-date").ok_or_else(|| incomplete("the date"))?;
    let day = at.get(..8).ok_or_else(|| incomplete("the date"))?;
    if !is_recent(at) {
        return Err(failure(400, "RequestExpired", "Request has expired."));
    }
    if credential != format!("{ACCESS_KEY_ID}/{day}/{SCOPE}")
        || header("x-amz-security-token") != token
    {
        let said = "The security token included in the request is invalid.";
        return Err(failure(403, "InvalidClientTokenId", said));
    }
    let names: Vec<&str> = signed.split(';').collect();
    let must = ["content-type", "host", "x-amz-date", "x-amz-security-token"];
    let must = must.iter().filter(|it| call.headers.contains_key(**it));
    if !names.is_sorted() || must.clone().any(|it| !names.contains(it)) {
        return Err(incomplete("the signed headers"));
    }
    let canonical = canonical(call, &names);
    let text = format!(
        "AWS4-HMAC-SHA256\n{at}\n{day}/{SCOPE}\n{}",
        hex::encode(Sha256::digest(&canonical))
    );
    let key = ["us-east-1", "route53", "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{SECRET}").as_bytes(), day), |key, it| {
            hmac(&key, it)
        });
    if hex::encode(hmac(&key, &text)) == signature {
        return Ok(());
    }
    // The real one shows both texts, with whatever headers they hold.
    let said = format!(
        "The request signature we calculated does not match the signature you provided. The Canonical String for this request \
         should have been '{canonical}' The String-to-Sign should have been '{text}'"
    );
    Err(failure(403, "SignatureDoesNotMatch", &said))
}

fn is_recent(at: &str) -> bool {
    let Ok(at) = DateTime::strptime("%Y%m%dT%H%M%SZ", at) else {
        return false;
    };
    let at = at.to_zoned(TimeZone::UTC).expect("a time").timestamp();
    let now = Timestamp::from_microsecond(clock::wall().micros()).expect("a time");
    (now.as_second() - at.as_second()).abs() <= APART_SECONDS_MAX
}

/// The method, the path, the query, the headers and the digest of the body.
fn canonical(call: &Call, names: &[&str]) -> String {
    let mut query: Vec<String> = parameters(&call.query)
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key, ""), encoded(value, "")))
        .collect();
    query.sort();
    let header = |name: &&str| {
        let value = call.headers.get(*name).and_then(|it| it.to_str().ok());
        format!("{name}:{}\n", value.unwrap_or_default().trim())
    };
    let headers: String = names.iter().map(header).collect();
    // The path is encoded once more than it is sent.
    [
        call.method.as_str(),
        &encoded(&call.path, "/"),
        &query.join("&"),
        &headers,
        &names.join(";"),
        &hex::encode(Sha256::digest(&call.body)),
    ]
    .join("\n")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The parameters of a query, decoded.
pub fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|it| !it.is_empty());
    pairs
        .map(|it| {
            let (key, value) = it.split_once('=').unwrap_or((it, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                hex::decode(digits).expect("two digits")[0]
            }
            b'+' => panic!("a blank is %20 in what is signed"),
            other => other,
        });
    }
    String::from_utf8(bytes).expect("text")
}

/// Everything but letters, digits, `-`, `.`, `_`, `~` and these is encoded.
fn encoded(text: &str, kept: &str) -> String {
    let encode = |it: u8| match char::from(it) {
        it if it.is_ascii_alphanumeric() || "-._~".contains(it) || kept.contains(it) => {
            it.to_string()
        }
        _other => format!("%{it:02X}"),
    };
    text.bytes().map(encode).collect()
}

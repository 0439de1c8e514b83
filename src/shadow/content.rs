//! A body as what it means: without its encoding, and as JSON where it is that.

use std::io::Read;

use serde_json::Value;

use crate::shadow::Answer;

/// What a body holds.
pub(super) enum Content<'a> {
    /// JSON.
    Json(Value),
    /// Anything else, without its encoding.
    Bytes(Vec<u8>),
    /// More than was kept, without an encoding.
    Long(&'a Answer),
    /// Not in the encoding that it names.
    Broken,
    /// Nothing that can be compared, and why.
    Unread(&'static str),
}

/// Reads a body; `most` bytes of it at most once it is decoded.
pub(super) fn read(answer: &Answer, most: usize) -> Content<'_> {
    let encoding = answer.encoding.as_deref().map(str::trim);
    let encoding = encoding.filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity"));
    // An answer to HEAD names an encoding, and has nothing in it.
    if answer.body.length() == 0 {
        return Content::Bytes(Vec::new());
    }
    let Some(bytes) = answer.body.whole() else {
        return match encoding {
            None => Content::Long(answer),
            Some(_) => Content::Unread("longer than body_limit, and encoded"),
        };
    };
    let decoded = match encoding {
        None => Ok(bytes.to_vec()),
        Some(name) => decode(name, bytes, most),
    };
    match decoded {
        Err(content) => content,
        Ok(bytes) if is_json(answer) => {
            serde_json::from_slice(&bytes).map_or_else(|_| Content::Bytes(bytes), Content::Json)
        }
        Ok(bytes) => Content::Bytes(bytes),
    }
}

/// `application/json` and everything that says `+json` (RFC 6839 section 3.1).
fn is_json(answer: &Answer) -> bool {
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Takes a content coding off (RFC 9110 section 8.4.1).
fn decode(name: &str, bytes: &[u8], most: usize) -> Result<Vec<u8>, Content<'static>> {
    let read = |source: &mut dyn Read| -> Result<Vec<u8>, Content<'static>> {
        let mut decoded = Vec::new();
        // A few bytes of an encoding can be gigabytes.
        let room = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        let is_read = source.take(room).read_to_end(&mut decoded).is_ok();
        match is_read {
            false => Err(Content::Broken),
            true if decoded.len() > most => {
                Err(Content::Unread("longer than body_limit once it is decoded"))
            }
            true => Ok(decoded),
        }
    };
    match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => read(&mut flate2::read::MultiGzDecoder::new(bytes)),
        "deflate" => read(&mut flate2::read::ZlibDecoder::new(bytes)),
        "br" => read(&mut brotli_decompressor::Decompressor::new(bytes, 4096)),
        _ => Err(Content::Unread("in an encoding that is not read here")),
    }
}

//! Request bodies: small JSON objects whose every field is known.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use serde::de::DeserializeOwned;

use crate::admin::problem::{Kind, Problem};

/// The most bytes of a body; a command with its reason needs a tenth of it.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Reads a body that must be there.
pub(crate) async fn required<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let bytes = read(body).await?;
    parse(headers, &bytes)
}

/// Reads a body that may be absent, which is the same as `{}`.
pub(crate) async fn optional<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    parse(headers, &bytes)
}

async fn read(body: Body) -> Result<axum::body::Bytes, Problem> {
    let read = to_bytes(body, BODY_BYTES_MAX).await;
    read.map_err(|error| {
        // axum names its own error only; the limit is the cause below it.
        let cause = std::error::Error::source(&error);
        if cause.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
            let detail = format!("the body may have at most {BODY_BYTES_MAX} bytes");
            return Problem::new(Kind::TooLarge, detail);
        }
        Problem::new(Kind::BadRequest, "the body broke off")
    })
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let essence = media_type.map(|it| it.split(';').next().unwrap_or_default().trim());
    if !essence.is_some_and(|it| it.eq_ignore_ascii_case("application/json")) {
        let found = essence.unwrap_or("missing");
        let detail = format!("Content-Type is {found}; expected application/json");
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let parsed = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(Kind::BadRequest, format!("in the body: {error}")))?;
    // An array would pass for an object without names.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        let detail = "in the body: found an array; expected an object";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(parsed)
}

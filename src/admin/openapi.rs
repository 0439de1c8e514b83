//! The API's own description: `GET /openapi.json`.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// The description as it stands in the source, with this version put in.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| include_str!("openapi.json").replace("0.0.0", env!("CARGO_PKG_VERSION")));

pub(crate) async fn document() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, DOCUMENT.as_str()).into_response()
}

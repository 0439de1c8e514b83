//! The API's own description: `GET /openapi.json`.

use std::sync::LazyLock;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::admin::Context;

/// The description as it stands in the source, with this version put in.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document: Value =
        serde_json::from_str(include_str!("openapi.json")).expect("a test parses the same text");
    put(
        &mut document,
        "/info/version",
        env!("CARGO_PKG_VERSION").into(),
    );
    document
});

pub(crate) async fn document(State(context): State<Context>) -> Response {
    let mut document = DOCUMENT.clone();
    let steps = context.plan().ramp.steps.len();
    let maximum = "/components/schemas/Resume/properties/step/maximum";
    put(&mut document, maximum, steps.into());
    Json(document).into_response()
}

/// Replaces what stands at a JSON pointer.
fn put(document: &mut Value, at: &str, value: Value) {
    if let Some(place) = document.pointer_mut(at) {
        *place = value;
    }
}

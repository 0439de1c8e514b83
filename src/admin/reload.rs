//! `POST /api/v1/reload`: the configuration read again.

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use serde::Deserialize;

use crate::admin::{
    Context, ReloadError, Reloaded,
    access::Caller,
    body,
    problem::{Kind, Problem},
};

/// There is nothing to say: the file is the one that the program was started with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

pub(crate) async fn reload(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Reloaded>, Problem> {
    let NoFields {} = body::optional(&headers, body).await?;
    let reloaded = context.orders.reload(caller.actor()).await;
    Ok(Json(reloaded?))
}

impl From<ReloadError> for Problem {
    fn from(error: ReloadError) -> Self {
        let kind = match &error {
            ReloadError::Configuration(_) => Kind::BadConfiguration,
            ReloadError::Fixed(_) => Kind::NeedsRestart,
            ReloadError::Refused(_) => Kind::Refused,
            ReloadError::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

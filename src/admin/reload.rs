//! `POST /api/v1/reload` and `POST /api/v1/upgrade`: the configuration read again, and another process in this one's place.

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use serde::Deserialize;

use crate::admin::{
    Context, ReloadError, Reloaded, UpgradeError, Upgraded,
    access::Caller,
    body,
    problem::{Kind, Problem},
};

/// There is nothing to say: file and program are the ones that this process was started with.
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

pub(crate) async fn upgrade(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Upgraded>, Problem> {
    let NoFields {} = body::optional(&headers, body).await?;
    let upgraded = context.orders.upgrade(caller.actor()).await;
    Ok(Json(upgraded?))
}

impl From<UpgradeError> for Problem {
    fn from(error: UpgradeError) -> Self {
        let kind = match &error {
            UpgradeError::Failed(_) => Kind::UpgradeFailed,
            UpgradeError::Refused(_) => Kind::Refused,
            UpgradeError::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
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

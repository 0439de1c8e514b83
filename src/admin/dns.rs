//! `POST /api/v1/dns/…`: orders about names, each shown first if that is asked for.

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    admin::{
        Context,
        access::Caller,
        body,
        problem::{Kind, Problem},
        steer::{checked_reason, whole},
    },
    cutover::DnsPurpose,
    plan::dns::{Change, Ttl},
    units::Timestamp,
};

/// An order about names that somebody asks for.
#[derive(Debug)]
pub struct DnsRequest {
    /// What for.
    pub purpose: DnsPurpose,
    /// For `lower-ttl`: what to lower to, where it is not the plan's.
    pub to: Option<Ttl>,
    /// For `lower-ttl`: whether to go there in steps.
    pub by_steps: bool,
    /// Why; nothing is ordered without, only shown.
    pub reason: Option<String>,
}

/// Where the answer goes.
pub type DnsReply = oneshot::Sender<Result<DnsAnswer, DnsError>>;

/// What is ordered, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// What for.
    pub purpose: DnsPurpose,
    /// Whether it is ordered; if not it is only shown.
    pub ordered: bool,
    /// Whether that is in the journal.
    pub recorded: bool,
    /// The change.
    pub change: Change,
    /// What TTLs are lowered to after that, in seconds.
    pub then: Vec<Ttl>,
    /// What was tried without changing anything, in words.
    pub tried: Vec<String>,
    /// For `lower-ttl`: the ways to the TTL that is aimed at.
    pub ways: Vec<DnsWay>,
}

/// A way to a lower TTL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsWay {
    /// Each TTL on it, in seconds.
    pub ttls: Vec<Ttl>,
    /// How long it takes from its first change until names may move, in seconds.
    pub takes_s: u64,
    /// When that is at the earliest.
    pub earliest: Timestamp,
}

/// Why nothing is ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// There are no names to move.
    #[error("{0}")]
    Unknown(String),
    /// Not now, or not so. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Nobody carries orders out.
    #[error("this process moves no names: ask again in a moment, of the one that leads then")]
    Unavailable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    reason: Option<String>,
    #[serde(default)]
    plan: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LowerBody {
    reason: Option<String>,
    #[serde(default)]
    plan: bool,
    to: Option<serde_json::Number>,
    #[serde(default)]
    steps: bool,
}

pub(crate) async fn lower_ttl(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DnsAnswer>, Problem> {
    let body: LowerBody = body::required(&headers, body).await?;
    let request = DnsRequest {
        purpose: DnsPurpose::LowerTtl,
        to: body.to.as_ref().map(ttl).transpose()?,
        by_steps: body.steps,
        reason: reason(body.reason, body.plan)?,
    };
    Ok(Json(context.orders.dns(request, caller.actor()).await?))
}

pub(crate) async fn move_names(
    state: State<Context>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DnsAnswer>, Problem> {
    order(DnsPurpose::Move, state, caller, (headers, body)).await
}

pub(crate) async fn revert(
    state: State<Context>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DnsAnswer>, Problem> {
    order(DnsPurpose::Revert, state, caller, (headers, body)).await
}

pub(crate) async fn restore_ttl(
    state: State<Context>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DnsAnswer>, Problem> {
    order(DnsPurpose::RestoreTtl, state, caller, (headers, body)).await
}

async fn order(
    purpose: DnsPurpose,
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    (headers, body): (HeaderMap, Body),
) -> Result<Json<DnsAnswer>, Problem> {
    let body: OrderBody = body::required(&headers, body).await?;
    let request = DnsRequest {
        purpose,
        to: None,
        by_steps: false,
        reason: reason(body.reason, body.plan)?,
    };
    Ok(Json(context.orders.dns(request, caller.actor()).await?))
}

/// A TTL in seconds, however it is written.
fn ttl(number: &serde_json::Number) -> Result<Ttl, Problem> {
    match u32::try_from(whole(number)) {
        Ok(seconds) if seconds > 0 => Ok(Ttl(seconds)),
        Ok(_) | Err(_) => {
            let detail = format!("in the body: to is {number}; expected whole seconds, 1 at least");
            Err(Problem::new(Kind::BadRequest, detail))
        }
    }
}

/// The reason of an order; none where it is only to be shown.
fn reason(reason: Option<String>, plan: bool) -> Result<Option<String>, Problem> {
    let detail = match (plan, reason) {
        (true, None) => return Ok(None),
        (true, Some(_)) => "in the body: a reason beside plan; expected one of them",
        (false, Some(reason)) => return checked_reason(&reason).map(Some),
        (false, None) => {
            "in the body: no reason; expected one, or \"plan\": true to be shown what would be ordered"
        }
    };
    Err(Problem::new(Kind::BadRequest, detail))
}

impl From<DnsError> for Problem {
    fn from(error: DnsError) -> Self {
        let kind = match &error {
            DnsError::Unknown(_) => Kind::NotFound,
            DnsError::Refused(_) => Kind::Refused,
            DnsError::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

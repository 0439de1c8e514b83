//! Steering: each route turns a request into one command and its answer into a response.

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use serde::Deserialize;

use crate::{
    admin::{
        Context,
        access::Caller,
        body,
        problem::{Kind, Problem},
    },
    control::{CommandError, Done},
    cutover::{Command, REASON_CHARS_MAX},
    plan::Role,
    units::Weight,
};

type Answer = Result<Json<Done>, Problem>;

/// The body of a command that needs no word.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

/// The body of a rollback.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    reason: String,
}

/// The body of a resume; the step is counted from 1, as in `status`, and is a whole number however it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResumeBody {
    reason: String,
    step: Option<serde_json::Number>,
}

/// The body of a weight; the number is kept as it was written, so that no float comes between.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightBody {
    percent: serde_json::Number,
    reason: String,
}

pub(crate) async fn start(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let NoFields {} = body::optional(&headers, body).await?;
    order(&context, Command::Start, &caller).await
}

pub(crate) async fn hold(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let NoFields {} = body::optional(&headers, body).await?;
    order(&context, Command::Hold, &caller).await
}

pub(crate) async fn advance(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let NoFields {} = body::optional(&headers, body).await?;
    order(&context, Command::Advance, &caller).await
}

pub(crate) async fn resume(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let ResumeBody { reason, step } = body::required(&headers, body).await?;
    let reason = checked_reason(&reason)?;
    let steps = context.plan().ramp.steps.len();
    let step = match step {
        None => None,
        Some(step) if (1..=steps).contains(&whole(&step)) => Some(whole(&step) - 1),
        Some(step) => {
            let detail = format!("in the body: step is {step}; the plan's steps are 1 to {steps}");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
    };
    if step.is_some_and(|step| step != 0) {
        caller.require(Role::Approver, "resuming at another step than the first")?;
    }
    order(&context, Command::Resume { reason, step }, &caller).await
}

pub(crate) async fn set_weight(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let WeightBody { percent, reason } = body::required(&headers, body).await?;
    let reason = checked_reason(&reason)?;
    let weight = percent.to_string().parse::<Weight>().map_err(|error| {
        let detail = format!("in the body: percent is {percent}: {error}; expected 0 to 100");
        Problem::new(Kind::BadRequest, detail)
    })?;
    order(&context, Command::SetWeight { weight, reason }, &caller).await
}

pub(crate) async fn rollback(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let RollbackBody { reason } = body::required(&headers, body).await?;
    let reason = checked_reason(&reason)?;
    order(&context, Command::Rollback { reason }, &caller).await
}

async fn order(context: &Context, command: Command, caller: &Caller) -> Answer {
    match context.control.command(command, caller.actor()).await {
        Ok(done) => Ok(Json(done)),
        Err(CommandError::Refused(refusal)) => {
            Err(Problem::new(Kind::Refused, refusal.to_string()))
        }
        Err(error @ CommandError::Unavailable) => {
            Err(Problem::new(Kind::Unavailable, error.to_string()))
        }
    }
}

/// A whole number; to JSON 2.0 is one as well. Anything else is 0, which counts nothing.
pub(super) fn whole(number: &serde_json::Number) -> usize {
    let text = number.to_string();
    text.strip_suffix(".0")
        .unwrap_or(&text)
        .parse()
        .unwrap_or(0)
}

/// A reason stands in one line of journals, logs and terminals for good: something, not a book, nothing unprintable.
pub(super) fn checked_reason(reason: &str) -> Result<String, Problem> {
    let reason = reason.trim();
    let fault = if reason.is_empty() {
        "is empty".into()
    } else if reason.chars().count() > REASON_CHARS_MAX {
        format!("has more than {REASON_CHARS_MAX} characters")
    } else if reason.chars().any(char::is_control) {
        "has control characters".into()
    } else {
        return Ok(reason.to_owned());
    };
    let detail = format!("in the body: reason {fault}; expected one line that says why");
    Err(Problem::new(Kind::BadRequest, detail))
}

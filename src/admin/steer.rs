//! Steering: each route turns a request into one command and its answer into a response.

use std::time::Duration;

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
    cutover::{Command, DRILL_SHARE, REASON_CHARS_MAX},
    plan::{DrillFault, Injection, Role},
    units::{Share, Weight},
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

/// The body of a drill; the share is in percent, and kept as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrillBody {
    fault: DrillKind,
    share: Option<serde_json::Number>,
    latency_ms: Option<serde_json::Number>,
    reason: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DrillKind {
    Errors,
    Refused,
    Latency,
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

pub(crate) async fn drill(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body: DrillBody = body::required(&headers, body).await?;
    let reason = checked_reason(&body.reason)?;
    let injection = injection(&body)?;
    order(&context, Command::Drill { injection, reason }, &caller).await
}

/// What a drill does, by its body.
fn injection(body: &DrillBody) -> Result<Injection, Problem> {
    let bad = |detail: String| Problem::new(Kind::BadRequest, format!("in the body: {detail}"));
    let most = DrillFault::LATENCY_MAX.as_millis();
    let fault = match (body.fault, &body.latency_ms) {
        (DrillKind::Errors, None) => DrillFault::Errors,
        (DrillKind::Refused, None) => DrillFault::Refused,
        (DrillKind::Latency, Some(millis)) => match u64::try_from(whole(millis)) {
            Ok(it) if it > 0 && u128::from(it) <= most => {
                DrillFault::latency(Duration::from_millis(it))
            }
            Ok(_) | Err(_) => {
                return Err(bad(format!("latency_ms is {millis}; expected 1 to {most}")));
            }
        },
        (DrillKind::Latency, None) => {
            return Err(bad(format!("no latency_ms; expected 1 to {most}")));
        }
        (DrillKind::Errors | DrillKind::Refused, Some(_)) => {
            return Err(bad(
                "latency_ms beside another fault than latency".to_owned()
            ));
        }
    };
    let share = match &body.share {
        None => DRILL_SHARE,
        Some(percent) => share(percent).ok_or_else(|| {
            bad(format!(
                "share is {percent}; expected a percentage above 0 and up to 100, with two decimals at most"
            ))
        })?,
    };
    Ok(Injection { fault, share })
}

/// A percentage that is not zero, as exact as a weight.
fn share(percent: &serde_json::Number) -> Option<Share> {
    let weight: Weight = percent.to_string().parse().ok()?;
    let parts = u32::from(weight.basis_points()) * 100;
    Share::from_parts_per_million(parts).filter(|_| parts > 0)
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

//! Looking: the status and the journal's pages.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    admin::{
        Context, EventDocument, EventPage, JournalError, metrics,
        problem::{Kind, Problem},
    },
    control::{CommandError, Status},
    cutover::Entry,
    shadow::Report,
};

/// The query of `GET /api/v1/events`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Only entries numbered above this.
    #[serde(default)]
    after: u64,
    /// At most so many; at most a page of the plan.
    limit: Option<u32>,
}

pub(crate) async fn status(State(context): State<Context>) -> Result<Json<Status>, Problem> {
    // The last status of a loop that has ended would look like a cutover in which nothing happens.
    if !context.control.is_alive() {
        let detail = CommandError::Unavailable.to_string();
        return Err(Problem::new(Kind::Unavailable, detail));
    }
    Ok(Json(Status::clone(&context.control.status())))
}

pub(crate) async fn events(
    State(context): State<Context>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<EventPage>, Problem> {
    let Query(query) = query.map_err(|rejection| in_query(&rejection))?;
    let after = number_of_an_entry(query.after)?;
    let limit = query.limit.unwrap_or(u32::MAX);
    if limit == 0 {
        let detail = "in the query: limit is 0; expected at least 1";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let entries = context
        .page(after, usize::try_from(limit).unwrap_or(usize::MAX))
        .await?;
    Ok(Json(EventPage {
        events: entries.iter().map(EventDocument::from).collect(),
        next: entries.last().map_or(after, |entry| entry.seq),
    }))
}

/// `GET /api/v1/shadow`: what copies of requests have shown.
pub(crate) async fn shadow(State(context): State<Context>) -> Result<Json<Report>, Problem> {
    if let Some(report) = context.copies.latest() {
        return Ok(Json(Report::clone(&report)));
    }
    let detail = match context.plan().shadow {
        Some(_) => "no copy was compared yet: try again in a second",
        None => "the configuration has no [shadow]: nothing is copied",
    };
    Err(Problem::new(Kind::NotFound, detail))
}

/// The query of `GET /api/v1/explain`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainQuery {
    /// The entry's number; without one, the last entry that has an explanation.
    seq: Option<u64>,
}

/// Entries that are read at once, from the journal's end towards its beginning.
const LOOKED_BACK: u64 = 64;

pub(crate) async fn explain(
    State(context): State<Context>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<EventDocument>, Problem> {
    let Query(query) = query.map_err(|rejection| in_query(&rejection))?;
    let found = match query.seq {
        Some(seq) => entry(&context, number_of_an_entry(seq)?).await?,
        None => last_explained(&context).await?,
    };
    Ok(Json(EventDocument::from(&found)))
}

async fn entry(context: &Context, seq: u64) -> Result<Entry, Problem> {
    let page = context.page(seq.saturating_sub(1), 1).await?;
    let found = page.into_iter().next().filter(|it| it.seq == seq);
    found.ok_or_else(|| {
        let detail = format!("the journal has no entry {seq}; GET /api/v1/events lists them");
        Problem::new(Kind::NotFound, detail)
    })
}

async fn last_explained(context: &Context) -> Result<Entry, Problem> {
    let mut above = context.control.status().seq;
    while above > 0 {
        let after = above.saturating_sub(LOOKED_BACK);
        let mut last = None;
        // Its page may be shorter than what is asked for.
        let mut at = after;
        while at < above {
            let page = context.page(at, usize::MAX).await?;
            let Some(end) = page.last().map(|it| it.seq) else {
                break;
            };
            at = end;
            let mut explained = page.into_iter().filter(|it| it.explanation.is_some());
            last = explained.next_back().or(last);
        }
        if let Some(found) = last {
            return Ok(found);
        }
        above = after;
    }
    let detail =
        "the journal has no decision that is explained: nothing went on, held or went back yet";
    Err(Problem::new(Kind::NotFound, detail))
}

/// `GET /metrics`, for Prometheus.
pub(crate) async fn metrics(State(context): State<Context>) -> Result<Response, Problem> {
    let totals = context.control.totals().await;
    let totals = totals.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    let text = metrics::render(&context.edition.load(), &context.control.status(), &totals);
    let text = text.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// `GET /`: there is nothing to look at but the status.
pub(crate) async fn root() -> Response {
    Redirect::temporary("/api/v1/status").into_response()
}

/// A number that an entry may have: the journal's are positive and of 64 bits with a sign.
pub(crate) fn number_of_an_entry(number: u64) -> Result<u64, Problem> {
    if i64::try_from(number).is_err() {
        let detail = format!(
            "{number} is the number of no entry; expected at most {}",
            i64::MAX
        );
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(number)
}

pub(crate) fn in_query(rejection: &QueryRejection) -> Problem {
    Problem::new(Kind::BadRequest, rejection.body_text())
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Self::new(Kind::Unavailable, format!("{error}: {}", error.0))
    }
}

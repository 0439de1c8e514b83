//! The journal as it grows: `GET /api/v1/events/stream`, as server-sent events.
//!
//! A follower reads the journal from where it stands until it has caught up, then takes entries as they are
//! announced. It is sent each entry once and in order: announced ones that it has are skipped, and whenever
//! it may have missed one (it lagged, or `status` is ahead) it reads the journal again. An entry that is announced
//! before it is on disk, as a rollback is, therefore reaches it either way.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use serde::Deserialize;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{self, error::RecvError},
    watch,
};
use tokio_stream::Stream;

use crate::{
    admin::{
        Context, EventDocument,
        look::{in_query, number_of_an_entry},
        problem::{Kind, Problem},
        server::{Shared, closed},
    },
    cutover::Entry,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often a follower that hears nothing compares itself with `status`.
const CATCH_UP_INTERVAL: Duration = Duration::from_secs(1);

/// How often a silent stream sends a comment, so that proxies keep it and a dead peer is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The query of `GET /api/v1/events/stream`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// Replay entries numbered above this first; `Last-Event-ID` goes before it. Absent: new ones only.
    after: Option<u64>,
}

pub(crate) async fn follow(
    State(shared): State<Shared>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| in_query(&rejection))?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => query.after,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            let bad = || Problem::new(Kind::BadRequest, "Last-Event-ID is no journal number");
            Some(id.ok_or_else(bad)?)
        }
    };
    let after = after.map(number_of_an_entry).transpose()?;
    let permit = Arc::clone(&shared.followers).try_acquire_owned();
    let permit = permit.map_err(|_none_left| {
        let detail = "close other followers, or poll /api/v1/events";
        Problem::new(Kind::TooManyFollowers, detail)
    })?;
    // Listening begins before the position is read, so that nothing falls between them.
    let live = shared.context.control.follow();
    let follower = Follower {
        last: after.unwrap_or_else(|| shared.context.control.status().seq),
        context: shared.context,
        live,
        closing: shared.closing,
        pending: VecDeque::new(),
        announced: None,
        is_behind: true,
        _permit: permit,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE_INTERVAL);
    Ok(Sse::new(Entries::of(follower))
        .keep_alive(keep_alive)
        .into_response())
}

/// One client's place in the journal.
struct Follower {
    context: Context,
    /// The number of the last entry that it was given, or told to start after.
    last: u64,
    live: broadcast::Receiver<Arc<Entry>>,
    closing: watch::Receiver<bool>,
    /// The rest of the page that was read last, all above `last`.
    pending: VecDeque<Entry>,
    /// An announced entry that waits for those before it.
    announced: Option<Arc<Entry>>,
    /// Whether the journal may hold more above `last` and `pending`.
    is_behind: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next entry; `None` when the server closes, or the journal cannot be read, so that the client comes back.
    async fn next(&mut self) -> Option<EventDocument> {
        loop {
            if *self.closing.borrow() {
                return None;
            }
            if let Some(entry) = self.pending.pop_front() {
                self.last = entry.seq;
                return Some(EventDocument::from(&entry));
            }
            if self.is_behind {
                self.read().await?;
                continue;
            }
            if let Some(entry) = self.announced.take().filter(|it| it.seq > self.last) {
                self.last = entry.seq;
                return Some(EventDocument::from(&*entry));
            }
            self.listen().await?;
        }
    }

    /// Waits for an announced entry, or a reason to read the journal; `None` when there will be no more.
    async fn listen(&mut self) -> Option<()> {
        tokio::select! {
            () = closed(&mut self.closing) => return None,
            announced = self.live.recv() => match announced {
                Ok(entry) => {
                    self.is_behind = entry.seq > self.last.saturating_add(1);
                    self.announced = Some(entry);
                }
                Err(RecvError::Lagged(_)) => self.is_behind = true,
                Err(RecvError::Closed) => return None,
            },
            () = tokio::time::sleep(CATCH_UP_INTERVAL) => {
                self.is_behind = self.context.control.status().seq > self.last;
            }
        }
        Some(())
    }

    /// Reads the next page of the journal.
    async fn read(&mut self) -> Option<()> {
        match self.context.page(self.last, usize::MAX).await {
            Ok(page) => {
                self.is_behind = !page.is_empty();
                self.pending.extend(page);
                Some(())
            }
            Err(error) => {
                tracing::warn!(error = %error.0, "a follower was closed: the journal cannot be read");
                None
            }
        }
    }
}

/// [`Follower::next`] over and over, as a stream.
struct Entries {
    next: Pin<Box<dyn Future<Output = (Follower, Option<EventDocument>)> + Send>>,
    is_over: bool,
}

impl Entries {
    fn of(follower: Follower) -> Self {
        Self {
            next: Box::pin(step(follower)),
            is_over: false,
        }
    }
}

async fn step(mut follower: Follower) -> (Follower, Option<EventDocument>) {
    let entry = follower.next().await;
    (follower, entry)
}

impl Stream for Entries {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let (follower, entry) = ready!(self.next.as_mut().poll(context));
        let Some(entry) = entry else {
            self.is_over = true;
            return Poll::Ready(None);
        };
        self.next = Box::pin(step(follower));
        let data = serde_json::to_string(&entry).expect("an entry's numbers and strings are JSON");
        let event = Event::default().event("entry").id(entry.seq.to_string());
        Poll::Ready(Some(Ok(event.data(data))))
    }
}

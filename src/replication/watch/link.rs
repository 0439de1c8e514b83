//! The session with one database, opened again with growing pauses after it failed.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    plan::DatabasePlan,
    replication::{QueryError, Session, causes::with_causes, connect, watch::sample::SampleError},
    units::Side,
};

/// The pause after a first failure, and the longest one; each is twice the one before.
const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// One database.
pub(super) struct Link {
    plan: DatabasePlan,
    session: Option<Session>,
    /// Why there is none.
    why: String,
    retry_at: Option<Instant>,
    pause: Duration,
}

impl Link {
    pub(super) fn new(plan: DatabasePlan) -> Self {
        Self {
            plan,
            session: None,
            why: "not connected yet".to_owned(),
            retry_at: None,
            pause: PAUSE_LEAST,
        }
    }

    /// Opens a session if there is none and the pause is over.
    pub(super) async fn open(&mut self, now: Instant) {
        if self.session.as_ref().is_some_and(Session::is_closed) {
            self.lost("the connection has ended".to_owned());
        }
        if self.session.is_some() || self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        match connect(&self.plan).await {
            Ok(session) => self.session = Some(session),
            Err(error) => self.lost(with_causes(&error)),
        }
    }

    /// The session, or why there is none.
    pub(super) fn session(&self) -> Result<&Session, &str> {
        self.session.as_ref().ok_or(&self.why)
    }

    /// A statement failed. A session that answers with an error is still one; after silence it is none.
    pub(super) fn failed(&mut self, error: &QueryError) {
        let is_answered =
            matches!(error, QueryError::Failed { source, .. } if source.as_db_error().is_some());
        let is_open = self.session.as_ref().is_some_and(|it| !it.is_closed());
        if !is_answered || !is_open {
            self.lost(with_causes(error));
        }
    }

    /// A sample came to nothing here; where and why.
    pub(super) fn missed(&mut self, error: SampleError) -> (Side, String) {
        if let Some(error) = &error.error {
            self.failed(error);
        }
        (error.side, error.why)
    }

    /// Statements are answered.
    pub(super) const fn succeeded(&mut self) {
        self.pause = PAUSE_LEAST;
    }

    fn lost(&mut self, why: String) {
        self.session = None;
        self.why = why;
        self.retry_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MOST);
    }
}

//! How the admin API reaches the control loop.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    control::Status,
    cutover::{Actor, Command, Entry, Refusal},
    measure::{Board, Totals},
    plan::Edition,
};

/// A handle on the control loop, for any thread.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    requests: mpsc::Sender<Request>,
    status: Arc<ArcSwap<Status>>,
    entries: broadcast::Sender<Arc<Entry>>,
}

/// What is asked of the control loop.
#[derive(Debug)]
pub enum Request {
    /// An operator's command.
    Command {
        /// What.
        command: Command,
        /// Who.
        actor: Actor,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// The configuration was read again.
    Reload {
        /// It, with the ids of what it names.
        edition: Edition,
        /// The board of its endpoints.
        board: Arc<Board>,
        /// What differs, in words.
        difference: String,
        /// Who asks.
        actor: Actor,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// The counts since start, for `/metrics`.
    Totals {
        /// Where they go.
        answer: oneshot::Sender<Arc<Totals>>,
    },
}

/// A command that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Done {
    /// The generation in force after it.
    pub generation: u64,
    /// Whether its entry is on disk and stays there, whatever comes: in the journal, or while that cannot be written
    /// in the marker, which keeps rollbacks. A rollback, a hold and a lower weight are carried out without.
    pub recorded: bool,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The core refused it.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The control loop has more to do than it can hold, or has ended.
    #[error("the control loop does not answer")]
    Unavailable,
}

impl ControlHandle {
    /// A handle over the ends that the control loop listens to.
    #[must_use]
    pub const fn new(
        requests: mpsc::Sender<Request>,
        status: Arc<ArcSwap<Status>>,
        entries: broadcast::Sender<Arc<Entry>>,
    ) -> Self {
        Self {
            requests,
            status,
            entries,
        }
    }

    /// The latest status, at most one turn (100 ms) old.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Asks for a command and waits for its answer.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(&self, command: Command, actor: Actor) -> Result<Done, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Command {
            command,
            actor,
            answer,
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| CommandError::Unavailable)?
    }

    /// Puts another edition of the plan in force, and waits for the answer. The setup of that edition is already where the
    /// workers take it from.
    ///
    /// # Errors
    /// See [`CommandError`]; the edition before is in force then.
    pub async fn reload(
        &self,
        edition: Edition,
        board: Arc<Board>,
        difference: String,
        actor: Actor,
    ) -> Result<Done, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Reload {
            edition,
            board,
            difference,
            actor,
            answer,
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| CommandError::Unavailable)?
    }

    /// The counts since start.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] if the control loop has ended.
    pub async fn totals(&self) -> Result<Arc<Totals>, CommandError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Totals { answer }).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered.await.map_err(|_dropped| CommandError::Unavailable)
    }

    /// Whether the control loop still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Every entry from now on, as it is recorded (a rollback: as it is published).
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.entries.subscribe()
    }
}

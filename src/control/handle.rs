//! How the admin API reaches the control loop.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    clock::Clock,
    control::Status,
    cutover::{Actor, Command, DatabaseStep, Decision, DnsStep, Entry, Refusal, Upgrade},
    measure::{Board, Interval, Totals},
    plan::Edition,
    store::{Report, StoreHandle},
};

/// A handle on the control loop, for any thread.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    requests: mpsc::Sender<Request>,
    status: Arc<ArcSwap<Status>>,
    entries: broadcast::Sender<Arc<Entry>>,
    clock: Clock,
}

/// How old the control loop's last word may be, at ten a second, before it counts as stuck.
const DECIDES_WITHIN: Duration = Duration::from_secs(5);

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
    /// Give the lead up, so that another process can open the journal.
    Fence {
        /// Where the answer goes; an error says why not now.
        answer: oneshot::Sender<Result<Fenced, String>>,
    },
    /// Let the other process write to the journal, after [`Request::Fence`].
    Commit {
        /// Whether the loop still stands by, and will not take its lead back by itself.
        answer: oneshot::Sender<bool>,
    },
    /// Lead again, after [`Request::Fence`], for now without a journal.
    TakeBack,
    /// The journal is open again, after the lead was taken back.
    Reopen(Box<Lead>),
    /// Another process leads, after [`Request::Commit`].
    HandOver {
        /// Where what the workers measure goes from now on.
        heir: mpsc::Sender<Interval>,
    },
    /// This process took over from another one.
    Upgraded {
        /// From which, and who asked.
        upgrade: Upgrade,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// A statement is run on a database, or has failed.
    DatabaseStep {
        /// Which, and who asked.
        step: DatabaseStep,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// Write down what is ordered about names in DNS, or given up.
    Dns {
        /// What, and who asked.
        step: DnsStep,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// The process that this one took over from has ended.
    PredecessorEnded,
    /// The counts since start, for `/metrics`.
    Totals {
        /// Where they go.
        answer: oneshot::Sender<Arc<Totals>>,
    },
}

/// What a loop that stands by gave away.
#[derive(Debug)]
pub struct Fenced {
    /// The journal, to be closed.
    pub store: StoreHandle,
    /// Comes when the loop leads again by itself.
    pub is_taken_back: oneshot::Receiver<()>,
}

/// What leading takes: the journal, and where it says that the cutover stands.
#[derive(Debug)]
pub struct Lead {
    /// The store.
    pub store: StoreHandle,
    /// What the store says.
    pub reports: mpsc::Receiver<Report>,
    /// Where the cutover stands, and what is to be done first.
    pub restored: Decision,
    /// Rollbacks in the journal.
    pub rollbacks: u64,
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
        clock: Clock,
    ) -> Self {
        Self {
            requests,
            status,
            entries,
            clock,
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

    /// Has the loop give its lead up, and its journal.
    ///
    /// # Errors
    /// Why not now, in words.
    pub async fn fence(&self) -> Result<Fenced, String> {
        let (answer, answered) = oneshot::channel();
        let unavailable = || CommandError::Unavailable.to_string();
        let sent = self.requests.send(Request::Fence { answer }).await;
        sent.map_err(|_closed| unavailable())?;
        answered.await.map_err(|_dropped| unavailable())?
    }

    /// Whether a loop that gave its lead up still stands by. If so it will not take it back by itself any more.
    pub async fn commit(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Commit { answer }).await;
        sent.is_ok() && answered.await.unwrap_or(false)
    }

    /// Has a loop that gave its lead up lead again, for now without a journal.
    pub async fn take_back(&self) {
        self.tell(Request::TakeBack).await;
    }

    /// Gives a loop that leads again its journal.
    pub async fn reopen(&self, lead: Lead) {
        self.tell(Request::Reopen(Box::new(lead))).await;
    }

    /// Has a loop that gave its lead up pass on what the workers measure.
    pub async fn hand_over(&self, heir: mpsc::Sender<Interval>) {
        self.tell(Request::HandOver { heir }).await;
    }

    /// Tells that the process has ended that this one took over from.
    pub async fn predecessor_ended(&self) {
        self.tell(Request::PredecessorEnded).await;
    }

    /// Writes down that this process took over.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn upgraded(&self, upgrade: Upgrade) -> Result<Done, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Upgraded { upgrade, answer };
        let sent = self.requests.send(request).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| CommandError::Unavailable)?
    }

    /// Writes down that a statement is run on a database, or has failed.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn database_step(&self, step: DatabaseStep) -> Result<Done, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::DatabaseStep { step, answer };
        let sent = self.requests.send(request).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| CommandError::Unavailable)?
    }

    /// Writes down what is ordered about names in DNS, or given up. It is in force then; what it orders may be done once the
    /// answer says that it is recorded.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn dns(&self, step: DnsStep) -> Result<Done, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Dns { step, answer };
        let sent = self.requests.send(request).await;
        sent.map_err(|_closed| CommandError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| CommandError::Unavailable)?
    }

    async fn tell(&self, request: Request) {
        if self.requests.send(request).await.is_err() {
            tracing::error!("the control loop has ended");
        }
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

    /// How long the control loop has said nothing, where that is too long: it hangs, and nobody watches new.
    #[must_use]
    pub fn stuck_for(&self) -> Option<Duration> {
        let silence = self.clock.timestamp().since(self.status.load().at);
        (silence >= DECIDES_WITHIN).then_some(silence)
    }

    /// Every entry from now on, as it is recorded (a rollback: as it is published).
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.entries.subscribe()
    }
}

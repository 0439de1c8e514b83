//! What the API asks of the process itself, which is not the control loop's: reading the configuration again, another
//! process in its place, and databases set up for replication.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::{
    admin::{DnsAnswer, DnsError, DnsReply, DnsRequest},
    cutover::Actor,
    plan::Secret,
    units::{PerSide, Side},
};

/// Orders that wait; one is carried out at a time, and takes a moment.
const ORDERS_MAX: usize = 8;

/// One order.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration again.
    Reload {
        /// Who asks.
        actor: Actor,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Reloaded, ReloadError>>,
    },
    /// Start the program anew and hand over to it.
    Upgrade {
        /// Who asks.
        actor: Actor,
        /// Where the answer goes.
        answer: UpgradeReply,
    },
    /// Show, or run, what is due to set a replication up.
    SetUp {
        /// Which, and how.
        request: SetUp,
        /// Who asks.
        actor: Actor,
        /// Where the answer goes.
        answer: SetUpReply,
    },
    /// Show, or give, an order about names in DNS.
    Dns {
        /// Which.
        request: DnsRequest,
        /// Who asks.
        actor: Actor,
        /// Where the answer goes.
        answer: DnsReply,
    },
}

/// Where the answer to a set-up goes.
pub type SetUpReply = oneshot::Sender<Result<SetUpAnswer, SetUpError>>;

/// A replication to be set up.
#[derive(Debug)]
pub struct SetUp {
    /// As the plan names it; not needed where the plan has one.
    pub name: Option<String>,
    /// Who may make roles, publications and subscriptions; kept for this request only.
    pub logins: PerSide<DatabaseLogin>,
    /// Without it steps are only shown.
    pub consent: Option<Consent>,
}

/// A role of a database.
#[derive(Debug)]
pub struct DatabaseLogin {
    /// Its name.
    pub user: String,
    /// Its password, where the server asks for one.
    pub password: Option<Secret>,
}

/// The word that steps may be run.
#[derive(Debug)]
pub struct Consent {
    /// The `steps` of the answer that showed them.
    pub steps: String,
    /// The password that servers read each other with.
    pub password: Secret,
    /// Whether to go on although the check has found faults.
    pub despite_faults: bool,
}

/// What is due on the databases, or was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUpAnswer {
    /// The replication.
    pub name: String,
    /// Whether the steps were run; if not they are only shown.
    pub applied: bool,
    /// Stands for exactly these steps; to consent is to send it back.
    pub consent: String,
    /// In their order; none where nothing is due.
    pub steps: Vec<SetUpStep>,
    /// What the check has found that should be put right before.
    pub faults: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUpStep {
    /// Whose database.
    pub side: Side,
    /// What it makes.
    pub title: String,
    /// Why it stands where it stands.
    pub why: String,
    /// The statements, with a word where a password goes.
    pub sql: String,
    /// What takes it back.
    pub undo: Option<String>,
}

/// Why steps were not run, or not all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// The plan has no such replication.
    #[error("{0}")]
    Unknown(String),
    /// Not now, or not so. Nothing was run.
    #[error("{0}")]
    Refused(String),
    /// A database did not do what it was asked.
    #[error("{0}")]
    Failed(String),
    /// Nobody carries orders out.
    #[error("this process sets nothing up: ask again in a moment, of the one that leads then")]
    Unavailable,
}

/// Where the answer to an upgrade goes.
pub type UpgradeReply = oneshot::Sender<Result<Upgraded, UpgradeError>>;

/// Another process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// Its process id.
    pub pid: u32,
}

/// Why this process still leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The other one did not get ready.
    #[error("{0}; this process goes on as before")]
    Failed(String),
    /// Not now.
    #[error("{0}")]
    Refused(String),
    /// Nobody carries orders out.
    #[error("this process hands over already: ask again in a moment, of the one that leads then")]
    Unavailable,
}

/// A configuration that came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The generation in force, the same as before.
    pub generation: u64,
    /// Whether its entry is in the journal.
    pub recorded: bool,
    /// What differs from the configuration before.
    pub changes: Vec<String>,
    /// What may not be what was meant.
    pub warnings: Vec<String>,
}

/// Why the configuration before is still in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read, or is wrong, or names a certificate that cannot be used: one fault a line.
    #[error("{0}")]
    Configuration(String),
    /// It changes what cannot change while the program runs.
    #[error(
        "{}; that cannot change while the program runs: put it back, or restart or upgrade the program",
        .0.join("; ")
    )]
    Fixed(Vec<String>),
    /// It cannot come into force now.
    #[error("{0}")]
    Refused(String),
    /// Nobody carries orders out.
    #[error("this process does not reload")]
    Unavailable,
}

/// Gives orders, from any thread.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// The two ends: who gives orders, and who carries them out.
#[must_use]
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    let (sender, receiver) = mpsc::channel(ORDERS_MAX);
    (Orders(sender), receiver)
}

impl Orders {
    /// Has the configuration read again, and waits for what comes of it.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub async fn reload(&self, actor: Actor) -> Result<Reloaded, ReloadError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Order::Reload { actor, answer }).await;
        sent.map_err(|_closed| ReloadError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| ReloadError::Unavailable)?
    }

    /// Has another process take over, and waits until it has.
    ///
    /// # Errors
    /// See [`UpgradeError`].
    pub async fn upgrade(&self, actor: Actor) -> Result<Upgraded, UpgradeError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Order::Upgrade { actor, answer }).await;
        sent.map_err(|_closed| UpgradeError::Unavailable)?;
        answered
            .await
            .map_err(|_dropped| UpgradeError::Unavailable)?
    }

    /// Shows, or gives, an order about names in DNS. It is carried out after the answer.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn dns(&self, request: DnsRequest, actor: Actor) -> Result<DnsAnswer, DnsError> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Dns {
            request,
            actor,
            answer,
        };
        let sent = self.0.send(order).await;
        sent.map_err(|_closed| DnsError::Unavailable)?;
        answered.await.map_err(|_dropped| DnsError::Unavailable)?
    }

    /// Shows, or runs, what is due to set a replication up, and waits for what comes of it.
    ///
    /// # Errors
    /// See [`SetUpError`].
    pub async fn set_up(&self, request: SetUp, actor: Actor) -> Result<SetUpAnswer, SetUpError> {
        let (answer, answered) = oneshot::channel();
        let order = Order::SetUp {
            request,
            actor,
            answer,
        };
        let sent = self.0.send(order).await;
        sent.map_err(|_closed| SetUpError::Unavailable)?;
        answered.await.map_err(|_dropped| SetUpError::Unavailable)?
    }
}

//! What the API asks of the process itself, which is not the control loop's: reading the configuration again.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::cutover::Actor;

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
        "{}; that cannot change while the program runs: put it back, or restart the program",
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
}

//! Transactions that go on.

use serde::Deserialize;

/// One that a new slot has to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) kind: TransactionKind,
    /// The identifier of a prepared one, the process of an open one.
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) age_s: u64,
}

/// Whether somebody is still there to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TransactionKind {
    /// It waits for its second commit, connected or not.
    Prepared,
    /// A session has it open.
    Open,
}

//! The admin API: how people and scripts look at a cutover and steer it.
//!
//! It decides nothing: commands go to the control loop and its answers come back. Every route stands in one
//! table (`route`) with the role that it needs; `origin` keeps web pages out, `access` strangers, `peers` floods.
//! Errors are RFC 9457 problem documents (`problem`).

mod access;
mod body;
mod context;
mod dns;
mod document;
mod health;
mod journal;
mod look;
mod metrics;
mod openapi;
mod orders;
mod origin;
mod peers;
mod problem;
mod rate;
mod reload;
mod route;
mod server;
mod set_up;
mod steer;
mod stream;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use context::Context;
pub use dns::{DnsAnswer, DnsError, DnsReply, DnsRequest, DnsWay};
pub use document::{ChangeDocument, EventDocument, EventPage, GateDocument};
pub use journal::{Journal, JournalError};
pub use metrics::{CONTENT_TYPE, MetricsError, render};
pub use orders::{
    Consent, DatabaseLogin, Order, Orders, ReloadError, Reloaded, SetUp, SetUpAnswer, SetUpError,
    SetUpReply, SetUpStep, UpgradeError, UpgradeReply, Upgraded, orders,
};
pub use problem::ProblemDocument;
pub use server::serve;

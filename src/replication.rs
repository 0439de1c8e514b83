//! Databases that replicate from old to new, as an adapter to the world outside.
//!
//! [`connect()`] opens a [`Session`] with one database; everything that is read from it, or written to it, goes through one.
//! Nothing here decides: what was read is handed over.
//!
//! `catalog` is what a database says about itself. From two of them `check` tells what stands in the way, and `setup`
//! which statements are still to be run; both are pure. `verify` compares the rows of both sides while they change.

pub(crate) mod catalog;
mod causes;
pub(crate) mod check;
mod connect;
mod session;
pub(crate) mod setup;
mod trust;
pub(crate) mod verify;
mod watch;

pub use connect::{ConnectError, connect};
pub use session::{QueryError, Session};
pub use trust::TrustError;
pub use watch::watch;

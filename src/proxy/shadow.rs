//! Copies of requests that old has answered: kept by workers while they pass, sent and compared on a thread of their own.
//!
//! ```text
//! relay ─▶ tap (the request) ─▶ reply ─▶ body ─▶ tap (old's answer) ─▶ desk ─▶ copier ─▶ shadow/tally ─▶ shadow/board
//! ```
//!
//! A worker never waits for a copy: what finds no room is dropped and counted. One number bounds everything, the copies
//! from the moment that one is drawn until it is compared, and with the limit on bodies that bounds the memory.

mod condition;
mod copier;
mod desk;
mod tap;

pub(crate) use copier::{Copier, spawn};
pub use desk::{CopyDesk, CopyQueue};
pub(crate) use desk::{Original, Seat};
pub(crate) use tap::Tap;

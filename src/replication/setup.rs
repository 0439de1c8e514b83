//! The statements that set replication up, in both directions, in the order that the versions found demand.
//!
//! Two catalogs and the plan in, steps out, without any IO. What is there already is left out, so that the same command
//! tells what is still missing after some of it was done. [`open`] is apart from that: it finds out what is due, and runs it.

mod apply;
mod render;
mod sql;
mod statements;
mod steps;

#[cfg(test)]
mod tests;

pub(crate) use apply::{Journal, Login, open};
pub(crate) use render::script;
pub(crate) use steps::{Moment, Step, due, steps};

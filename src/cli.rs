//! The command line: one file a command, and one place where its end becomes an exit code.

mod arguments;
mod client;
mod command;
mod exit;
mod figures;
mod logging;
mod output;
mod page;

mod check;
mod completions;
mod demo;
mod dns;
mod drill;
mod events;
mod explain;
mod force_token;
mod man;
mod ramp;
mod reload;
mod replay;
mod replication;
mod rollback;
mod serve;
mod shadow;
mod status;
mod upgrade;
mod watch;
mod weight;

#[cfg(test)]
mod tests;

pub use command::{command, main};

//! The real binary with real clients and real environments, each a process of its own.
//!
//! `harness/` starts and cleans up; every other module is one kind of promise. Tests that load the machine
//! take turns ([`harness::turn`]), so that none measures another one's noise.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::let_underscore_must_use,
    let_underscore_drop,
    unreachable_pub,
    reason = "a test fails by panicking, prints what it measured, cleans up what may be gone, and is no library"
)]

mod access;
mod answers;
mod changes;
mod clients;
mod closing;
mod conformance;
mod crash;
mod demonstration;
mod dns;
mod drilling;
mod evidence;
mod exactly_once;
mod faults;
mod harness;
mod holding;
mod limits;
mod reaction;
mod reload;
mod replaying;
mod replication;
mod secrets;
mod series;
mod shadow;
mod soak;
mod steering;
mod streams;
mod supervised;
mod tls;
mod upgrade;

//! The file as users write it, read into the [`Plan`](crate::plan::Plan) that everything else trusts.
//!
//! A file is walked as a tree of values that know their place, so that every fault of it is reported at once, as
//! `file:line:column`, with what was found, what was expected and the nearest valid word. Nothing past this
//! module checks a plan again. `document` reads the whole file, one module beside it reads each section,
//! `reader` is what they read with, `scalar` the values written as text, and `describe` says a plan in words.

mod admin;
mod defaults;
mod describe;
mod dns;
mod document;
mod evidence;
mod fault;
mod file;
mod forwarding;
mod gate;
mod limits;
mod listener;
mod load;
mod nearest;
mod ramp;
mod reader;
mod replication;
mod resolver;
mod rollback;
mod route;
mod scalar;
mod secret;
mod shadow;
mod split;
mod store;
mod syntax;
mod timeouts;
mod trigger;
mod upstream;
mod urls;
mod warning;

#[cfg(test)]
mod tests;

pub use describe::describe;
pub use fault::{Complaint, Fault, Faults, LoadError, Place};
pub use load::{Loaded, load, parse, parse_recorded};
pub use urls::from_urls;
pub use warning::Warning;

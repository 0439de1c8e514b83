//! Why the program cannot serve, and what to do about it.

use std::{error::Error, io, net::SocketAddr, path::PathBuf};

use crate::{
    cutover::ReplayError,
    proxy::StartError,
    store::{OpenError, ReadError, RecordError},
};

/// Why serving did not begin. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal can be read, but not by its own rules.
    #[error(
        "the journal {} does not make sense: restore it from a backup, or move it away to begin anew at weight 0",
        path.display()
    )]
    Replay {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ReplayError,
    },
    /// The first entry of a new journal cannot be recorded.
    #[error("cannot begin the journal {}: its disk must be writable and have room", path.display())]
    Begin {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// The journal cannot be opened a second time, for the admin API.
    #[error(transparent)]
    Reader(#[from] ReadError),
    /// The system gives no random bits for the assignment salt.
    #[error("the system gives no random bits")]
    Random(#[source] getrandom::Error),
    /// The admin API's address cannot be bound.
    #[error(
        "cannot listen on {address} for the admin API{}",
        hint(source, Address::Admin)
    )]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data plane cannot start.
    #[error("cannot start the data plane{}", listener_hint(source))]
    Proxy {
        /// Why.
        #[source]
        source: StartError,
    },
    /// A socket that systemd passes is none to listen on.
    #[error(
        "socket {} of those that systemd passes cannot be used: expected a TCP socket that listens (ListenStream= without Accept=)",
        place + 1
    )]
    Passed {
        /// Its place among them, from 0.
        place: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket that systemd passes has no address of the plan.
    #[error(
        "systemd passes a socket for {address}, where nothing is configured to listen (there is {planned}): let ListenStream= \
         and the address of a [[listener]] or of [admin] agree"
    )]
    Unplanned {
        /// The socket's.
        address: SocketAddr,
        /// The plan's.
        planned: String,
    },
    /// The process before does not hand over.
    #[error("cannot take over from the running process")]
    TakeOver(#[source] io::Error),
    /// A thread, its runtime or the signal handlers cannot be made.
    #[error("cannot start the {what}")]
    Thread {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Which address of the plan a bind was for.
#[derive(Clone, Copy)]
enum Address {
    Admin,
    Listener,
}

fn listener_hint(error: &StartError) -> &'static str {
    let source = error.source();
    let source = source.and_then(|it| it.downcast_ref::<io::Error>());
    source.map_or("", |it| hint(it, Address::Listener))
}

/// What to do about an address that cannot be bound.
fn hint(error: &io::Error, of: Address) -> &'static str {
    match (error.kind(), of) {
        (io::ErrorKind::AddrInUse, Address::Admin) => {
            ": another process listens there; stop it, or change [admin] address"
        }
        (io::ErrorKind::AddrInUse, Address::Listener) => {
            ": another process listens there; stop it, or change the [[listener]] address"
        }
        (io::ErrorKind::PermissionDenied, Address::Admin | Address::Listener) => {
            ": ports below 1024 need the capability CAP_NET_BIND_SERVICE; give it, or take a higher port"
        }
        (io::ErrorKind::AddrNotAvailable, Address::Admin | Address::Listener) => {
            ": this machine has no such address"
        }
        _ => "",
    }
}

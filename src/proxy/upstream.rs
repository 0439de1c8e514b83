//! The upstream leg: which endpoint of a side takes a request, over which connection, and how the request is sent.
//!
//! `lease → choose → endpoint → pool → (dial → tls → connection) → send → body → pool`. A worker owns one
//! [`Upstreams`]; nothing in here is shared with another thread but the board of endpoints and the runs of failed
//! connects. The caller chooses the side, decides what may be sent again, and times the response; this part
//! promises that a connection is used again only if both bodies of its last exchange ended cleanly, and that it
//! says so when not a byte of a request was sent.

mod body;
mod choose;
mod connection;
mod dial;
mod ejection;
mod endpoint;
mod error;
mod guard;
mod http1;
mod idle_connections;
mod lease;
mod outage;
mod pool;
mod slots;
mod socket;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod upload;
mod upstreams;

pub(crate) use body::{UpstreamBody, UpstreamTunnel};
pub use choose::choose;
pub(crate) use dial::{Target, Want, dial};
pub(crate) use endpoint::Endpoint;
pub(crate) use error::{BreakKind, ConnectError, DialError, SendError};
pub use idle_connections::IdleConnections;
pub(crate) use lease::Lease;
pub(crate) use socket::{Protocol, Socket};
pub use tls::{ClientTls, TlsError};
pub(crate) use upstreams::{Chain, Upstreams};

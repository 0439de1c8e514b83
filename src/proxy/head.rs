//! Everything that is decided from a request's or a response's head alone: pure functions.
//!
//! The order for one request, and the file of each step:
//!
//! 1. [`admit_h2`] refuses what two parsers could read differently; of HTTP/1 its reader has refused that already.
//! 2. [`target_of`] and [`normalize_path`] say what routing looks at.
//! 3. [`identify`] finds the client's address behind trusted peers, [`recognize`] the client's key, and
//!    [`take_force`] a tester's override.
//! 4. [`strip_request`] removes what belongs to one hop; [`forward`], [`stamp_request`] and [`translate()`] write what
//!    the endpoint shall see.
//! 5. [`finish_response`] does the same for the way back.
//!
//! No function here reads a clock, draws a random number or does I/O.

mod admission;
mod authority;
mod fields;
mod force;
mod forwarded;
mod hop_by_hop;
mod limits;
mod message;
pub(crate) mod names;
mod path;
mod response;
mod sticky;
mod target;
mod trace;
mod translate;

pub use admission::admit_h2;
pub use authority::Authority;
pub use fields::{FieldName, Fields, Name};
pub use force::{force_token, take_force};
pub use forwarded::{Client, ClientScheme, Peer, Trust, forward, identify};
pub use hop_by_hop::{
    RequestHop, UpgradeProtocol, granted_upgrade, set_upgrade, strip_request, strip_response,
    strip_trailers, takes_trailers,
};
pub use limits::{HeadLimits, Underscores};
pub use message::{RequestHead, ResponseHead};
pub(crate) use path::is_path_and_query;
pub use path::normalize_path;
pub use response::{ResponseContext, X_CHANGEOVER_ERROR, finish_response};
pub use sticky::{ClientId, Identity, recognize};
pub use target::{RequestTarget, target_of};
pub use trace::{TraceSource, stamp_request, via};
pub use translate::{BodyFraming, Destination, Protocol, host_sent, translate};

//! What a request is for: its authority and path.

use http::request;

use crate::{measure::Rejection, proxy::head::Authority};

/// The authority and the raw path that a request names.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget<'a> {
    /// The authority; `None` only for HTTP/1.0 without `Host`.
    pub authority: Option<Authority<'a>>,
    /// The path, byte for byte, without the query.
    pub path: &'a str,
}

/// Reads the target of a request of either protocol.
///
/// # Errors
/// [`Rejection::Malformed`] when there is no authority, or two that differ.
pub fn target_of(_head: &request::Parts) -> Result<RequestTarget<'_>, Rejection> {
    todo!()
}

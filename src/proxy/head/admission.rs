//! What of an HTTP/2 request is refused: the checks that [`super::Guard`] makes on raw HTTP/1 heads.

use http::request;

use crate::{measure::Rejection, proxy::head::GuardLimits};

/// Checks the head of an HTTP/2 request.
///
/// # Errors
/// The reason to refuse it.
pub fn admit_h2(_head: &request::Parts, _limits: &GuardLimits) -> Result<(), Rejection> {
    todo!()
}

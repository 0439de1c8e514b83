//! The path that routing looks at.

use std::borrow::Cow;

use crate::measure::Rejection;

/// Normalises a path for routing.
///
/// # Errors
/// [`Rejection::Malformed`] when servers could read it as different paths.
pub fn normalize_path(_path: &str) -> Result<Cow<'_, str>, Rejection> {
    todo!()
}

//! The limits on a request's head, in either protocol.

pub use crate::plan::Underscores;

use crate::plan::Limits;

/// The limits on a request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of one head.
    pub head_bytes: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
    /// Bytes of one field's line, without its line end.
    pub header_bytes: usize,
    /// Header fields.
    pub headers: usize,
    /// The rule for underscores.
    pub underscores: Underscores,
}

impl From<&Limits> for HeadLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            head_bytes: limits.head_bytes,
            target_bytes: limits.target_bytes,
            header_bytes: limits.header_bytes,
            headers: limits.headers,
            underscores: limits.underscores,
        }
    }
}

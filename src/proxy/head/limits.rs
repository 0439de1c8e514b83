//! The limits on a request's head, in either protocol.

use crate::plan::Limits;

/// Whether header names may hold underscores, which some servers read as hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// They are refused.
    Refuse,
    /// They pass.
    Accept,
}

/// The limits on a request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of one head.
    pub head_bytes: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
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
            headers: limits.headers,
            underscores: Underscores::Refuse,
        }
    }
}

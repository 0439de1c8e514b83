//! Bounds of hyper and of HTTP/2 on the buffers that either leg may be given.

/// The smallest buffer that hyper accepts.
pub(crate) const BUFFER_MIN: usize = 8192;

/// The largest window that HTTP/2 allows (RFC 9113 section 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// The window for so many bytes, as far as HTTP/2 allows.
pub(crate) fn window(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(WINDOW_MAX)
}

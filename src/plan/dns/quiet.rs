//! When the old address is quiet: what the end of the proxy waits for after a move.

use std::time::Duration;

/// The longest window that requests are counted within.
const WINDOW_MAX: Duration = Duration::from_secs(60);

/// So few requests, for so long: `"under 5/min for 6h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Fewer requests than this a minute, on all listeners together; at least 1.
    pub under: u32,
    /// For how long without a break; at least a second.
    pub span: Duration,
}

impl Quiet {
    /// Fewer than 5 requests a minute for 6 hours: less than what a single client with a page open makes.
    pub const DEFAULT: Self = Self {
        under: 5,
        span: Duration::from_secs(6 * 3600),
    };

    /// The window in which requests are counted: a minute, or the whole span where that is shorter.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.span.min(WINDOW_MAX)
    }

    /// Whether so many requests within the window are few enough.
    #[must_use]
    pub fn allows(&self, requests: u64) -> bool {
        self.per_minute(requests) < f64::from(self.under)
    }

    /// So many requests within the window, as a rate per minute.
    #[must_use]
    pub fn per_minute(&self, requests: u64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 requests are more than a window ever holds"
        )]
        let requests = requests as f64;
        requests * 60.0 / self.window().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_span_is_counted_as_a_whole() {
        let quiet = |under, seconds| Quiet {
            under,
            span: Duration::from_secs(seconds),
        };
        assert_eq!(Quiet::DEFAULT.window(), Duration::from_secs(60));
        assert!(Quiet::DEFAULT.allows(4) && !Quiet::DEFAULT.allows(5));
        // 60 a minute are 5 within 5 s.
        assert_eq!(quiet(60, 5).window(), Duration::from_secs(5));
        assert!(quiet(60, 5).allows(4) && !quiet(60, 5).allows(5));
    }
}

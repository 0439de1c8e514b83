//! The only reader of clocks. Everything else takes the time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;

/// Turns monotonic instants into [`Timestamp`]s that never run backwards, and reads the wall beside them.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// Reads the wall once; later timestamps add elapsed monotonic time to it.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: now(),
            started_at: wall(),
        }
    }

    /// As [`Clock::start`], but never before `latest`: what the journal has already recorded.
    #[must_use]
    pub fn start_after(latest: Timestamp) -> Self {
        Self {
            started: now(),
            started_at: wall().max(latest),
        }
    }

    /// A clock that says this time now.
    #[cfg(test)]
    pub(crate) fn starting_at(at: Timestamp) -> Self {
        Self {
            started: now(),
            started_at: at,
        }
    }

    /// What another process's clock said when the system's monotonic clock showed the mark: the same time goes on.
    #[must_use]
    pub fn going_on_from(mark: Mark) -> Self {
        let passed = monotonic().saturating_sub(mark.monotonic);
        Self {
            started: now(),
            started_at: mark.at.after(passed),
        }
    }

    /// The time now, for another process on this machine.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            monotonic: monotonic(),
            at: self.timestamp(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp_of(now())
    }

    /// The time of an instant of this process.
    #[must_use]
    pub fn timestamp_of(&self, instant: Instant) -> Timestamp {
        self.started_at
            .after(instant.saturating_duration_since(self.started))
    }
}

/// A moment by the clock of a process, and by the monotonic one that all processes of this machine share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    monotonic: Duration,
    at: Timestamp,
}

/// The clock that [`now`] reads, as other processes see it.
fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, which an administrator or NTP may set; only for comparing it with [`Clock::timestamp`].
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_micros(0).after(since_epoch)
}

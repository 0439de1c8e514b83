//! When each step could begin at the earliest, and the ramp be complete.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::{
    plan::{RampPlan, Window},
    units::Timestamp,
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The earliest times of a ramp that is started now: bakes go on at any hour, but the start, each advance and the
/// completion wait for the window.
#[derive(Debug)]
pub(super) struct Timetable {
    /// When each step begins.
    pub(super) starts: Vec<Timestamp>,
    /// When the last step has baked and may end.
    pub(super) complete: Timestamp,
    zone: TimeZone,
}

impl Timetable {
    /// The table of a ramp.
    pub(super) fn new(ramp: &RampPlan, now: Timestamp) -> Self {
        let window = ramp.window.as_ref();
        let mut starts = Vec::new();
        let mut at = now;
        for step in &ramp.steps {
            at = opening(window, at);
            starts.push(at);
            at = at.after(step.bake);
        }
        Self {
            starts,
            complete: opening(window, at),
            zone: window.map_or(TimeZone::UTC, |it| it.zone.clone()),
        }
    }

    /// A time on the window's wall clock; in UTC without a window.
    pub(super) fn shown(&self, at: Timestamp) -> String {
        let local = at.calendar().to_zoned(self.zone.clone());
        local.strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }
}

/// `at` itself if the window is open then, else its next opening.
fn opening(window: Option<&Window>, at: Timestamp) -> Timestamp {
    match window {
        // A daylight saving gap can swallow a short stretch, so that the next opening is a week later still.
        Some(window) if !window.is_open(at) => (0..4)
            .find_map(|weeks| window.next_opening(at.after(WEEK * weeks)))
            .unwrap_or(at),
        Some(_) | None => at,
    }
}

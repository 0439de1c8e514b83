//! What the demo says at its end, and whether the scenario ended as it must.

use std::{fmt, time::Duration};

use crate::{
    control::{RollbackStatus, Status},
    demo::{Scenario, story::COLUMNS},
    units::Timestamp,
};

/// What happened.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The scenario.
    pub scenario: Scenario,
    /// Requests that the clients sent.
    pub requests: u64,
    /// Errors that the clients saw.
    pub errors: u64,
    /// When the new side was broken.
    pub fault_at: Option<Timestamp>,
    /// The last status.
    pub status: Status,
    /// How long the demo ran.
    pub took: Duration,
}

/// Whether the scenario ended as it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    AsItMust,
    /// It did not.
    Otherwise,
}

impl Summary {
    /// `healthy` must complete without a rollback; the others must be rolled back by a trigger, with nothing
    /// left on new.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let rollback = self.status.last_rollback.as_ref();
        let good = match self.scenario {
            Scenario::Healthy => self.status.ramp.state == "complete" && rollback.is_none(),
            Scenario::Errors | Scenario::Slow | Scenario::Dead => {
                self.status.ramp.state == "rolled_back"
                    && self.status.weight == 0.0
                    && rollback.is_some_and(|it| it.cause.starts_with("trigger:"))
            }
        };
        if good {
            Verdict::AsItMust
        } else {
            Verdict::Otherwise
        }
    }

    fn rollback(&self) -> Option<&RollbackStatus> {
        self.status.last_rollback.as_ref()
    }

    fn fault_to_weight_0(&self) -> Option<Duration> {
        Some(self.rollback()?.at.since(self.fault_at?))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = &self.status.sides;
        writeln!(f, "Summary of the scenario \"{}\"", self.scenario)?;
        writeln!(
            f,
            "  ended             {} at weight {} % after {:.1} s",
            self.status.ramp.state.replace('_', " "),
            self.status.weight,
            self.took.as_secs_f64()
        )?;
        if let Some(rollback) = self.rollback() {
            writeln!(f, "  cause             {}", rollback.cause)?;
            let indent = " ".repeat(20);
            let options = textwrap::Options::new(COLUMNS)
                .initial_indent(&indent)
                .subsequent_indent(&indent);
            writeln!(f, "{}", textwrap::fill(&rollback.detail, options))?;
        }
        if let Some(span) = self.fault_to_weight_0() {
            let millis = span.as_millis();
            writeln!(f, "  fault to weight 0 {millis} ms")?;
        }
        writeln!(
            f,
            "  clients           {} requests, {} errors seen ({:.2} %)",
            self.requests,
            self.errors,
            percent(self.errors, self.requests)
        )?;
        writeln!(
            f,
            "  environments      old {} requests, {} errors; new {} requests, {} errors,",
            sides.old.requests, sides.old.errors, sides.new.requests, sides.new.errors
        )?;
        writeln!(
            f,
            "                    {} of them answered by old instead",
            sides.new.failovers
        )?;
        match self.verdict() {
            Verdict::AsItMust => f.write_str("  verdict           ended as it must"),
            Verdict::Otherwise => f.write_str("  verdict           DID NOT END AS IT MUST"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

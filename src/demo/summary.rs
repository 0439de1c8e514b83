//! What the demo says at its end, and whether the scenario ended as it must.

use std::{fmt, time::Duration};

use crate::{
    control::{DnsOrderStatus, RollbackStatus, Status},
    cutover::DnsPurpose,
    demo::{Scenario, Traffic, story::COLUMNS},
    units::Timestamp,
};

/// What happened.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The scenario.
    pub scenario: Scenario,
    /// Requests that the clients sent.
    pub traffic: Traffic,
    /// Errors that the clients saw.
    pub errors: u64,
    /// Requests that came to new past the proxy.
    pub arrived: u64,
    /// How often clients looked the name up.
    pub lookups: u64,
    /// How often that had no answer.
    pub unanswered: u64,
    /// Requests since every answer from before the move has run out, and for how long that was; `None` where names lead to the
    /// proxy.
    pub afterwards: Option<(Traffic, Duration)>,
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
    /// `healthy` must complete without a rollback, and `drill` without an error that a client saw; names must have moved; the others must be rolled back by a trigger, with
    /// nothing left on new and with names where they were. No lookup may be without an answer.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_healthy = self.status.ramp.state == "complete" && self.rollback().is_none();
        let is_back = self.status.ramp.state == "rolled_back"
            && self.status.weight == 0.0
            && self
                .rollback()
                .is_some_and(|it| it.cause.starts_with("trigger:"));
        let has_stayed = self.is_served(DnsPurpose::LowerTtl) && self.traffic.direct == 0;
        let good = match self.scenario {
            Scenario::Healthy => is_healthy && self.has_moved() && self.lost() == 0,
            Scenario::Drill => self.was_drilled() && self.has_moved() && self.lost() == 0,
            Scenario::AfterMove => is_back && self.is_served(DnsPurpose::Revert),
            Scenario::Errors | Scenario::Slow | Scenario::Dead => is_back && has_stayed,
        };
        if good && self.unanswered == 0 {
            Verdict::AsItMust
        } else {
            Verdict::Otherwise
        }
    }

    /// Whether the drill was passed, no client saw an error, and the ramp went on to its end.
    fn was_drilled(&self) -> bool {
        let drill = self.status.drill.as_ref();
        let is_passed = drill.is_some_and(|it| it.state == "passed");
        is_passed && self.errors == 0 && self.status.ramp.state == "complete"
    }

    fn has_moved(&self) -> bool {
        self.is_served(DnsPurpose::Move) && self.afterwards.is_some_and(|(it, _)| it.direct > 0)
    }

    /// Whether this was the last order about names, and every server says so.
    fn is_served(&self, purpose: DnsPurpose) -> bool {
        let order = self.order().filter(|it| it.purpose == purpose);
        order.is_some_and(|it| it.served_at.is_some())
    }

    fn order(&self) -> Option<&DnsOrderStatus> {
        self.status.dns.as_ref()?.order.as_ref()
    }

    /// Requests that neither side has counted.
    fn lost(&self) -> u64 {
        let sides = &self.status.sides;
        let counted = sides.old.requests + sides.new.requests + self.arrived;
        self.requests().saturating_sub(counted)
    }

    const fn requests(&self) -> u64 {
        self.traffic.proxied + self.traffic.direct
    }

    fn rollback(&self) -> Option<&RollbackStatus> {
        self.status.last_rollback.as_ref()
    }

    /// What became of names, and how clients came by them.
    fn names(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served_at = self.order().and_then(|it| it.served_at);
        let after = |earlier: Option<Timestamp>| {
            let span = served_at.zip(earlier);
            span.map_or(0.0, |(at, earlier)| at.since(earlier).as_secs_f64())
        };
        if self.is_served(DnsPurpose::Move) {
            let span = after(self.status.ramp.since);
            writeln!(
                f,
                "  names             moved, everywhere {span:.1} s after the shift"
            )?;
        } else if self.is_served(DnsPurpose::Revert) {
            let span = after(self.rollback().map(|it| it.at));
            writeln!(
                f,
                "  names             moved, and back everywhere {span:.1} s after weight 0"
            )?;
        } else {
            writeln!(
                f,
                "  names             stayed: the shift was never complete"
            )?;
        }
        writeln!(
            f,
            "  lookups           {}, {} without an answer",
            self.lookups, self.unanswered
        )?;
        writeln!(
            f,
            "  past the proxy    {} requests, {} arrived at new",
            self.traffic.direct, self.arrived
        )?;
        let Some((traffic, span)) = &self.afterwards else {
            return Ok(());
        };
        writeln!(
            f,
            "  afterwards        {} requests past the proxy, {} still by it ({:.1} s)",
            traffic.direct,
            traffic.proxied,
            span.as_secs_f64()
        )
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
        if let Some(drill) = &self.status.drill {
            writeln!(
                f,
                "  drill             {}: weight 0 after {:.0} ms, {} requests touched",
                drill.state.replace('_', " "),
                drill.reaction_ms.unwrap_or_default(),
                drill.touched.unwrap_or_default()
            )?;
        }
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
            "  clients           {} requests, {} errors seen ({:.2} %), {} lost",
            self.requests(),
            self.errors,
            percent(self.errors, self.requests()),
            self.lost()
        )?;
        writeln!(
            f,
            "  by the proxy      old {} requests, {} errors; new {} requests, {} errors,",
            sides.old.requests, sides.old.errors, sides.new.requests, sides.new.errors
        )?;
        writeln!(
            f,
            "                    {} of them answered by old instead",
            sides.new.failovers
        )?;
        self.names(f)?;
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

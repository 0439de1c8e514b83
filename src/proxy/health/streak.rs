//! When checks in a row change what is held of an endpoint.

use crate::plan::HealthPlan;

/// The last checks of one endpoint, which is what it was held for until they say otherwise.
#[derive(Debug)]
pub(super) struct Streak {
    is_healthy: bool,
    /// Checks in a row that contradict `is_healthy`.
    against: u32,
}

/// What an endpoint became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// In choice again.
    Healthy,
    /// Out of choice.
    Unhealthy,
}

impl Streak {
    /// No checks yet.
    pub(super) const fn of(is_healthy: bool) -> Self {
        Self {
            is_healthy,
            against: 0,
        }
    }

    /// Adds a check that `passed` or failed.
    pub(super) fn add(&mut self, passed: bool, plan: &HealthPlan) -> Option<Change> {
        if passed == self.is_healthy {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        let (needed, change) = if passed {
            (plan.healthy_after, Change::Healthy)
        } else {
            (plan.unhealthy_after, Change::Unhealthy)
        };
        if self.against < needed {
            return None;
        }
        self.is_healthy = passed;
        self.against = 0;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_checks_in_a_row_change_anything() {
        let plan = HealthPlan {
            path: "/".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            unhealthy_after: 3,
            healthy_after: 2,
        };
        let mut streak = Streak::of(true);
        let mut changes = String::new();
        for check in "fffppfpppffpffff".chars() {
            changes.push(match streak.add(check == 'p', &plan) {
                None => '.',
                Some(Change::Healthy) => 'H',
                Some(Change::Unhealthy) => 'U',
            });
        }
        assert_eq!(changes, "..U.H.........U.");
    }
}

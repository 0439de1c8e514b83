//! `[rollback]`: how a rollback is done, and how long the way back stays open.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        reader::{Section, Shape, choice, duration},
    },
    plan::{BothBad, RollbackPlan},
};

/// The keys of `[rollback]`.
pub(super) const SHAPE: Shape = Shape {
    path: "rollback",
    keys: &["both_bad", "tunnels", "window"],
};

const BOTH_BAD: &[(&str, BothBad)] = &[("hold", BothBad::Hold), ("rollback", BothBad::Rollback)];

/// Reads `[rollback]`.
pub(super) fn read(root: &Section<'_>) -> RollbackPlan {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let section = root.table("rollback", &SHAPE);
    let default = defaults::rollback();
    let both_bad = section.get("both_bad", choice(BOTH_BAD));
    let tunnels = section.get("tunnels", duration(Duration::ZERO..=DAY));
    let window = section.get("window", duration(Duration::ZERO..=DAY * 90));
    RollbackPlan {
        both_bad: both_bad.unwrap_or(default.both_bad),
        tunnels: tunnels.unwrap_or(default.tunnels),
        window: window.unwrap_or(default.window),
    }
}

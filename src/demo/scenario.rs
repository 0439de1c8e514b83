//! What happens to the new side, and how the cutover must end.

use std::fmt;

/// One story of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// New stays well: the ramp completes.
    Healthy,
    /// New stays well, and a drill tries the way back at the first step.
    Drill,
    /// New answers 500 to a third of its requests.
    Errors,
    /// New answers correctly but late.
    Slow,
    /// New's process is gone: connections are reset, then refused.
    Dead,
    /// As [`Scenario::Errors`], but once names have moved, so that most requests do not pass the proxy any more.
    AfterMove,
}

impl Scenario {
    /// Every scenario, in the order of the help text.
    pub const ALL: [Self; 6] = [
        Self::Healthy,
        Self::Drill,
        Self::Errors,
        Self::Slow,
        Self::Dead,
        Self::AfterMove,
    ];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Drill => "drill",
            Self::Errors => "errors",
            Self::Slow => "slow",
            Self::Dead => "dead",
            Self::AfterMove => "after-move",
        }
    }

    /// Whether the ramp completes.
    #[must_use]
    pub(crate) const fn completes(self) -> bool {
        matches!(self, Self::Healthy | Self::Drill)
    }

    /// What the demo says when it breaks the new side.
    #[must_use]
    pub(crate) const fn fault(self) -> Option<&'static str> {
        match self {
            Self::Healthy | Self::Drill => None,
            Self::Errors | Self::AfterMove => {
                Some("new starts to answer 500 to every third request")
            }
            Self::Slow => Some("new starts to answer 600 ms late"),
            Self::Dead => Some("new's process is gone"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

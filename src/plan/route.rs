//! Routes: which requests are treated differently.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::{
    plan::{CopiedMethods, Writes},
    units::Side,
};

/// What a route sends to old whatever the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaysOnOld {
    /// All its requests.
    Everything,
    /// Its unsafe methods and upgrades.
    Writes,
}

/// Which route a request matched: one that an [`Edition`](crate::plan::Edition) numbered, or [`RouteId::REST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteId(pub u16);

impl RouteId {
    /// What no route of the plan matches.
    pub const REST: Self = Self(u16::MAX);

    /// What measurements call that.
    pub const REST_NAME: &'static str = "rest";
}

/// Requests that match, and what is different about them. The route with the longest path prefix wins, one
/// with a host before one without, one with methods before one without, then the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// The name in metrics and status; unique.
    pub name: String,
    /// The host to match, lower case, without port; `None` matches every host.
    pub host: Option<String>,
    /// The path prefix to match, on segment boundaries of the normalised path; starts with `/`.
    pub path: String,
    /// The methods to match; empty matches all.
    pub methods: Vec<Method>,
    /// The side that all its requests go to, whatever the weight (but weight 0 sends everything to old).
    pub pin: Option<Side>,
    /// Where its unsafe methods go; `None` is the split's own rule.
    pub writes: Option<Writes>,
    /// Which of its requests are copied; `None` is the safe ones, unless it is pinned.
    pub copied: Option<CopiedMethods>,
}

impl RoutePlan {
    /// Which of its requests are copied. What is pinned is not meant to be answered by both sides.
    #[must_use]
    pub fn copied_methods(&self) -> CopiedMethods {
        let default = match self.pin {
            None => CopiedMethods::Safe,
            Some(_) => CopiedMethods::None,
        };
        self.copied.unwrap_or(default)
    }

    /// What it sends to old whatever the weight, so that new cannot hold all traffic.
    #[must_use]
    pub const fn stays_on_old(&self) -> Option<StaysOnOld> {
        match (self.pin, self.writes) {
            (Some(Side::Old), _) => Some(StaysOnOld::Everything),
            (None, Some(Writes::Old)) => Some(StaysOnOld::Writes),
            (Some(Side::New), _) | (None, Some(Writes::Split | Writes::New) | None) => None,
        }
    }
}

//! The two environments, and a pair of anything that exists once for each.

use std::{
    fmt,
    ops::{Index, IndexMut},
};

use serde::{Deserialize, Serialize};

/// One of the two environments: the one left, or the one moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The environment that the service leaves.
    Old,
    /// The environment that the service moves to.
    New,
}

impl Side {
    /// Both sides, old first.
    pub const ALL: [Self; 2] = [Self::Old, Self::New];

    /// `"old"` or `"new"`, as in configuration, metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The one that this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One `T` for each side; indexed by [`Side`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSide<T> {
    /// The old side's.
    pub old: T,
    /// The new side's.
    pub new: T,
}

impl<T> PerSide<T> {
    /// Builds both from one function.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        Self {
            old: make(Side::Old),
            new: make(Side::New),
        }
    }

    /// Applies `map` to both.
    pub fn map<U>(self, mut map: impl FnMut(T) -> U) -> PerSide<U> {
        PerSide {
            old: map(self.old),
            new: map(self.new),
        }
    }

    /// References to both.
    pub const fn as_ref(&self) -> PerSide<&T> {
        PerSide {
            old: &self.old,
            new: &self.new,
        }
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }
}

//! Kinds of outcomes that are watched, and sets of them.

use serde::{Deserialize, Serialize};

/// Kinds of outcomes that are watched, each by a test of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// No connection, a reset, a time-out, a 5xx, a failed gRPC status.
    Error,
    /// A 3xx: clients that lost their session are sent to log in.
    Redirect,
    /// A 401.
    Unauthorized,
    /// A 403.
    Forbidden,
    /// A 404.
    NotFound,
    /// The client went away: a side that hangs shows there first.
    Abort,
    /// An answer that takes longer than all but one in two hundred of old's did before the first step: it counts when
    /// it does, not when it comes.
    Slow,
}

/// A set of symptoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptoms(u8);

impl Symptom {
    /// Every symptom, in the order of its index.
    pub const ALL: [Self; 7] = [
        Self::Error,
        Self::Redirect,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Abort,
        Self::Slow,
    ];

    /// Its place in [`Symptom::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, which is also its test's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "errors",
            Self::Redirect => "redirects",
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::NotFound => "404",
            Self::Abort => "aborts",
            Self::Slow => "slow",
        }
    }
}

impl Symptoms {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, symptom: Symptom) -> Self {
        Self(self.0 | 1 << symptom as u8)
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn has(self, symptom: Symptom) -> bool {
        self.0 & 1 << symptom as u8 != 0
    }

    /// Those in it, in the order of their index.
    pub fn iter(self) -> impl Iterator<Item = Symptom> {
        Symptom::ALL.into_iter().filter(move |it| self.has(*it))
    }
}

impl FromIterator<Symptom> for Symptoms {
    fn from_iter<I: IntoIterator<Item = Symptom>>(symptoms: I) -> Self {
        symptoms.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        assert_eq!(Symptoms::NONE.iter().count(), 0);
        let all: Symptoms = Symptom::ALL.into_iter().collect();
        assert!(all.iter().eq(Symptom::ALL));
        let some = Symptoms::NONE.with(Symptom::Slow).with(Symptom::Error);
        assert!(some.iter().eq([Symptom::Error, Symptom::Slow]));
        assert_eq!(some.with(Symptom::Slow), some);
    }
}

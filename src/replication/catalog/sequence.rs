//! A sequence, and how far it has come.

use serde::Deserialize;

/// One sequence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Sequence {
    pub(crate) name: String,
    pub(crate) increment: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) start: i64,
    pub(crate) cycles: bool,
    /// Whether the role may see how far it has come.
    pub(crate) readable: bool,
    /// The last number that may have been drawn; none where nothing was.
    pub(crate) last: Option<i64>,
}

impl Sequence {
    /// How many numbers `other` has drawn that this one would draw again; none where it stands at or past `other`.
    pub(crate) fn behind(&self, other: &Self) -> Option<u64> {
        let reached = other.last?;
        // What comes next here, one step back, so that both are a last number drawn.
        let here = self
            .last
            .unwrap_or_else(|| self.start.saturating_sub(self.increment));
        let ahead = match self.increment > 0 {
            true => i128::from(reached) - i128::from(here),
            false => i128::from(here) - i128::from(reached),
        };
        let step = i128::from(self.increment).unsigned_abs().max(1);
        let ahead = u128::try_from(ahead).ok().filter(|it| *it > 0)?;
        u64::try_from(ahead.div_ceil(step)).ok()
    }

    /// The share of its numbers that are used up, in percent.
    pub(crate) fn used_percent(&self) -> u64 {
        let Some(last) = self.last else { return 0 };
        let all = i128::from(self.max) - i128::from(self.min);
        let used = match self.increment > 0 {
            true => i128::from(last) - i128::from(self.min),
            false => i128::from(self.max) - i128::from(last),
        };
        u64::try_from(used.max(0) * 100 / all.max(1)).unwrap_or(100)
    }
}

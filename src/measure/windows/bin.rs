//! What happened within one granule of time, as sparse counts.

use std::time::Duration;

use crate::{
    measure::{Class, Finished, Head, Measurement, Tally, windows::Population},
    split::Cause,
    units::{Generation, Side, Timestamp},
};

/// The measurements whose time lies in one granule. Its index is that time in granules since the epoch.
#[derive(Clone, Debug)]
pub(super) struct Bin {
    pub(super) index: i64,
    pub(super) strata: Vec<Stratum>,
}

/// Measurements of a bin that every reading takes, or leaves, together.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    pub(super) key: StratumKey,
    pub(super) outcomes: [Outcomes; Class::ALL.len()],
    /// By latency, each once, once the bin is settled.
    pub(super) heads: Vec<Heads>,
}

/// What readings choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StratumKey {
    pub(super) generation: Generation,
    pub(super) side: Side,
    pub(super) is_drawn: bool,
}

/// Outcomes of one class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcomes {
    pub(super) count: u64,
    /// When the first of them was measured; nothing while there is none.
    pub(super) first: Timestamp,
}

/// Latencies to the response head that the histogram does not tell apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) micros: u32,
    pub(super) count: u32,
    /// When the first of them was measured.
    pub(super) first: Timestamp,
}

impl Bin {
    pub(super) const fn new(index: i64) -> Self {
        Self {
            index,
            strata: Vec::new(),
        }
    }

    /// Adds one measurement; forced ones are nobody's. `resolved` is its latency as the histogram holds it.
    pub(super) fn add(&mut self, measurement: &Measurement, resolved: impl Fn(Duration) -> u32) {
        let assignment = measurement.assignment();
        if assignment.cause == Cause::Forced {
            return;
        }
        let stratum = self.stratum(StratumKey {
            generation: assignment.generation,
            side: assignment.side,
            is_drawn: assignment.cause == Cause::Weighted,
        });
        match measurement {
            Measurement::Head(Head { at, latency, .. }) => stratum.heads.push(Heads {
                micros: resolved(*latency),
                count: 1,
                first: *at,
            }),
            Measurement::Finished(Finished { at, class, .. }) => {
                stratum.outcomes[class.index()].add(Outcomes {
                    count: 1,
                    first: *at,
                });
            }
        }
    }

    /// With equal latencies merged: for after the last [`Bin::add`].
    pub(super) fn settled(mut self) -> Self {
        for stratum in &mut self.strata {
            stratum.heads.sort_unstable_by_key(|it| it.micros);
            merge_equal(&mut stratum.heads);
        }
        self
    }

    /// Adds a settled bin to this settled one.
    pub(super) fn absorb(&mut self, other: &Self) {
        for more in &other.strata {
            let stratum = self.stratum(more.key);
            for (outcomes, more) in stratum.outcomes.iter_mut().zip(more.outcomes) {
                outcomes.add(more);
            }
            stratum.heads.extend_from_slice(&more.heads);
            // Two sorted runs, which a stable sort finds and merges in linear time.
            stratum.heads.sort_by_key(|it| it.micros);
            merge_equal(&mut stratum.heads);
        }
    }

    /// Forgets what was sent before `generation`.
    pub(super) fn forget_before(&mut self, generation: Generation) {
        self.strata.retain(|it| it.key.generation >= generation);
    }

    fn stratum(&mut self, key: StratumKey) -> &mut Stratum {
        let found = self.strata.iter().position(|it| it.key == key);
        let index = found.unwrap_or_else(|| {
            self.strata.push(Stratum {
                key,
                outcomes: Default::default(),
                heads: Vec::new(),
            });
            self.strata.len() - 1
        });
        &mut self.strata[index]
    }
}

impl Stratum {
    pub(super) fn counts_for(&self, side: Side, population: Population) -> bool {
        let counted = match population {
            Population::All => true,
            Population::Drawn => self.key.is_drawn,
        };
        self.key.side == side && counted
    }

    /// Adds everything to `tally`.
    pub(super) fn add_to(&self, tally: &mut Tally) {
        for class in Class::ALL {
            tally.add_outcomes(class, self.outcomes[class.index()].count);
        }
        for heads in &self.heads {
            tally
                .latencies()
                .add_micros(u64::from(heads.micros), u64::from(heads.count));
        }
    }
}

impl Outcomes {
    fn add(&mut self, more: Self) {
        if more.count == 0 {
            return;
        }
        let is_first = self.count == 0 || more.first < self.first;
        if is_first {
            self.first = more.first;
        }
        self.count += more.count;
    }
}

/// Of all `bins`, the strata that a reading takes.
pub(super) fn strata<'a>(
    bins: impl Iterator<Item = &'a Bin>,
    side: Side,
    population: Population,
) -> impl Iterator<Item = (&'a Bin, &'a Stratum)> {
    let all = bins.flat_map(|bin| bin.strata.iter().map(move |it| (bin, it)));
    all.filter(move |(_, it)| it.counts_for(side, population))
}

/// Merges neighbours of the same latency.
fn merge_equal(heads: &mut Vec<Heads>) {
    heads.dedup_by(|next, kept| {
        let same = next.micros == kept.micros;
        if same {
            kept.count = kept.count.saturating_add(next.count);
            kept.first = kept.first.min(next.first);
        }
        same
    });
}

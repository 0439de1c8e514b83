//! The running sum of one length: bins are added as they come in and subtracted as they leave.

use std::time::Duration;

use crate::{
    measure::{
        Tally,
        windows::{
            Population,
            bin::{Bin, strata},
            tier::Tier,
        },
    },
    units::{PerSide, Side, Timestamp},
};

/// The running sum of one length.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) length: Duration,
    pub(super) tier: usize,
    /// The oldest granule in it.
    pub(super) first: i64,
    all: PerSide<Tally>,
    drawn: PerSide<Tally>,
}

impl Sum {
    /// Of the last `length`, from the bins of the tier at this place.
    pub(super) fn new(length: Duration, tier: usize) -> Self {
        Self {
            length,
            tier,
            first: i64::MIN,
            all: PerSide::default(),
            drawn: PerSide::default(),
        }
    }

    pub(super) fn tally(&self, side: Side, population: Population) -> &Tally {
        match population {
            Population::All => &self.all[side],
            Population::Drawn => &self.drawn[side],
        }
    }

    pub(super) fn add(&mut self, bin: &Bin) {
        for stratum in &bin.strata {
            let side = stratum.key.side;
            stratum.add_to(&mut self.all[side]);
            if stratum.key.is_drawn {
                stratum.add_to(&mut self.drawn[side]);
            }
        }
    }

    /// Subtracts the bins that end before the window begins. `leaving` is empty, before and after.
    pub(super) fn roll(&mut self, tier: &Tier, now: Timestamp, leaving: &mut Tally) {
        let first = tier.first(self.length, now);
        for side in Side::ALL {
            for population in [Population::All, Population::Drawn] {
                let gone = tier.between(self.first, first);
                for (_, stratum) in strata(gone, side, population) {
                    stratum.add_to(leaving);
                }
                if !leaving.is_empty() {
                    let tally = match population {
                        Population::All => &mut self.all[side],
                        Population::Drawn => &mut self.drawn[side],
                    };
                    tally.subtract(leaving);
                    leaving.clear();
                }
            }
        }
        self.first = first;
    }

    pub(super) fn clear(&mut self) {
        for side in Side::ALL {
            self.all[side].clear();
            self.drawn[side].clear();
        }
    }
}

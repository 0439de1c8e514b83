//! A relative test where each request is drawn anew: its unit is the request, and x is the planned weight.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        detector::{Detector, Mark, Pace},
        relative,
    },
    units::{PerSide, Weight},
};

/// What one symptom of requests has gathered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RequestTest {
    detector: Detector<6>,
    /// Requests with the symptom.
    events: PerSide<u64>,
}

impl RequestTest {
    pub(super) fn new() -> Self {
        Self {
            detector: Detector::new(),
            events: PerSide::default(),
        }
    }

    pub(super) fn spend(&mut self, gamma: f64) {
        self.detector.spend(gamma);
    }

    /// Takes in the events of one tick and one weight. Gives the logarithm of the evidence for the largest ratio.
    pub(super) fn tick(
        &mut self,
        events: PerSide<u64>,
        weight: Weight,
        tolerated: f64,
        before: Mark,
        pace: Pace,
    ) -> f64 {
        let on_new = weight.ratio();
        let ln_l = relative::ln_likelihoods(events, on_new, tolerated);
        let before = Mark {
            events: self.events,
            ..before
        };
        self.detector.update(&ln_l, before, pace);
        self.events.old += events.old;
        self.events.new += events.new;
        ln_l[relative::LARGEST]
    }

    pub(super) fn detector(&self) -> (&Detector<6>, PerSide<u64>) {
        (&self.detector, self.events)
    }
}

//! The loop's memoir: hands over what it is told and what it decides, for [`crate::recording`].
//!
//! It never waits. Where the store has no time for what is handed over, something is missing from then on, which the next
//! keyframe says.

use std::time::Duration;

use crate::{
    control::Observer,
    cutover::{Answer, Context, Coverage, Effect, Glance, State},
    measure::Interval,
    plan::Edition,
    recording::{Batch, Considered, Follows, Heard, Item, Keyframe, Row, Verdict},
    store::Observations,
    units::Timestamp,
};

/// From one batch to the next: what a crash loses.
const BATCH: Duration = Duration::from_secs(1);

/// From one keyframe to the next: what goes at once when the oldest goes.
const KEYFRAME: Duration = Duration::from_secs(300);

/// About what a request takes.
const BYTES_PER_REQUEST: usize = 28;

/// A keyframe for fewer requests would be most of what is kept.
const REQUESTS_LEAST: usize = 1_000;

/// Groups that fill what may be kept, so that most of it is there when the oldest has gone.
const GROUPS: usize = 8;

/// Where things are handed over.
#[derive(Debug)]
pub(super) struct Recorder {
    store: Observations,
    items: Vec<Item>,
    /// The last batch.
    handed_at: Timestamp,
    /// What the next keyframe follows.
    follows: Follows,
    /// The last keyframe; none where the next one is due at once.
    keyframe_at: Option<Timestamp>,
    /// Requests since then, and how many there may be.
    requests: usize,
    requests_max: usize,
    is_paused: bool,
}

impl Recorder {
    /// With up to `max` bytes.
    pub(super) fn new(store: Observations, max: usize) -> Self {
        Self {
            store,
            items: Vec::new(),
            handed_at: Timestamp::default(),
            follows: Follows::Start,
            keyframe_at: None,
            requests: 0,
            requests_max: (max / GROUPS / BYTES_PER_REQUEST).max(REQUESTS_LEAST),
            is_paused: false,
        }
    }

    /// What was taken in at a turn.
    pub(super) fn turned(&mut self, now: Timestamp, coverage: Coverage, intervals: Vec<Interval>) {
        if !self.is_recording() {
            return;
        }
        let measured = intervals.iter().map(|it| it.measurements.len());
        // A request is measured twice.
        self.requests += measured.sum::<usize>() / 2;
        self.items.push(Item::Turned {
            now,
            coverage,
            intervals,
        });
    }

    /// What was decided, and done.
    pub(super) fn considered(
        &mut self,
        heard: Heard,
        glance: Glance,
        context: Context,
        effects: &[Effect],
        answer: Option<&Answer>,
    ) {
        if !self.is_recording() {
            return;
        }
        self.items.push(Item::Considered(Box::new(Considered {
            heard,
            glance,
            context,
            verdict: Verdict::of(effects, answer),
        })));
    }

    /// Hands over what is due, at the end of a turn, when nothing is left to be decided.
    pub(super) fn turn(
        &mut self,
        edition: &Edition,
        state: &State,
        observer: &Observer,
        now: Timestamp,
    ) {
        if self.is_paused || !self.store.is_wanted() {
            return;
        }
        if now.since(self.handed_at) >= BATCH && self.keyframe_at.is_some() {
            self.hand_over(now);
        }
        let is_due = self.keyframe_at.is_none_or(|at| now.since(at) >= KEYFRAME);
        if !is_due && self.requests <= self.requests_max {
            return;
        }
        // While a fault is injected there are two pictures, and a replay could not begin.
        let Some(basis) = observer.gathered.basis() else {
            return;
        };
        if self.keyframe_at.is_some() {
            self.hand_over(now);
        }
        let keyframe = Keyframe {
            follows: self.follows,
            at: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            text: edition.text().to_owned(),
            numbers: edition.numbers(),
            state: state.clone(),
            basis,
        };
        if self.store.write(Row::Keyframe(Box::new(keyframe))) {
            self.follows = Follows::Everything;
            self.keyframe_at = Some(now);
            self.handed_at = now;
            self.requests = 0;
        }
    }

    /// Something happened that is not recorded.
    pub(super) fn has_missed(&mut self) {
        self.items.clear();
        self.follows = Follows::Gap;
        self.keyframe_at = None;
    }

    /// Hands over what there is, and records nothing until [`Recorder::go_on`].
    pub(super) fn pause(&mut self, now: Timestamp) {
        if self.keyframe_at.is_some() {
            self.hand_over(now);
        }
        self.has_missed();
        self.is_paused = true;
    }

    /// Records again.
    pub(super) fn go_on(&mut self) {
        self.is_paused = false;
    }

    /// Why nothing is recorded at present, in words.
    pub(super) fn fault(&self) -> Option<String> {
        self.store.fault().map(|it| it.as_str().to_owned())
    }

    /// Hands over the rest, and waits until it is written.
    pub(super) fn close(mut self, now: Timestamp) {
        if self.keyframe_at.is_some() {
            self.hand_over(now);
        }
        self.store.close();
    }

    /// What is told before a keyframe says nothing.
    fn is_recording(&self) -> bool {
        self.keyframe_at.is_some() && !self.is_paused
    }

    fn hand_over(&mut self, now: Timestamp) {
        let batch = Batch(std::mem::take(&mut self.items));
        self.handed_at = now;
        if !batch.0.is_empty() && !self.store.write(Row::Batch(batch)) {
            self.has_missed();
        }
    }
}

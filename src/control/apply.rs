//! The loop's hands: carries out effects, in order, and chooses nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::broadcast, time::Instant};

use crate::{
    clock::Clock,
    control::{Observer, answers::Answers},
    cutover::{Change, Effect, Entry, Event},
    split::{Publication, SplitTable, Withdrawal},
    store::{Snapshot, StoreHandle},
    units::{Generation, Salt, Weight},
};

/// Calls that the status repeats, and for how long.
const PAGES_MAX: usize = 8;
pub(super) const PAGE_SHOWN: Duration = Duration::from_secs(600);

/// What effects are carried out with.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) clock: Clock,
    pub(super) publication: Publication,
    pub(super) store: StoreHandle,
    pub(super) answers: Answers,
    pub(super) entries: broadcast::Sender<Arc<Entry>>,
    /// Entries that are being recorded before their change, by number, with when that began.
    pub(super) recording: BTreeMap<u64, (Instant, Entry)>,
    /// What carrying out effects brought about, for the core.
    pub(super) events: VecDeque<Event>,
    /// The latest calls.
    pub(super) pages: VecDeque<(Instant, String)>,
    /// Rollbacks since the journal began.
    pub(super) rollbacks: u64,
}

impl Hands {
    /// Carries out one effect.
    pub(super) fn perform(&mut self, effect: Effect, observer: &mut Observer) {
        // A rollback is in force before anything is reckoned about it.
        if let Effect::Publish {
            generation,
            weight,
            salt,
            tunnels,
        } = &effect
        {
            self.publish(*generation, *weight, *salt, *tunnels);
        }
        observer.follow(&effect, self.clock.timestamp());
        match effect {
            Effect::Publish { .. } => (),
            Effect::RecordFirst(entry) => self.record_first(entry),
            Effect::RecordAfter(entry) => {
                self.overtake();
                self.announce(&entry);
                self.store.record_after(entry);
            }
            Effect::Snapshot(progress) => {
                let ledger = Some(observer.gathered.evidence.snapshot());
                self.store.snapshot(Snapshot { progress, ledger });
            }
            // What the triggers said is of the evidence before.
            Effect::RestartEvidence(_) | Effect::TakeUpEvidence(_) => {
                self.events.push_back(Event::Turn);
            }
            Effect::Inject(injection) => self.publication.injected().set(injection),
            Effect::Answered { seq, result } => {
                let generation = self.publication.load().generation;
                self.answers.answered(seq, &result, generation);
            }
            Effect::Page { message } => self.page(message),
        }
    }

    /// An entry that was recorded before its change is in force.
    pub(super) fn came_into_force(&mut self, seq: u64) {
        if let Some((_, entry)) = self.recording.remove(&seq) {
            self.announce(&entry);
        }
    }

    /// What is being recorded will not come into force, whether or not the journal gets it, and is not announced.
    fn overtake(&mut self) {
        while let Some((seq, (_, entry))) = self.recording.pop_first() {
            tracing::info!(
                seq,
                change = entry.change.kind(),
                "overtaken, never in force"
            );
        }
    }

    pub(super) fn publish(
        &self,
        generation: Generation,
        weight: Weight,
        salt: Salt,
        tunnels: Option<Duration>,
    ) {
        let before = self.publication.load();
        if salt != before.salt {
            // Whoever takes no cookie is known by an id of the salt before.
            self.publication.writers().forget(self.clock.timestamp());
        }
        let withdrawal = tunnels.map(|grace| Withdrawal {
            generation,
            tunnels_end: self.clock.timestamp().after(grace),
        });
        self.publication.publish(SplitTable {
            generation,
            weight,
            salt,
            edition: before.edition,
            split: Arc::clone(&before.split),
            routes: Arc::clone(&before.routes),
            // An order to end tunnels holds on, whatever is published after it.
            withdrawal: withdrawal.or(before.withdrawal),
        });
    }

    fn record_first(&mut self, entry: Entry) {
        let seq = entry.seq;
        match self.store.record_first(entry.clone()) {
            Ok(()) => {
                self.recording.insert(seq, (Instant::now(), entry));
            }
            Err(error) => self.events.push_back(Event::RecordFailed { seq, error }),
        }
    }

    /// Logs the entry and shows it to whoever follows.
    fn announce(&mut self, entry: &Entry) {
        let is_rollback = matches!(entry.change, Change::RolledBack { .. });
        self.rollbacks += u64::from(is_rollback);
        if matches!(
            entry.change,
            Change::Started { .. } | Change::Resumed { .. }
        ) {
            // Somebody has looked.
            self.pages.clear();
        }
        let (seq, generation) = (entry.seq, entry.generation.number());
        let (weight, change) = (entry.weight, entry.change.kind());
        let (actor, reason) = (&entry.actor, entry.reason.as_str());
        if is_rollback {
            tracing::warn!(seq, generation, %weight, change, %actor, reason, "entry");
        } else {
            tracing::info!(seq, generation, %weight, change, %actor, reason, "entry");
        }
        // An error only says that nobody follows.
        drop(self.entries.send(Arc::new(entry.clone())));
    }

    fn page(&mut self, message: String) {
        tracing::error!(what = message, "somebody has to look");
        if self.pages.len() == PAGES_MAX {
            self.pages.pop_front();
        }
        self.pages.push_back((Instant::now(), message));
    }
}

//! Taking decisions again, from what was recorded.
//!
//! ```text
//!            Start, or the windows have filled              another decision, a gap
//! filling ───────────────────────────────────▶ comparing ───────────────────────────▶ filling
//! ```

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    cutover::{Answer, Decision, Entry, Event, Gathered, Reload, State, decide, window_lengths},
    measure::Measurement,
    plan::{Edition, Plan},
    recording::{Batch, Considered, Follows, Heard, Item, Keyframe, Row, Verdict},
    units::Timestamp,
};

/// Reads the file of a plan; why it cannot, in words.
pub type ReadPlan<'r> = dyn Fn(&str) -> Result<Plan, String> + 'r;

/// A replay under way.
#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct Replay<'r> {
    read: &'r ReadPlan<'r>,
    scene: Option<Scene>,
    /// What was done so far.
    pub progress: Progress,
}

/// How much was taken again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events that were decided on again.
    pub events: u64,
    /// Those of them where anything was to be done.
    pub verdicts: u64,
    /// Those that were decided on in another way.
    pub differing: u64,
    /// Events that there is not enough before to decide on.
    pub skipped: u64,
    /// Requests whose outcome was counted again.
    pub requests: u64,
    /// Times at which the program that recorded was another version.
    pub foreign: u64,
    /// The first and the last of the events decided on.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// A decision that was taken again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// When.
    pub at: Timestamp,
    /// What was done then, as JSON; nothing where that was nothing.
    pub recorded: Option<Verdict>,
    /// What is done now, where that is something else.
    pub derived: Option<Derived>,
}

/// What is decided in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derived {
    /// This, as JSON, or nothing.
    Verdict(Option<Verdict>),
    /// All decisions were the same, and yet this is something else.
    Memory(&'static str),
}

/// Why a recording cannot be taken again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A plan cannot be read.
    #[error("the configuration recorded at {at} is none of this version: {why}")]
    Plan {
        /// When it was in force.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// Nothing to begin with.
    #[error("it does not begin with a keyframe")]
    NoKeyframe,
    /// This program fails at it.
    #[error("this program fails at what was recorded at {at}: it is damaged")]
    Failed {
        /// When.
        at: Timestamp,
    },
}

/// What is known at one moment of the replay.
struct Scene {
    edition: Edition,
    gathered: Gathered,
    /// Since when the windows fill.
    since: Timestamp,
    /// What the core remembers; nothing while there is not enough to decide on.
    state: Option<State>,
}

impl<'r> Replay<'r> {
    /// Before anything.
    #[must_use]
    pub fn new(read: &'r ReadPlan<'r>) -> Self {
        Self {
            read,
            scene: None,
            progress: Progress::default(),
        }
    }

    /// Takes in what was written next; gives every decision that did anything, or would now.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn take(&mut self, row: Row) -> Result<Vec<Compared>, ReplayError> {
        match row {
            Row::Keyframe(keyframe) => Ok(self.keyframe(*keyframe)?.into_iter().collect()),
            Row::Batch(batch) => self.batch(batch),
        }
    }

    /// Says where something else was reckoned since the keyframe before.
    fn keyframe(&mut self, keyframe: Keyframe) -> Result<Option<Compared>, ReplayError> {
        let at = keyframe.at;
        self.progress.foreign += u64::from(keyframe.version != env!("CARGO_PKG_VERSION"));
        let edition = Edition::numbered(self.plan(at, &keyframe.text)?, keyframe.numbers.clone());
        let edition = edition.written(&keyframe.text);
        let scene = match (self.scene.take(), keyframe.follows) {
            (Some(scene), Follows::Everything) => scene,
            (None, Follows::Everything) | (_, Follows::Start | Follows::Gap) => Scene {
                gathered: Gathered::new(edition.plan(), &keyframe.state.position, None),
                edition: edition.clone(),
                since: at,
                state: None,
            },
        };
        let scene = self.scene.insert(scene);
        let compared = scene.compare(&keyframe);
        self.progress.differing += u64::from(compared.is_some());
        let longest = window_lengths(edition.plan()).into_iter().max();
        let has_filled = at.since(scene.since) >= longest.unwrap_or_default();
        if keyframe.follows == Follows::Start || has_filled {
            scene.resume(keyframe, edition);
        }
        Ok(compared)
    }

    fn batch(&mut self, batch: Batch) -> Result<Vec<Compared>, ReplayError> {
        let mut all = Vec::new();
        for item in batch.0 {
            let scene = self.scene.as_mut().ok_or(ReplayError::NoKeyframe)?;
            match item {
                Item::Turned {
                    now,
                    coverage,
                    intervals,
                } => {
                    scene.gathered.turn(&intervals, coverage, now);
                    let measured = intervals.iter().flat_map(|it| &it.measurements);
                    let ended = measured.filter(|it| matches!(it, Measurement::Finished(_)));
                    self.progress.requests += ended.map(|_| 1_u64).sum::<u64>();
                }
                Item::Considered(considered) => all.extend(self.considered(*considered)?),
            }
        }
        Ok(all)
    }

    fn considered(&mut self, considered: Considered) -> Result<Option<Compared>, ReplayError> {
        let Considered {
            heard,
            glance,
            context,
            verdict: recorded,
        } = considered;
        let at = context.now;
        let (event, next) = self.event(heard, at)?;
        let scene = self.scene.as_mut().ok_or(ReplayError::NoKeyframe)?;
        let Some(state) = scene.state.take() else {
            self.progress.skipped += 1;
            return Ok(None);
        };
        let plan = Arc::clone(scene.edition.plan());
        let observation = scene.gathered.observation(&glance);
        // A recording that was tampered with may be of no state at all.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            decide(&plan, &state, &event, &observation, context)
        }));
        let Ok(decision) = decided else {
            return Err(ReplayError::Failed { at });
        };
        let progress = &mut self.progress;
        let first = progress.span.map_or(at, |it| it.0);
        progress.span = Some((first, at));
        progress.events += 1;
        let derived = Verdict::of(&decision.effects, decision.answer.as_ref());
        progress.verdicts += u64::from(recorded.is_some());
        if derived != recorded {
            // What follows rests on the other decision, until the next keyframe.
            progress.differing += 1;
            let derived = Some(Derived::Verdict(derived));
            return Ok(Some(Compared {
                at,
                recorded,
                derived,
            }));
        }
        scene.follow(decision, next);
        Ok(recorded.map(|verdict| Compared {
            at,
            recorded: Some(verdict),
            derived: None,
        }))
    }

    /// What happened, and for a reload the edition that it is about.
    fn event(&self, heard: Heard, at: Timestamp) -> Result<(Event, Option<Edition>), ReplayError> {
        let event = match heard {
            Heard::Turn => Event::Turn,
            Heard::Command(command, actor) => Event::Command { command, actor },
            Heard::Reload {
                text,
                difference,
                actor,
            } => {
                let plan = self.plan(at, &text)?;
                let scene = self.scene.as_ref().ok_or(ReplayError::NoKeyframe)?;
                let next = scene.edition.next(Arc::clone(&plan));
                let next = next.map_err(|error| ReplayError::Plan {
                    at,
                    why: error.to_string(),
                })?;
                let reload = Reload {
                    plan,
                    difference,
                    actor,
                };
                return Ok((Event::Reload(reload), Some(next.written(&text))));
            }
            Heard::Upgrade(upgrade) => Event::Upgrade(upgrade),
            Heard::DatabaseStep(step) => Event::DatabaseStep(step),
            Heard::Dns(step) => Event::Dns(step),
            Heard::Recorded(seq) => Event::Recorded { seq },
            Heard::RecordFailed(seq, error) => Event::RecordFailed { seq, error },
        };
        Ok((event, None))
    }

    fn plan(&self, at: Timestamp, text: &str) -> Result<Arc<Plan>, ReplayError> {
        let plan = (self.read)(text).map_err(|why| ReplayError::Plan { at, why })?;
        Ok(Arc::new(plan))
    }
}

impl Scene {
    /// Whether what was reckoned is what the keyframe holds.
    fn compare(&self, keyframe: &Keyframe) -> Option<Compared> {
        let state = self.state.as_ref()?;
        let basis = self.gathered.basis()?;
        let what = match (*state == keyframe.state, basis.is_like(&keyframe.basis)) {
            (true, true) => return None,
            (false, _) => "what the core remembers",
            (true, false) => "what was gathered",
        };
        Some(Compared {
            at: keyframe.at,
            recorded: None,
            derived: Some(Derived::Memory(what)),
        })
    }

    fn resume(&mut self, keyframe: Keyframe, edition: Edition) {
        let since = keyframe.state.position.evidence_since;
        self.gathered.resume(keyframe.basis, edition.plan(), since);
        self.gathered.name_routes(&edition);
        self.edition = edition;
        self.state = Some(keyframe.state);
    }

    fn follow(&mut self, decision: Decision, next: Option<Edition>) {
        for effect in &decision.effects {
            self.gathered.follow(effect);
        }
        if let Some(next) = next
            && matches!(decision.answer, Some(Answer::InForce(_)))
        {
            self.gathered.reload(&next, &decision.state.position);
            self.edition = next;
        }
        self.state = Some(decision.state);
    }
}

impl Compared {
    /// Whether the same was decided.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.derived.is_none()
    }
}

impl Verdict {
    /// The entries that it records, as they stand in the journal.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let shown: Value = serde_json::from_str(&self.0).unwrap_or_default();
        let effects = shown["effects"].as_array().into_iter().flatten();
        let entries = effects.filter_map(|effect| {
            let entry = effect
                .get("RecordFirst")
                .or_else(|| effect.get("RecordAfter"))?;
            serde_json::from_value(entry.clone()).ok()
        });
        entries.collect()
    }
}

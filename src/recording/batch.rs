//! What the control loop was told, in order, as it is kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Answer, Command, Context, Coverage, DatabaseStep, DnsStep, Effect, Event, Glance,
        Upgrade,
    },
    measure::Interval,
    recording::{CodingError, measured::Measured},
    shadow::Report,
    units::{Salt, Timestamp},
};

/// Some of what the loop was told, in order.
#[derive(Debug, Default)]
pub struct Batch(pub Vec<Item>);

/// One thing that the loop was told.
#[derive(Debug)]
pub enum Item {
    /// Time went on, and workers had handed over what they measured.
    Turned {
        /// To when.
        now: Timestamp,
        /// Whether every worker had.
        coverage: Coverage,
        /// What.
        intervals: Vec<Interval>,
    },
    /// Something happened that was decided on.
    Considered(Box<Considered>),
}

/// An event, what was seen at that moment, and what came of it.
#[derive(Debug)]
pub struct Considered {
    /// What happened.
    pub heard: Heard,
    /// What was read at that moment.
    pub glance: Glance,
    /// The clocks, and fresh random bits.
    pub context: Context,
    /// What was decided; nothing where nothing was to be done.
    pub verdict: Option<Verdict>,
}

/// An [`Event`]; another plan as the file that it was read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Heard {
    /// See [`Event::Turn`].
    Turn,
    /// See [`Event::Command`].
    Command(Command, Actor),
    /// See [`Event::Reload`].
    Reload {
        /// The file as it was written.
        text: String,
        /// See [`Reload::difference`](crate::cutover::Reload::difference).
        difference: String,
        /// Who asked.
        actor: Actor,
    },
    /// See [`Event::Upgrade`].
    Upgrade(Upgrade),
    /// See [`Event::DatabaseStep`].
    DatabaseStep(DatabaseStep),
    /// See [`Event::Dns`].
    Dns(DnsStep),
    /// See [`Event::Recorded`].
    Recorded(u64),
    /// See [`Event::RecordFailed`].
    RecordFailed(u64, String),
}

/// What a decision has done but for snapshots, as JSON: to be told apart, and to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verdict(pub String);

#[derive(Serialize, Deserialize)]
enum KeptItem {
    Turned {
        now: i64,
        coverage: Coverage,
        intervals: Vec<Measured>,
    },
    Considered {
        /// JSON, but for what happens most.
        heard: KeptEvent,
        /// JSON; nothing where it is what it was before in the batch.
        glance: Option<String>,
        now: i64,
        wall: i64,
        salt: String,
        verdict: Option<Verdict>,
    },
}

#[derive(Serialize, Deserialize)]
enum KeptEvent {
    Turn,
    Other(String),
}

impl Heard {
    /// An event; `text` is the file of a plan that is to be taken in.
    #[must_use]
    pub fn of(event: &Event, text: &str) -> Self {
        match event {
            Event::Turn => Self::Turn,
            Event::Command { command, actor } => Self::Command(command.clone(), actor.clone()),
            Event::Reload(reload) => Self::Reload {
                text: text.to_owned(),
                difference: reload.difference.clone(),
                actor: reload.actor.clone(),
            },
            Event::Upgrade(upgrade) => Self::Upgrade(upgrade.clone()),
            Event::DatabaseStep(step) => Self::DatabaseStep(step.clone()),
            Event::Dns(step) => Self::Dns(step.clone()),
            Event::Recorded { seq } => Self::Recorded(*seq),
            Event::RecordFailed { seq, error } => Self::RecordFailed(*seq, error.clone()),
        }
    }
}

impl Verdict {
    /// What a decision does; nothing where that is nothing, or no more than a snapshot.
    #[must_use]
    pub fn of(effects: &[Effect], answer: Option<&Answer>) -> Option<Self> {
        #[derive(Serialize)]
        struct Shown<'a> {
            effects: Vec<&'a Effect>,
            answer: Option<&'a Answer>,
        }
        let effects: Vec<&Effect> = effects
            .iter()
            .filter(|it| !matches!(it, Effect::Snapshot(_)))
            .collect();
        if effects.is_empty() && answer.is_none() {
            return None;
        }
        let shown = serde_json::to_string(&Shown { effects, answer });
        // Maps have no keys but strings: nothing of it fails.
        Some(Self(shown.unwrap_or_else(|error| error.to_string())))
    }
}

impl Batch {
    /// How it is kept.
    ///
    /// # Errors
    /// [`CodingError`], where a part has no form in JSON.
    pub fn encode(&self) -> Result<Vec<u8>, CodingError> {
        let mut before = None;
        let mut kept = Vec::with_capacity(self.0.len());
        for item in &self.0 {
            kept.push(match item {
                Item::Turned {
                    now,
                    coverage,
                    intervals,
                } => KeptItem::Turned {
                    now: now.micros(),
                    coverage: *coverage,
                    intervals: intervals.iter().map(Measured::from).collect(),
                },
                Item::Considered(considered) => considered.kept(&mut before)?,
            });
        }
        Ok(postcard::to_allocvec(&kept)?)
    }

    /// What was kept.
    ///
    /// # Errors
    /// [`CodingError`], where it is none, or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodingError> {
        let kept: Vec<KeptItem> = postcard::from_bytes(bytes)?;
        let mut before = None;
        let items = kept.into_iter().map(|it| it.item(&mut before));
        items.collect::<Result<_, _>>().map(Self)
    }
}

impl Considered {
    fn kept(&self, before: &mut Option<Glance>) -> Result<KeptItem, CodingError> {
        let glance = Glance {
            copies: self
                .glance
                .copies
                .as_deref()
                .map(trimmed)
                .map_err(Clone::clone),
            ..self.glance.clone()
        };
        let is_new = before.as_ref() != Some(&glance);
        let text = is_new.then(|| serde_json::to_string(&glance)).transpose()?;
        *before = Some(glance);
        Ok(KeptItem::Considered {
            heard: match &self.heard {
                Heard::Turn => KeptEvent::Turn,
                other => KeptEvent::Other(serde_json::to_string(other)?),
            },
            glance: text,
            now: self.context.now.micros(),
            wall: self.context.wall.micros(),
            salt: serde_json::to_string(&self.context.salt)?,
            verdict: self.verdict.clone(),
        })
    }
}

impl KeptItem {
    fn item(self, before: &mut Option<Glance>) -> Result<Item, CodingError> {
        match self {
            Self::Turned {
                now,
                coverage,
                intervals,
            } => Ok(Item::Turned {
                now: Timestamp::from_micros(now),
                coverage,
                intervals: intervals.into_iter().map(Interval::from).collect(),
            }),
            Self::Considered {
                heard,
                glance,
                now,
                wall,
                salt,
                verdict,
            } => {
                if let Some(text) = glance {
                    *before = Some(serde_json::from_str(&text)?);
                }
                let glance = before.clone();
                let glance = glance.ok_or(postcard::Error::DeserializeBadOption)?;
                let salt: Salt = serde_json::from_str(&salt)?;
                Ok(Item::Considered(Box::new(Considered {
                    heard: match heard {
                        KeptEvent::Turn => Heard::Turn,
                        KeptEvent::Other(text) => serde_json::from_str(&text)?,
                    },
                    glance,
                    context: Context {
                        now: Timestamp::from_micros(now),
                        wall: Timestamp::from_micros(wall),
                        salt,
                    },
                    verdict,
                })))
            }
        }
    }
}

/// What a gate asks of a report, without what copies have shown: paths and samples are none of it.
fn trimmed(report: &Report) -> Arc<Report> {
    Arc::new(Report {
        routes: Vec::new(),
        differences: Vec::new(),
        unread: std::collections::BTreeMap::new(),
        ..report.clone()
    })
}

//! What happened in a world, line by line, as a scenario's transcript shows it.

use changeover::{
    cutover::{Answer, Decision, Effect, Entry, Event},
    units::Timestamp,
};

/// Lines, if anybody wants them.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    is_kept: bool,
    began: Timestamp,
    now: Timestamp,
    lines: Vec<String>,
}

impl Transcript {
    /// A transcript of a world that began at `time`.
    pub(crate) fn kept(time: Timestamp) -> Self {
        Self {
            is_kept: true,
            began: time,
            now: time,
            lines: Vec::new(),
        }
    }

    /// Passes time, for lines that are not about a decision.
    pub(crate) fn at(&mut self, time: Timestamp) {
        self.now = time;
    }

    pub(crate) fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    pub(crate) fn note(&mut self, what: impl AsRef<str>) {
        if self.is_kept {
            let passed = self.now.since(self.began).as_secs_f64();
            self.lines
                .push(format!("{passed:7.1} s  {}", what.as_ref()));
        }
    }

    /// The program started.
    pub(crate) fn began(&mut self, time: Timestamp, decision: &Decision) {
        self.at(time);
        if !self.is_kept {
            return;
        }
        let state = &decision.state;
        let position = &state.position;
        let baked = state.progress.baked.as_secs_f64();
        self.note(format!(
            "the program starts: {} at {}, generation {}, baked {baked:.1} s",
            position.ramp.name(),
            position.weight,
            position.generation,
        ));
        self.effects(&decision.effects);
    }

    /// Something was decided.
    pub(crate) fn decided(&mut self, time: Timestamp, event: &Event, decision: &Decision) {
        self.at(time);
        if !self.is_kept {
            return;
        }
        match event {
            Event::Turn => (),
            Event::Command { command, actor } => self.note(format!("{actor} asks: {command:?}")),
            Event::Reload(reload) => self.note(format!("{} reloads", reload.actor)),
            Event::Upgrade(upgrade) => self.note(format!("upgraded by {}", upgrade.actor)),
            Event::DatabaseStep(step) => self.note(format!("{} on a database", step.what)),
            Event::Dns(step) => self.note(format!("names: {:?} by {}", step.event, step.actor)),
            Event::Recorded { seq } => self.note(format!("recorded #{seq}")),
            Event::RecordFailed { seq, error } => {
                self.note(format!("could not record #{seq}: {error}"));
            }
        }
        self.effects(&decision.effects);
        match &decision.answer {
            Some(Answer::Refused(refusal)) => self.note(format!("refused: {refusal}")),
            Some(Answer::InForce(_) | Answer::OnRecorded(_)) | None => (),
        }
    }

    fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Publish {
                    generation, weight, ..
                } => self.note(format!("  publish {weight}, generation {generation}")),
                Effect::RecordFirst(entry) => self.entry("record first", entry),
                Effect::RecordAfter(entry) => self.entry("record after", entry),
                Effect::RestartEvidence(since) => {
                    self.note(format!("  fresh evidence since generation {since}"));
                }
                Effect::TakeUpEvidence(since) => {
                    self.note(format!("  evidence as before, since generation {since}"));
                }
                Effect::Inject(Some(injection)) => self.note(format!("  inject {injection}")),
                Effect::Inject(None) => self.note("  inject nothing"),
                Effect::Answered { seq, result } => match result {
                    Ok(()) => self.note(format!("  answered #{seq}: done")),
                    Err(refusal) => self.note(format!("  answered #{seq}: {refusal}")),
                },
                Effect::Page { message } => self.note(format!("  page: {message}")),
                // Once a second, and of no interest to a reader.
                Effect::Snapshot(_) => (),
            }
        }
    }

    fn entry(&mut self, how: &str, entry: &Entry) {
        let Entry {
            seq,
            weight,
            change,
            actor,
            reason,
            reaction_ms,
            ..
        } = entry;
        let reaction = reaction_ms.map_or(String::new(), |it| format!(", reaction {it:.0} ms"));
        self.note(format!(
            "  {how} #{seq}: {change} at {weight}, {actor}: {reason}{reaction}"
        ));
    }
}

//! The simulated disk: what survives a kill. Entries lie on it as the JSON that the store writes.

use changeover::{
    cutover::{Entry, Position, Progress, ReplayError},
    evidence::Ledger,
};

/// What is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    journal: Vec<(u64, String)>,
    marker: Option<String>,
    snapshot: Option<String>,
    /// Nothing can be appended; what is overwritten in place still can.
    pub(crate) is_full: bool,
    /// The store's thread gets nothing done.
    pub(crate) is_stuck: bool,
}

/// What a start finds.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) position: Position,
    pub(crate) progress: Progress,
    pub(crate) ledger: Option<Ledger>,
    /// An entry in force that only the marker holds.
    pub(crate) unrecorded: Option<Entry>,
}

impl Disk {
    /// Appends durably, or says that it cannot.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), String> {
        if self.is_full {
            return Err("database or disk is full".to_owned());
        }
        self.journal.push((entry.seq, to_json(entry)));
        Ok(())
    }

    /// Overwrites the marker, as the store does for whatever is in force before it is recorded.
    pub(crate) fn mark(&mut self, entry: &Entry) {
        self.marker = Some(to_json(entry));
    }

    pub(crate) fn save(&mut self, progress: &Progress, ledger: &Ledger) -> Result<(), String> {
        if self.is_full {
            return Err("database or disk is full".to_owned());
        }
        let snapshot = serde_json::to_string(&(progress, ledger));
        self.snapshot = Some(snapshot.expect("it has only plain fields"));
        Ok(())
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.journal.iter().map(|(_, it)| from_json(it)).collect()
    }

    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.journal.iter().rev().any(|(it, _)| *it == seq)
    }

    /// What a start finds; `None` in an empty journal.
    pub(crate) fn recover(&self) -> Option<Found> {
        let mut entries = self.entries();
        let (seq, generation) = entries.last().map(|it| (it.seq, it.generation))?;
        let marked = self.marker.as_deref().map(from_json);
        let unrecorded = marked.filter(|it| it.seq > seq && it.generation >= generation);
        entries.extend(unrecorded.clone());
        let position = match Position::replay(&entries) {
            Ok(position) => position,
            Err(ReplayError::Empty) => return None,
            Err(error) => panic!("what was recorded is a journal: {error}"),
        };
        let snapshot = self.snapshot.as_deref();
        let snapshot = snapshot.map(|it| serde_json::from_str(it).expect("it was saved as JSON"));
        let (progress, ledger): (Option<Progress>, Option<Ledger>) = snapshot.unzip();
        Some(Found {
            position,
            progress: progress.unwrap_or_default(),
            ledger,
            unrecorded,
        })
    }
}

fn to_json(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry is plain data")
}

fn from_json(text: &str) -> Entry {
    serde_json::from_str(text).expect("it was written as JSON")
}

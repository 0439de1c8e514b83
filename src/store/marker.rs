//! The rollback marker: the latest entry that came into force before it was recorded (a rollback, or a hold or a
//! lower weight), in a small file of fixed size, overwritten in place. A rollback stays in it until the journal has
//! it: nothing moves the ramp before, and what leaves all as it is does not take its place ([`Entry::to_keep`]). What is
//! no rollback may be overwritten by the next.
//!
//! Its blocks are allocated when the file is made, so that it can be written on a full disk, where SQLite
//! cannot commit. It has two halves that are written in turn, each with a length and a checksum: a torn write
//! spoils the half being written and leaves the other one.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::cutover::{Actor, Change, Entry, RollbackCause};

const HALF: usize = 2048;
const LENGTH: usize = 4;
const CHECKSUM: usize = 32;
/// The longest entry that fits a half.
const PAYLOAD_MAX: usize = HALF - LENGTH - CHECKSUM;

/// The open marker file.
#[derive(Debug)]
pub(super) struct Marker {
    file: File,
    /// The half that is written next: the one that does not hold the latest entry.
    next: Half,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

impl Half {
    const fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => HALF as u64,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Marker {
    /// Opens the marker, or makes it with all its blocks written, and returns the entry that it holds.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Entry>)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.len() != 2 * HALF as u64 {
            fill(&file)?;
            if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        let (first, second) = (read(&file, Half::First)?, read(&file, Half::Second)?);
        let seq = |held: &Option<Entry>| held.as_ref().map(|it| (it.generation, it.seq));
        let (latest, next) = if seq(&first) >= seq(&second) {
            (first, Half::Second)
        } else {
            (second, Half::First)
        };
        Ok((Self { file, next }, latest))
    }

    /// Keeps an entry; when this returns `Ok` it is on disk, and the one before it is still in the other half.
    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let payload = trimmed(entry)?;
        self.file
            .write_all_at(&frame(&payload), self.next.offset())?;
        self.file.sync_data()?;
        self.next = self.next.other();
        Ok(())
    }

    /// Forgets everything: the journal it belonged to is gone.
    pub(super) fn clear(&self) -> io::Result<()> {
        fill(&self.file)
    }
}

fn fill(file: &File) -> io::Result<()> {
    // Written, not only extended, so that the file system gives the blocks now.
    file.write_all_at(&[0; 2 * HALF], 0)?;
    file.set_len(2 * HALF as u64)?;
    file.sync_all()
}

fn frame(payload: &[u8]) -> [u8; HALF] {
    let mut half = [0; HALF];
    let length = u32::try_from(payload.len()).expect("a payload is at most 2 KiB");
    half[..LENGTH].copy_from_slice(&length.to_le_bytes());
    half[LENGTH..LENGTH + CHECKSUM].copy_from_slice(&Sha256::digest(payload));
    half[LENGTH + CHECKSUM..][..payload.len()].copy_from_slice(payload);
    half
}

/// The entry in one half; `None` if it was never written, or torn.
fn read(file: &File, half: Half) -> io::Result<Option<Entry>> {
    let mut bytes = [0; HALF];
    file.read_exact_at(&mut bytes, half.offset())?;
    Ok(parse(&bytes))
}

fn parse(half: &[u8; HALF]) -> Option<Entry> {
    let (length, rest) = half.split_first_chunk::<LENGTH>()?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let payload = rest.get(..length)?;
    if Sha256::digest(payload).as_slice() != checksum {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// The entry as JSON, shortened where it must be: without the readings, then without the explanation, then with names
/// and reason cut. What replay needs stays whole.
fn trimmed(entry: &Entry) -> io::Result<Vec<u8>> {
    const NAME_MAX: usize = 64;
    let mut entry = entry.clone();
    let mut payload = serde_json::to_vec(&entry)?;
    if payload.len() > PAYLOAD_MAX {
        entry.readings.clear();
        payload = serde_json::to_vec(&entry)?;
    }
    if payload.len() > PAYLOAD_MAX {
        entry.explanation = None;
        payload = serde_json::to_vec(&entry)?;
    }
    if payload.len() > PAYLOAD_MAX {
        if let Actor::Operator(name) = &mut entry.actor {
            cut(name, NAME_MAX);
        }
        if let Change::RolledBack {
            cause:
                RollbackCause::Trigger(name)
                | RollbackCause::Evidence(name)
                | RollbackCause::Operator(name),
            ..
        } = &mut entry.change
        {
            cut(name, NAME_MAX);
        }
        payload = serde_json::to_vec(&entry)?;
    }
    // Each round at least halves the reason, whatever its characters take when escaped.
    while payload.len() > PAYLOAD_MAX && !entry.reason.is_empty() {
        let half = entry.reason.len() / 2;
        cut(&mut entry.reason, half);
        payload = serde_json::to_vec(&entry)?;
    }
    if payload.len() > PAYLOAD_MAX {
        return Err(io::Error::other("the entry is too long for the marker"));
    }
    Ok(payload)
}

/// Cuts a text to at most `bytes`, on a character boundary.
fn cut(text: &mut String, bytes: usize) {
    let end = text.floor_char_boundary(bytes);
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::rollback;

    #[test]
    fn keeps_the_latest_rollback() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut marker, held) = Marker::open(&path).unwrap();
        assert_eq!(held, None);
        for seq in 1..=5 {
            marker.write(&rollback(seq)).unwrap();
            let (_, held) = Marker::open(&path).unwrap();
            assert_eq!(held, Some(rollback(seq)));
        }
        assert_eq!(path.metadata().unwrap().len(), 4096);
    }

    #[test]
    fn an_explanation_is_kept_where_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let mut entry = rollback(1);
        let side = r#"{"requests": 310, "events": 12, "latency_ms": null, "reading": null}"#;
        let explanation = format!(
            r#"{{"check": "evidence:401", "sides": {{"old": {side}, "new": {side}}}, "limit": null,
                "evidence_log10": 4.9, "threshold_log10": 4.806, "since": null, "routes": [], "sentence": "so"}}"#
        );
        entry.explanation = serde_json::from_str(&explanation).unwrap();
        let kept = |entry: &Entry| {
            let (mut marker, _) = Marker::open(&path).unwrap();
            marker.write(entry).unwrap();
            Marker::open(&path).unwrap().1
        };
        assert_eq!(kept(&entry), Some(entry.clone()));
        entry.seq = 2;
        entry.explanation.as_mut().unwrap().sentence = "w".repeat(3_000);
        entry.readings.clear();
        let without = Entry {
            explanation: None,
            ..entry.clone()
        };
        assert_eq!(kept(&entry), Some(without));
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut marker, _) = Marker::open(&path).unwrap();
        marker.write(&rollback(1)).unwrap();
        marker.write(&rollback(2)).unwrap();
        let before = std::fs::read(&path).unwrap();
        marker.write(&rollback(3)).unwrap();
        let after = std::fs::read(&path).unwrap();
        for torn_at in 0..before.len() {
            let mixed = [&after[..torn_at], &before[torn_at..]].concat();
            std::fs::write(&path, mixed).unwrap();
            let (_, held) = Marker::open(&path).unwrap();
            let seq = held.expect("one half is whole").seq;
            assert!(seq == 2 || seq == 3, "torn at {torn_at}: {seq}");
        }
    }

    #[test]
    fn any_entry_fits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut marker, _) = Marker::open(&path).unwrap();
        let name = "\u{1}ü".repeat(500);
        let mut entry = rollback(9);
        entry.reason = "\"\u{0}€".repeat(4000);
        entry.actor = Actor::Operator(name.clone());
        let Change::RolledBack { salt, from, .. } = entry.change else {
            unreachable!("it is a rollback")
        };
        entry.change = Change::RolledBack {
            cause: RollbackCause::Operator(name),
            salt,
            from,
        };
        marker.write(&entry).unwrap();
        let (_, held) = Marker::open(&path).unwrap();
        let held = held.expect("it was written");
        assert_eq!(held.seq, entry.seq);
        assert_eq!(held.generation, entry.generation);
        let Change::RolledBack { salt: kept, .. } = held.change else {
            panic!("still a rollback")
        };
        assert_eq!(kept, salt);
    }

    #[test]
    fn a_file_of_another_size_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        std::fs::write(&path, "half made").unwrap();
        let (mut marker, held) = Marker::open(&path).unwrap();
        assert_eq!(held, None);
        marker.write(&rollback(1)).unwrap();
        marker.clear().unwrap();
        assert_eq!(Marker::open(&path).unwrap().1, None);
    }
}

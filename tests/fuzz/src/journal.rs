//! Journals: whatever their lines hold, they replay to a position that holds together or are refused, and what is read
//! is written the same.

use changeover::{
    admin::EventDocument,
    cutover::{Entry, Position},
    evidence::Ledger,
};

/// Every line of the input is an entry, as the database keeps them.
pub fn run(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').take(64);
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
            let written = serde_json::to_string(&entry).expect("an entry is JSON");
            let again: Entry = serde_json::from_str(&written).expect("what is written is read");
            let rewritten = serde_json::to_string(&again).expect("an entry is JSON");
            assert_eq!(rewritten, written);
            let shown = serde_json::to_string(&EventDocument::from(&entry));
            assert!(shown.is_ok(), "{shown:?}");
            entries.push(entry);
        }
        // A snapshot that cannot be used is left out, and what can be is written again.
        if let Ok(ledger) = serde_json::from_slice::<Ledger>(line) {
            assert!(serde_json::to_string(&ledger).is_ok());
        }
    }
    if let Ok(position) = Position::replay(&entries) {
        let last = entries.last().expect("an empty journal has no position");
        assert_eq!(position.seq, last.seq);
        assert_eq!(position.generation, last.generation);
        assert_eq!(position.weight, last.weight);
    }
}

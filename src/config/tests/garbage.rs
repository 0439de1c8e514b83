//! Whatever a file holds, reading it ends with a plan or with faults that lie within it.

use proptest::prelude::*;

use super::read;
use crate::config::{Place, describe};
use crate::units::Timestamp;

const QUICKSTART: &str = include_str!("../../../config/quickstart.toml");
const REFERENCE: &str = include_str!("../../../config/reference.toml");

/// Pieces that mean something, so that mutations reach past the parser.
const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    ".",
    ",",
    "#",
    "\\",
    "-",
    "%",
    "0x",
    "1e400",
    "inf",
    "nan",
    "99999999999999999999",
    "\"\"",
    "\"%\"",
    "\"-1s\"",
    "true",
    "2020-01-01",
    "[ramp]\n",
    "[old.",
    "\n[[trigger]]\n",
    "endpoints",
    "weight = ",
    "bake = ",
    "above = ",
    "\u{0}",
    "é",
    "\u{feff}",
    "🦀",
];

fn survives(text: &str) {
    match read(text) {
        Ok(loaded) => assert!(!describe(&loaded, Timestamp::from_micros(0), 100).is_empty()),
        Err(faults) => {
            assert!(!faults.as_slice().is_empty());
            for fault in faults.as_slice() {
                let Place::File { line, column, .. } = &fault.place else {
                    panic!("{fault} is not in the file");
                };
                let lines: Vec<&str> = text.split('\n').collect();
                let found = lines.get(line - 1).expect("the line exists");
                assert!((1..=found.chars().count() + 1).contains(column), "{fault}");
            }
        }
    }
}

/// The reference with every optional line in it.
fn whole_reference() -> String {
    REFERENCE.replace("\n#= ", "\n")
}

fn mutated(text: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, removed, piece) in edits {
        let at = at % (text.len() + 1);
        let end = (at + removed).min(text.len());
        let piece = PIECES.get(*piece).copied().unwrap_or_default();
        text.splice(at..end, piece.chars());
    }
    text.into_iter().collect()
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    // An index past the pieces only removes.
    prop::collection::vec((0..20_000_usize, 0..12_usize, 0..PIECES.len() + 5), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces_in_any_order_are_read_or_refused(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        survives(&pieces.into_iter().filter_map(|it| PIECES.get(it)).copied().collect::<String>());
    }

    #[test]
    fn mutations_of_right_files_are_read_or_refused(edits in edits(), all in any::<bool>()) {
        survives(&mutated(QUICKSTART, &edits));
        let reference = if all { whole_reference() } else { REFERENCE.to_owned() };
        survives(&mutated(&reference, &edits));
    }
}

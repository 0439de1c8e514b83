//! Replays the corpus of the fuzz targets: what fuzzing once found, and what leads it to everything else.
//!
//! The targets themselves are in `tests/fuzz`; `docs/fuzzing.md` says how they are run.
#![expect(
    unreachable_pub,
    clippy::panic,
    reason = "the targets are shared with a crate of their own, and fail by panicking"
)]

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

/// Runs `target` on every file of its corpus; a failure names the file.
fn replay(name: &str, target: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the target has a corpus") {
        let path = entry.expect("a file").path();
        let data = fs::read(&path).expect("it is readable");
        let ran = std::panic::catch_unwind(|| target(&data));
        assert!(ran.is_ok(), "{} breaks {name}", path.display());
        // So does every beginning of it, at less cost than the fuzzer's.
        for end in (0..data.len()).step_by(17) {
            let ran = std::panic::catch_unwind(|| target(&data[..end]));
            assert!(
                ran.is_ok(),
                "the first {end} bytes of {} break {name}",
                path.display()
            );
        }
        count += 1;
    }
    assert!(count >= 3, "{name} has {count} files");
}

#[test]
fn configuration() {
    replay("configuration", targets::configuration::run);
}

#[test]
fn request() {
    replay("request", targets::request::run);
}

#[test]
fn response() {
    replay("response", targets::response::run);
}

#[test]
fn chunked_body() {
    replay("chunked_body", targets::chunked_body::run);
}

#[test]
fn h2_to_h1() {
    replay("h2_to_h1", targets::h2_to_h1::run);
}

#[test]
fn recognition() {
    replay("recognition", targets::recognition::run);
}

#[test]
fn announcement() {
    replay("announcement", targets::announcement::run);
}

#[test]
fn journal() {
    replay("journal", targets::journal::run);
}

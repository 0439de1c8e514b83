//! The journal gives the position, and what is no journal is refused.

use super::bench::{Bench, because, percent};
use crate::{
    cutover::{Change, Command, Entry, Position, ReplayError},
    units::{Generation, Weight},
};

/// A journal of a start, a hold and a rollback.
fn journal() -> (Vec<Entry>, Position) {
    let mut bench = Bench::new();
    let salt = bench.state.position.salt;
    let mut entries = vec![Entry::began(&bench.plan, salt, super::bench::START)];
    bench.turn();
    let rollback = Command::Rollback {
        reason: because("back"),
    };
    for command in [Command::Start, Command::Hold, rollback] {
        bench.command(command);
        entries.push(bench.entry().expect("each has its entry").clone());
        bench.record();
    }
    (entries, bench.state.position)
}

#[test]
fn replay_through_json_gives_the_position() {
    let (entries, position) = journal();
    let text: Vec<_> = entries
        .iter()
        .map(|it| serde_json::to_string(it).unwrap())
        .collect();
    let read: Vec<Entry> = text
        .iter()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(read, entries);
    assert_eq!(Position::replay(&read), Ok(position));
}

#[test]
fn what_is_no_journal_is_refused() {
    let (entries, _) = journal();
    assert_eq!(Position::replay([]), Err(ReplayError::Empty));
    let headless = Position::replay(&entries[1..]);
    assert_eq!(headless, Err(ReplayError::NoBeginning { seq: 2 }));

    let check = |spoil: fn(&mut Vec<Entry>), expected| {
        let mut spoilt = entries.clone();
        spoil(&mut spoilt);
        assert_eq!(Position::replay(&spoilt), Err(expected));
    };
    check(|it| it.swap(1, 2), ReplayError::OutOfOrder { seq: 2 });
    check(
        |it| it.push(it[0].clone()),
        ReplayError::OutOfOrder { seq: 1 },
    );
    check(
        |it| it[2].generation = Generation::ZERO,
        ReplayError::OutOfOrder { seq: 3 },
    );
    check(
        |it| it[3].weight = percent(5),
        ReplayError::Inconsistent {
            seq: 4,
            weight: percent(5),
            state: "rolled_back",
        },
    );
    check(
        |it| it[2].weight = Weight::NONE,
        ReplayError::Inconsistent {
            seq: 3,
            weight: Weight::NONE,
            state: "holding",
        },
    );
}

#[test]
fn entries_say_what_happened() {
    let (entries, _) = journal();
    let said: Vec<String> = entries.iter().map(|it| it.change.to_string()).collect();
    assert_eq!(
        said,
        [
            "journal began",
            "started at step 1",
            "held: by an operator",
            "rolled back by operator:ada from 5%"
        ]
    );
    let kinds: Vec<_> = entries.iter().map(|it| it.change.kind()).collect();
    for (entry, kind) in entries.iter().zip(kinds) {
        let json = serde_json::to_value(&entry.change).unwrap();
        assert_eq!(json["kind"], kind);
    }
    assert!(matches!(entries[0].change, Change::Began { .. }));
}

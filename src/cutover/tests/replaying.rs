//! The journal gives the position, and what is no journal is refused.

use super::bench::{Bench, START, because, percent, plan};
use crate::{
    cutover::{Change, Command, Entry, Position, Ramp, ReplayError},
    units::{Generation, Salt, Weight},
};

/// A journal of a start, a hold and a rollback.
fn journal() -> (Vec<Entry>, Position) {
    let mut bench = Bench::new();
    let salt = bench.state.position.salt;
    let mut entries = vec![Entry::began(&bench.plan, salt, START)];
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

#[test]
fn an_entry_that_never_was_in_force_is_left_out() {
    let mut bench = Bench::with(plan());
    bench.turn();
    bench.command(Command::Start);
    let started = bench.entry().expect("it is being recorded").clone();
    bench.command(Command::Rollback {
        reason: because("no"),
    });
    let overtakes = bench.entry().and_then(|it| it.overtakes);
    assert_eq!(overtakes, Some(started.seq));
    // One that says nothing of the ramp does not make good what it has overtaken.
    let began = Entry::began(&plan(), Salt::new([0; 16]), START);
    let quiet = |overtakes| Entry {
        seq: started.seq + 1,
        generation: started.generation.next(),
        change: Change::DnsQuiet,
        overtakes,
        ..began.clone()
    };
    let replayed = Position::replay([&began, &started, &quiet(Some(started.seq))]);
    assert_eq!(replayed.map(|it| it.ramp), Ok(Ramp::Idle));
    assert!(Position::replay([&began, &started, &quiet(None)]).is_err());
}

#[test]
fn numbers_come_back_to_the_last_bit() {
    let number: f64 = 1.111_111_111_111_112e62;
    let text = serde_json::to_string(&number).expect("it is a number");
    let read: f64 = serde_json::from_str(&text).expect("it was written so");
    assert_eq!(read.to_bits(), number.to_bits());
}

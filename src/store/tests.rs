//! The store against full disks, foreign locks, read-only files, and copies taken at any moment.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::{
    cutover::{Actor, Change, Entry, HoldCause, Progress, RollbackCause},
    evidence::{Evidence, Settings, Unit},
    units::{Factor, Generation, Salt, Share, Timestamp, Weight},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn entry(seq: u64, weight: u16, change: Change) -> Entry {
    Entry {
        seq,
        at: Timestamp::from_micros(1_000_000).after(Duration::from_secs(seq)),
        generation: Generation::new(seq),
        weight: Weight::from_basis_points(weight).unwrap(),
        evidence_since: Generation::new(1),
        plan: "d1".to_owned(),
        change,
        actor: Actor::Plan,
        reason: format!("entry {seq}"),
        readings: Vec::new(),
        reaction_ms: None,
        overtakes: None,
        explanation: None,
    }
}

fn advance(seq: u64) -> Entry {
    entry(seq, 500, Change::Advanced { from: 0, to: 1 })
}

pub(super) fn rollback(seq: u64) -> Entry {
    let change = Change::RolledBack {
        cause: RollbackCause::Trigger("errors".to_owned()),
        salt: Salt::new([7; 16]),
        from: Weight::FULL,
    };
    entry(seq, 0, change)
}

fn snapshot(seq: u64, requests: u64) -> Snapshot {
    let progress = Progress {
        seq,
        at: Timestamp::from_micros(1_000_000).after(Duration::from_secs(seq)),
        baked: Duration::from_secs(3),
        requests,
        ..Progress::default()
    };
    let mut evidence = Evidence::new(Settings {
        unit: Unit::Slot,
        false_alarms: Share::WHOLE,
        tolerated_errors: Factor::from_thousandths(1_000),
        tolerated_latency: crate::plan::EvidencePlan::DEFAULT.tolerated_latency,
        error_limit: Share::WHOLE,
        by_route: crate::plan::EvidencePlan::DEFAULT.by_route,
        rises: 1,
    });
    evidence.published(Generation::new(seq), Weight::FULL);
    Snapshot {
        progress,
        ledger: Some(evidence.ledger().clone()),
    }
}

fn place() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    (dir, path)
}

/// What a journal holds, by number.
fn recovered(path: &Path) -> Vec<u64> {
    let (_store, recovered) = Store::open(path).unwrap();
    recovered.entries.iter().map(|it| it.seq).collect()
}

/// Takes reports until `wanted` comes; fails if it does not.
fn wait_for(reports: &mut Receiver<Report>, wanted: &Report) -> Vec<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut seen = Vec::new();
    runtime.block_on(async {
        loop {
            let report = tokio::time::timeout(PATIENCE, reports.recv()).await;
            let report = report
                .unwrap_or_else(|_| panic!("no {wanted:?} after {seen:?}"))
                .unwrap_or_else(|| panic!("ended without {wanted:?} after {seen:?}"));
            seen.push(report);
            if seen.last() == Some(wanted) {
                return;
            }
        }
    });
    seen
}

/// Allows the database no further page.
fn fill_up(store: &mut Store) {
    let connection = store.journal.connection();
    connection
        .query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))
        .unwrap();
}

/// An entry that needs pages of its own.
fn long(mut entry: Entry) -> Entry {
    entry.reason = "x".repeat(20_000);
    entry
}

#[test]
fn what_was_recorded_is_recovered() {
    let (_dir, path) = place();
    let (mut store, found) = Store::open(&path).unwrap();
    assert!(found.entries.is_empty());
    store.append(&advance(1)).unwrap();
    let (mut handle, mut reports) = store.start().unwrap();
    handle.record_first(advance(2)).unwrap();
    wait_for(&mut reports, &Report::Recorded { seq: 2 });
    handle.record_after(rollback(3));
    handle.snapshot(snapshot(3, 11));
    let seen = wait_for(&mut reports, &Report::Recorded { seq: 3 });
    assert_eq!(
        seen,
        [Report::Marked { seq: 3 }, Report::Recorded { seq: 3 }],
        "the marker comes first"
    );
    handle.close();
    let (_store, found) = Store::open(&path).unwrap();
    assert_eq!(found.entries, [advance(1), advance(2), rollback(3)]);
    assert_eq!(found.snapshot, Some(snapshot(3, 11)));
}

#[test]
fn a_journal_without_evidence_is_read_and_brought_up_to_date() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    store.journal.save(&snapshot(1, 5)).unwrap();
    drop(store);
    // As the first version of the schema had it.
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("ALTER TABLE snapshot DROP COLUMN evidence; PRAGMA user_version = 1")
        .unwrap();
    drop(connection);
    let (_store, found) = Store::open(&path).unwrap();
    assert_eq!(found.entries, [advance(1)]);
    let expected = Snapshot {
        ledger: None,
        ..snapshot(1, 5)
    };
    assert_eq!(found.snapshot, Some(expected));
}

#[test]
fn evidence_that_cannot_be_read_costs_no_bake() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    store.journal.save(&snapshot(1, 5)).unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("UPDATE snapshot SET evidence = 'of a later version'")
        .unwrap();
    drop(connection);
    let (_store, found) = Store::open(&path).unwrap();
    let found = found.snapshot.unwrap();
    assert_eq!(found.ledger, None);
    assert_eq!(found.progress, snapshot(1, 5).progress);
}

#[test]
fn the_journal_cannot_be_changed_or_shortened() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(4)).unwrap();
    let connection = store.journal.connection();
    for sql in [
        "UPDATE journal SET entry = '{}'",
        "DELETE FROM journal",
        "INSERT INTO journal VALUES (3, 0, 0, '{}')",
        "INSERT OR REPLACE INTO journal VALUES (4, 0, 0, '{}')",
    ] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert!(matches!(
        store.append(&rollback(4)),
        Err(RecordError::Conflict { seq: 4 })
    ));
    assert!(matches!(
        store.append(&advance(3)),
        Err(RecordError::Conflict { seq: 3 })
    ));
    store.append(&advance(4)).expect("the same once more");
}

#[test]
fn one_process_owns_it() {
    let (_dir, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    let OpenError::InUse { pid, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*pid, Some(std::process::id()));
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn a_full_disk_fails_an_advance_and_keeps_a_rollback() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    fill_up(&mut store);
    let (mut handle, mut reports) = store.start().unwrap();
    handle.record_first(long(advance(2))).unwrap();
    let error = "database or disk is full".to_owned();
    let failing = Report::Failing {
        error: error.clone(),
    };
    let seen = wait_for(&mut reports, &Report::Failed { seq: 2, error });
    assert!(seen.contains(&failing), "{seen:?}");
    handle.record_after(long(rollback(2)));
    wait_for(&mut reports, &Report::Marked { seq: 2 });
    handle.record_first(advance(3)).unwrap();
    let error = "earlier entries are not recorded yet: database or disk is full".to_owned();
    wait_for(&mut reports, &Report::Failed { seq: 3, error });
    // Killed now, it comes back rolled back, and the journal gets the entry as soon as there is room.
    let (_copy, copied) = copy(&path);
    let (store, found) = Store::open(&copied).unwrap();
    assert_eq!(found.entries.last().map(|it| it.seq), Some(2));
    assert_eq!(
        found.entries.last().map(|it| &it.change),
        Some(&rollback(2).change)
    );
    let (again, mut reports) = store.start().unwrap();
    wait_for(&mut reports, &Report::Recorded { seq: 2 });
    again.close();
    assert_eq!(recovered(&copied), [1, 2]);
    handle.close();
}

#[test]
fn a_hold_in_the_marker_is_not_called_safe() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    fill_up(&mut store);
    let (mut handle, mut reports) = store.start().unwrap();
    let change = Change::Held {
        cause: HoldCause::Operator,
        step: Some(0),
    };
    handle.record_after(long(entry(2, 5, change)));
    handle.record_after(long(rollback(3)));
    let seen = wait_for(&mut reports, &Report::Marked { seq: 3 });
    assert!(!seen.contains(&Report::Marked { seq: 2 }), "{seen:?}");
    handle.close();
    assert_eq!(recovered(&path), [1, 3], "the rollback has taken its place");
}

#[test]
fn what_leaves_all_as_it_is_takes_no_rollbacks_place_in_the_marker() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    fill_up(&mut store);
    let (mut handle, mut reports) = store.start().unwrap();
    // By itself, it is kept.
    handle.record_after(long(entry(2, 500, Change::Reloaded)));
    handle.record_after(long(rollback(3)));
    wait_for(&mut reports, &Report::Marked { seq: 3 });
    handle.record_after(long(entry(4, 0, Change::DnsQuiet)));
    handle.close();
    assert_eq!(recovered(&path), [1, 3]);
}

#[test]
fn a_foreign_lock_delays_a_rollbacks_record_and_fails_an_advance() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    let (mut handle, mut reports) = store.start().unwrap();
    let stranger = Connection::open(&path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    handle.record_first(advance(2)).unwrap();
    let error = "database is locked".to_owned();
    wait_for(&mut reports, &Report::Failed { seq: 2, error });
    handle.record_after(rollback(3));
    wait_for(&mut reports, &Report::Marked { seq: 3 });
    stranger.execute_batch("ROLLBACK").unwrap();
    let seen = wait_for(&mut reports, &Report::Recorded { seq: 3 });
    assert!(seen.contains(&Report::Writable), "{seen:?}");
    handle.close();
    assert_eq!(recovered(&path), [1, 3]);
}

#[test]
fn a_store_that_works_again_says_so_by_itself() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    let (mut handle, mut reports) = store.start().unwrap();
    let stranger = Connection::open(&path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    handle.snapshot(snapshot(1, 1));
    let error = "database is locked".to_owned();
    wait_for(&mut reports, &Report::Failing { error });
    stranger.execute_batch("ROLLBACK").unwrap();
    wait_for(&mut reports, &Report::Writable);
    handle.close();
}

#[test]
fn what_cannot_be_opened_says_why() {
    let (dir, path) = place();
    let missing = dir.path().join("nowhere/journal.db");
    let error = Store::open(&missing).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("directory"), "{error}");

    fs::write(
        &path,
        "no database, but long enough to look like one".repeat(99),
    )
    .unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");

    let newer = dir.path().join("newer.db");
    let made = Connection::open(&newer).unwrap();
    made.pragma_update(None, "user_version", schema::VERSION + 1)
        .unwrap();
    drop(made);
    let error = Store::open(&newer).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error:?}");
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let (_dir, path) = place();
    drop(Store::open(&path).unwrap());
    let stranger = Connection::open(&path).unwrap();
    stranger
        .execute("INSERT INTO journal VALUES (1, 0, 0, '{\"seq\":1}')", [])
        .unwrap();
    drop(stranger);
    let error = Store::open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::Entry { seq: 1, .. }),
        "{error:?}"
    );
}

#[test]
fn a_marker_without_its_journal_is_forgotten() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    let (mut handle, mut reports) = store.start().unwrap();
    handle.record_after(rollback(9));
    wait_for(&mut reports, &Report::Recorded { seq: 9 });
    handle.close();
    fs::remove_file(&path).unwrap();
    let (mut store, found) = Store::open(&path).unwrap();
    assert!(found.entries.is_empty());
    store.append(&advance(1)).unwrap();
    drop(store);
    assert_eq!(recovered(&path), [1]);
}

#[test]
fn the_reader_pages_beside_the_writer() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    assert!(reader.page_after(0, 10).unwrap().is_empty());
    for seq in 1..=5 {
        store.append(&advance(seq)).unwrap();
    }
    let page = |seq, limit| -> Vec<u64> {
        let entries = reader.page_after(seq, limit).unwrap();
        entries.iter().map(|it| it.seq).collect()
    };
    assert_eq!(page(0, 2), [1, 2]);
    assert_eq!(page(2, 2), [3, 4]);
    assert_eq!(page(4, 2), [5]);
    assert_eq!(page(5, 2), [0_u64; 0]);
}

/// Copies of the files at any moment while entries are written are what `kill -9` leaves: everything that was
/// acknowledged before the copy began is there, in order and without a gap.
#[test]
fn a_copy_at_any_moment_holds_what_was_acknowledged() {
    let (_dir, path) = place();
    let (mut store, _) = Store::open(&path).unwrap();
    store.append(&advance(1)).unwrap();
    let (mut handle, mut reports) = store.start().unwrap();
    let mut acknowledged = 1;
    for round in 0..40_u64 {
        let first = 3 * round + 2;
        handle.record_first(advance(first)).unwrap();
        handle.record_after(rollback(first + 1));
        handle.record_first(advance(first + 2)).unwrap();
        // The store writes on while the files are copied.
        let (_copy, copied) = copy(&path);
        let found = recovered(&copied);
        let whole = found.iter().zip(1..).take_while(|(it, at)| *it == at);
        let whole = whole.map(|(it, _)| *it).last().unwrap();
        assert!(whole >= acknowledged, "{found:?}");
        // Only the marked rollback may stand after a gap: the entry before it was not acknowledged yet.
        let rest: Vec<u64> = found.into_iter().filter(|it| *it > whole).collect();
        assert!(rest.is_empty() || rest == [first + 1], "{rest:?}");
        acknowledged = first + 2;
        wait_for(&mut reports, &Report::Recorded { seq: acknowledged });
    }
    handle.close();
    assert_eq!(recovered(&path).len(), 121);
}

/// Copies database, log and marker, in the order in which a crash would leave them no less consistent: SQLite
/// writes the log before the database.
fn copy(path: &Path) -> (TempDir, std::path::PathBuf) {
    let (dir, copied) = place();
    for suffix in ["", "-wal", ".rollback"] {
        let from = format!("{}{suffix}", path.display());
        let to = format!("{}{suffix}", copied.display());
        if Path::new(&from).exists() {
            fs::copy(from, to).unwrap();
        }
    }
    (dir, copied)
}

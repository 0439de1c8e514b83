//! What the loop was told is recorded, and every decision can be taken again from it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    rollback, set_weight,
    world::{World, plan},
};
use crate::{
    control::CommandError,
    cutover::{Command, Coverage, Entry, Gathered, Position, restore},
    measure::Class,
    plan::{Edition, Plan},
    recording::{
        Batch, Compared, Derived, Follows, Item, Keyframe, Progress, Replay, Row, Verdict,
    },
    store::{Observations, ObservationsError, recorded},
    units::{Salt, Side, Timestamp},
};

/// More than any of these tests takes.
const ENOUGH: usize = 64 << 20;

fn recording(max: usize) -> Plan {
    Plan {
        observations: max,
        ..plan()
    }
}

/// What was written beside a journal; nothing where that has not begun.
fn rows(journal: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let read = recorded(journal, |row| {
        rows.push(row);
        Ok::<(), ObservationsError>(())
    });
    assert!(matches!(
        read,
        Ok(()) | Err(ObservationsError::Missing { .. })
    ));
    rows
}

/// Everything in a directory once more, under a plan.
fn replayed(dir: &Path, plan: &Plan) -> (Vec<Compared>, Progress) {
    let read = |_text: &str| Ok(plan.clone());
    let mut replay = Replay::new(&read);
    let compared = rows(&dir.join("journal.db"))
        .into_iter()
        .map(|row| replay.take(row).unwrap());
    let compared = compared.flatten().collect();
    (compared, replay.progress)
}

fn entries(compared: &[Compared]) -> Vec<Entry> {
    let verdicts = compared.iter().filter_map(|it| it.recorded.as_ref());
    verdicts.flat_map(Verdict::entries).collect()
}

async fn resume(world: &World) {
    let resume = Command::Resume {
        reason: "new is back".to_owned(),
        step: None,
    };
    world.command_once_recorded(resume).await;
}

#[tokio::test]
async fn every_decision_is_the_same_again() {
    let plan = recording(ENOUGH);
    let world = World::real(plan.clone());
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    world
        .until("baking", |it| it.ramp.step == 1 && it.ramp.requests == 0)
        .await;
    world.finish(Class::Success, 10);
    world.until("at step 2", |it| it.ramp.step == 2).await;
    let refused = world.command(Command::Start).await;
    assert!(matches!(refused, Err(CommandError::Refused(_))));
    world.refuse_connects(5);
    world
        .until("rolled back", |it| it.ramp.state == "rolled_back")
        .await;
    world.connects.succeeded(Side::New);
    resume(&world).await;
    world.command_once_recorded(set_weight(5000)).await;
    world.command_once_recorded(rollback()).await;
    let journal = world.journal();
    let dir = world.stop().await;

    let (compared, progress) = replayed(dir.path(), &plan);
    assert!(compared.iter().all(Compared::is_same), "{compared:#?}");
    assert_eq!(progress.differing, 0);
    assert_eq!(progress.skipped, 0);
    assert_eq!(progress.requests, 10);
    let kinds: Vec<_> = entries(&compared)
        .iter()
        .map(|it| it.change.kind())
        .collect();
    // The first entry is written before the loop begins.
    assert_eq!(kinds, journal[1..]);
    let refusals = compared.iter().filter_map(|it| it.recorded.as_ref());
    let refusals = refusals.filter(|it| it.0.contains("WrongState"));
    assert_eq!(refusals.count(), 1);
}

#[tokio::test]
async fn a_decision_that_would_be_another_one_is_found() {
    let world = World::real(recording(ENOUGH));
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    world.until("baking", |it| it.ramp.state == "baking").await;
    world.refuse_connects(5);
    world
        .until("rolled back", |it| it.ramp.state == "rolled_back")
        .await;
    let dir = world.stop().await;

    // Had fewer connects failed, it would have gone on.
    let plan = recording(ENOUGH);
    let read = |_text: &str| Ok(plan.clone());
    let mut replay = Replay::new(&read);
    let mut compared = Vec::new();
    for mut row in rows(&dir.path().join("journal.db")) {
        if let Row::Batch(Batch(items)) = &mut row {
            items.iter_mut().for_each(calm);
        }
        compared.extend(replay.take(row).unwrap());
    }
    let differing: Vec<_> = compared.iter().filter(|it| !it.is_same()).collect();
    assert_eq!(differing.len(), 1, "{compared:#?}");
    assert_eq!(replay.progress.differing, 1);
    let recorded = differing[0].recorded.as_ref().unwrap();
    assert_eq!(recorded.entries()[0].change.kind(), "rolled_back");
    assert_eq!(differing[0].derived, Some(Derived::Verdict(None)));
}

fn calm(item: &mut Item) {
    if let Item::Considered(considered) = item {
        let failures = &mut considered.glance.connects.new.failures;
        *failures = (*failures).min(1);
    }
}

#[tokio::test]
async fn the_oldest_goes_and_the_rest_is_taken_again_once_windows_have_filled() {
    const MAX: usize = 192 << 10;
    let mut plan = recording(MAX);
    plan.triggers[0].window = Duration::from_millis(300);
    let world = World::real(plan.clone());
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    for round in 0..12 {
        // A keyframe's worth of requests, several times.
        let before = world.control.status().sides.new.requests;
        world.finish(Class::Success, 2_000);
        world
            .until("counted", |it| it.sides.new.requests >= before + 2_000)
            .await;
        let points = 1_000 + 100 * round;
        world.command_once_recorded(set_weight(points)).await;
    }
    // Past the window after the last keyframe.
    let at = world.control.status().at;
    world
        .until("later", |it| it.at.since(at) > Duration::from_millis(800))
        .await;
    world.command_once_recorded(set_weight(5000)).await;
    let dir = world.stop().await;

    let path = dir.path().join("journal.db.observations");
    let kept: usize = rows(&dir.path().join("journal.db"))
        .iter()
        .map(|row| match row {
            Row::Keyframe(it) => it.encode().unwrap().len(),
            Row::Batch(it) => it.encode().unwrap().len(),
        })
        .sum();
    assert!(kept <= MAX, "{kept} bytes");
    assert!(fs::metadata(&path).unwrap().len() < 8 * MAX as u64);
    let (compared, progress) = replayed(dir.path(), &plan);
    assert!(compared.iter().all(Compared::is_same), "{compared:#?}");
    assert_eq!(progress.differing, 0);
    assert!(progress.skipped > 0, "the windows had to fill");
    assert!(progress.requests < 24_000, "{progress:?}");
    let kept = entries(&compared);
    assert!(!kept.is_empty() && kept.len() < 13, "{}", kept.len());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_said_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("journal.db.observations")).unwrap();
    let world = World::real_in(dir, recording(ENOUGH));
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    let status = world
        .until("warned", |it| {
            it.warnings.iter().any(|it| it.contains("not recorded"))
        })
        .await;
    assert!(status.not_ready.is_empty());
    world.command_once_recorded(rollback()).await;
    world.stop().await;
}

/// Two processes, of which one takes over from the other, whose last words come late.
#[test]
fn what_each_process_wrote_is_read_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Arc::new(recording(ENOUGH));
    let began = Entry::began(&plan, Salt::new([1; 16]), Timestamp::default());
    let position = Position::replay([&began]).unwrap();
    let keyframe = |seconds: i64| {
        let at = Timestamp::from_micros(seconds * 1_000_000);
        Row::Keyframe(Box::new(Keyframe {
            follows: Follows::Start,
            at,
            version: "0.0.0".to_owned(),
            text: String::new(),
            numbers: Edition::first(Arc::clone(&plan)).numbers(),
            basis: Gathered::new(&plan, &position, None).basis().unwrap(),
            state: restore(&plan, position.clone(), Default::default(), at).state,
        }))
    };
    let batch = |seconds: i64| {
        Row::Batch(Batch(vec![Item::Turned {
            now: Timestamp::from_micros(seconds * 1_000_000),
            coverage: Coverage::Full,
            intervals: Vec::new(),
        }]))
    };
    let path = dir.path().join("journal.db");
    let write = |observations: &Observations, row: Row| {
        let before = rows(&path).len();
        assert!(observations.write(row));
        let written = || rows(&path).len() > before;
        let began = Instant::now();
        while !written() {
            assert!(began.elapsed() < Duration::from_secs(20), "never written");
            std::thread::yield_now();
        }
    };
    let [old, new] = [(); 2].map(|()| Observations::start(&path, ENOUGH));
    write(&old, keyframe(1));
    write(&new, keyframe(2));
    write(&old, batch(11));
    write(&new, batch(22));
    let order: Vec<i64> = rows(&path)
        .iter()
        .map(|row| match row {
            Row::Keyframe(it) => it.at.micros(),
            Row::Batch(Batch(items)) => match &items[0] {
                Item::Turned { now, .. } => now.micros(),
                Item::Considered(_) => panic!("{items:?}"),
            },
        })
        .map(|it| it / 1_000_000)
        .collect();
    assert_eq!(order, [1, 11, 2, 22]);
    old.close();
    new.close();
}

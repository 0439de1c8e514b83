//! The control loop against a real journal in real time, and against a silent store in paused time.

mod replaying;
mod world;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use self::world::{World, plan};
use crate::{
    control::{CommandError, Done, Status},
    cutover::{Command, Refusal},
    measure::Class,
    plan::{AdvanceOn, EndpointId, ShadowPlan, StartMode},
    shadow,
    store::Report,
    units::{Side, Timestamp, Weight},
};

fn rollback() -> Command {
    Command::Rollback {
        reason: "the shop is on fire".to_owned(),
    }
}

fn set_weight(points: u16) -> Command {
    Command::SetWeight {
        weight: Weight::from_basis_points(points).unwrap(),
        reason: "a look".to_owned(),
    }
}

#[tokio::test]
async fn a_ramp_goes_from_start_to_complete() {
    let world = World::real(plan());
    world
        .until("ready", |it| {
            it.not_ready.is_empty() && it.ramp.waits.is_empty()
        })
        .await;
    let done = world.start().await;
    assert!(done.recorded);
    assert_eq!(world.weight(), Weight::from_basis_points(100).unwrap());
    assert_eq!(
        world.publication.load().generation.number(),
        done.generation
    );
    let mut followed = world.control.follow();
    for step in 1..=3 {
        world
            .until("at the step", |it| {
                it.ramp.step == step && it.ramp.requests == 0
            })
            .await;
        world.finish(Class::Success, 10);
    }
    let status = world
        .until("complete", |it| it.ramp.state == "complete")
        .await;
    assert!((status.weight - 100.0).abs() < 1e-9);
    assert_eq!(status.sides.new.requests, 30);
    let kinds = ["began", "started", "advanced", "advanced", "completed"];
    assert_eq!(world.journal(), kinds);
    for kind in &kinds[2..] {
        assert_eq!(followed.recv().await.unwrap().change.kind(), *kind);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_plan_that_starts_by_itself_waits_for_every_worker() {
    let mut plan = plan();
    plan.ramp.start = StartMode::Automatic;
    plan.workers = 2;
    let world = World::real(plan);
    // Worker 1 never reports.
    let status = world
        .until("worried", |it| {
            it.warnings.iter().any(|it| it.contains("worker 1"))
        })
        .await;
    assert_eq!(status.ramp.state, "idle");
    assert!(!status.not_ready.is_empty());
    assert_eq!(world.weight(), Weight::NONE);
    world.stop().await;
}

#[tokio::test]
async fn refused_connects_roll_back_between_two_turns() {
    let world = World::real(plan());
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    world.until("baking", |it| it.ramp.state == "baking").await;
    let before = world.publication.load().generation;
    world.refuse_connects(5);
    let status = world
        .until("rolled back", |it| it.ramp.state == "rolled_back")
        .await;
    let table = world.publication.load();
    assert_eq!(table.weight, Weight::NONE);
    assert!(table.generation > before);
    let withdrawal = table.withdrawal.expect("tunnels are withdrawn");
    assert_eq!(withdrawal.generation, table.generation);
    let rolled_back = status.last_rollback.as_ref().unwrap();
    assert_eq!(rolled_back.cause, "trigger:unreachable");
    assert!(
        rolled_back.reaction_ms.is_some_and(|it| it < 100.0),
        "{rolled_back:?}"
    );
    assert_eq!(status.rollbacks, 1);
    // It is recorded, and what follows is journalled after it. Tunnels stay withdrawn.
    world.connects.succeeded(Side::New);
    let resume = Command::Resume {
        reason: "new is back".to_owned(),
        step: None,
    };
    world.command_once_recorded(resume).await;
    assert_eq!(
        world.journal(),
        ["began", "started", "rolled_back", "resumed"]
    );
    assert_eq!(world.publication.load().withdrawal, Some(withdrawal));
    world.stop().await;
}

#[tokio::test]
async fn a_locked_journal_holds_the_ramp_and_never_a_rollback() {
    let world = World::real(plan());
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    let stranger = world.lock_journal();
    let refused = world.command(set_weight(5000)).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::Refused(Refusal::Store(_))),
        "{refused:?}"
    );
    let status = world
        .until("failing", |it| it.store.starts_with("failing"))
        .await;
    assert!(!status.not_ready.is_empty());
    assert!(
        status.warnings.iter().any(|it| it.contains("journal")),
        "{status:?}"
    );
    let before = Instant::now();
    let done = world.command(rollback()).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(world.weight(), Weight::NONE);
    assert!(done.recorded, "the marker has it");
    assert_eq!(world.journal(), ["began", "started"]);
    stranger.execute_batch("ROLLBACK").unwrap();
    world.until("writable", |it| it.store == "writable").await;
    world
        .until("recorded", |_| world.journal().len() == 3)
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_at_the_same_step_with_its_bake() {
    let mut slow = plan();
    slow.ramp.steps[0].bake = Duration::from_secs(600);
    slow.ramp.advance = AdvanceOn::Evidence;
    let world = World::real(slow.clone());
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    world.start().await;
    world.until("at the step", |it| it.ramp.step == 1).await;
    world.finish(Class::Success, 7);
    // Two seconds make sure of a snapshot.
    let status = world
        .until("baked a little", |it| it.ramp.bake_remaining_s < 597.5)
        .await;
    assert_eq!(status.ramp.requests, 7);
    let evidence_before = status.ramp.evidence_requests_left;
    let dir = world.stop().await;
    let world = World::real_in(dir, slow);
    assert_eq!(world.weight(), Weight::from_basis_points(100).unwrap());
    let status = world.control.status();
    assert_eq!((status.ramp.step, status.ramp.requests), (1, 7));
    assert!(status.ramp.bake_remaining_s < 599.0, "{status:?}");
    assert!(evidence_before.is_some());
    assert_eq!(status.ramp.evidence_requests_left, evidence_before);
    world.stop().await;
}

#[tokio::test]
async fn old_without_an_endpoint_is_a_warning() {
    let world = World::real(plan());
    let id = EndpointId {
        side: Side::Old,
        index: 1,
    };
    world.board.set_healthy(id, false);
    let status = world
        .until("worried", |it| {
            it.warnings.iter().any(|it| it.contains("old's"))
        })
        .await;
    assert_eq!(status.sides.old.endpoints[1].standing, "unhealthy");
    assert!(status.sides.old.endpoints[0].healthy);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_nobody_acknowledges_is_answered_as_not_recorded() {
    let world = at_the_first_step(World::silent(plan())).await;
    let begun = Instant::now();
    let done = world.command(rollback()).await.unwrap();
    assert!(!done.recorded);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(world.weight(), Weight::NONE);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_overtakes_what_waits_for_the_store() {
    let world = at_the_first_step(World::silent(plan())).await;
    let mut followed = world.control.follow();
    let (raise, back) = tokio::join!(world.command(set_weight(5000)), world.command(rollback()));
    assert_eq!(raise, Err(CommandError::Refused(Refusal::Overtaken)));
    let generation = world.publication.load().generation;
    let done = Done {
        generation: generation.number(),
        recorded: false,
    };
    assert_eq!(back, Ok(done));
    // The store had the weight in its queue, and records both after all.
    for seq in [3, 4] {
        world.reports.send(Report::Recorded { seq }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.weight(), Weight::NONE);
    assert_eq!(world.publication.load().generation, generation);
    assert_eq!(followed.recv().await.unwrap().change.kind(), "rolled_back");
    assert!(
        followed.is_empty(),
        "what was never in force is not announced"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn fresh_evidence_leaves_the_status_its_last_ten_seconds() {
    let world = World::silent(plan());
    world.finish(Class::Success, 20);
    let busy = |status: &Status| status.sides.new.request_rate > 0.0;
    world.until("busy", busy).await;
    let world = at_the_first_step(world).await;
    assert!(busy(&world.control.status()));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_thread_ends_holds_the_ramp() {
    let mut world = at_the_first_step(World::silent(plan())).await;
    world.reports = tokio::sync::mpsc::channel(1).0;
    let status = world
        .until("failing", |it| it.store.starts_with("failing"))
        .await;
    assert!(!status.not_ready.is_empty());
    world.command(rollback()).await.unwrap();
    assert_eq!(world.weight(), Weight::NONE);
    world.stop().await;
}

/// Starts the ramp against a store that acknowledges just that.
async fn at_the_first_step(world: World) -> World {
    world.until("ready", |it| it.ramp.waits.is_empty()).await;
    let acknowledged = async {
        tokio::task::yield_now().await;
        world
            .reports
            .send(Report::Recorded { seq: 2 })
            .await
            .unwrap();
    };
    let (started, ()) = tokio::join!(world.command(Command::Start), acknowledged);
    assert!(started.unwrap().recorded);
    world.until("baking", |it| it.ramp.state == "baking").await;
    world
}

#[test]
fn a_report_of_copies_counts_while_it_is_new_and_of_the_plan_in_force() {
    let start = Timestamp::from_micros(1_000_000);
    let copied = |shadow: ShadowPlan| {
        let mut plan = plan();
        plan.shadow = Some(shadow);
        Arc::new(plan)
    };
    let by = copied(ShadowPlan::of_every_request());
    let board = shadow::Board::default();
    assert!(board.view(&by, start).is_err());
    let tally = shadow::Tally::new(
        ShadowPlan::of_every_request(),
        by.evidence.tolerated_latency,
        start,
    );
    let report = tally.report(start, shadow::Dropped::default());
    board.put(&by, Some(report));
    let after = |seconds| start.after(Duration::from_secs(seconds));
    assert!(board.view(&by, after(4)).is_ok());
    assert!(board.view(&by, after(6)).is_err());
    let other = copied(ShadowPlan {
        copies: 65,
        ..ShadowPlan::of_every_request()
    });
    let why = board.view(&other, after(1)).unwrap_err();
    assert_eq!(why, "the report is of another configuration");
}

//! What befalls a world: faults of either side, of the disk, the clock and the workers, kills, new plans, and
//! operators who ask for anything at any time.

use std::time::Duration;

use changeover::{
    cutover::Command,
    plan::{DrillFault, Injection, Plan},
    units::{Share, Side, Weight},
};
use fastrand::Rng;

use crate::{
    checker::Violation,
    environment::Mode,
    lag::Trail,
    plans,
    world::{Decide, World},
};

/// How often things happen, in one of so many steps; `None` is never.
#[derive(Clone, Copy, Debug)]
struct Moods {
    new_changes: Option<u32>,
    old_changes: Option<u32>,
    /// What both depend on fails, or works again.
    both_change: Option<u32>,
    disk_changes: Option<u32>,
    trail_changes: Option<u32>,
    clock_jumps: Option<u32>,
    workers_fall_silent: Option<u32>,
    kills: Option<u32>,
    commands: Option<u32>,
    reloads: Option<u32>,
    upgrades: Option<u32>,
    plan_changes: bool,
}

/// A world as the seed has it, run for so many steps.
pub(crate) fn run(seed: u64, base: &Plan, decide: Decide, steps: u32) -> Result<World, Violation> {
    let mut rng = Rng::with_seed(seed);
    let plan = plans::random(&mut rng, base);
    let mut world = World::with(rng.u64(..), plan, decide);
    world.traffic.per_step = rng.f64() * rng.f64() * 40.0;
    for side in Side::ALL {
        world.sides[side].latency = Duration::from_millis(rng.u64(2..60));
    }
    let mood = |rng: &mut Rng, mean: u32| match rng.u8(..3) {
        0 => None,
        _ => Some(rng.u32(mean / 3..mean * 3)),
    };
    let moods = Moods {
        new_changes: mood(&mut rng, 150),
        old_changes: mood(&mut rng, 400),
        both_change: mood(&mut rng, 300),
        disk_changes: mood(&mut rng, 100),
        trail_changes: mood(&mut rng, 60),
        clock_jumps: mood(&mut rng, 3_000),
        workers_fall_silent: mood(&mut rng, 300),
        kills: mood(&mut rng, 150),
        commands: mood(&mut rng, 30),
        reloads: mood(&mut rng, 200),
        plan_changes: rng.u8(..3) == 0,
        upgrades: mood(&mut rng, 200),
    };
    for _ in 0..steps {
        befall(&mut world, base, moods, &mut rng)?;
        world.step()?;
    }
    Ok(world)
}

fn befall(world: &mut World, base: &Plan, moods: Moods, rng: &mut Rng) -> Result<(), Violation> {
    let strikes = |rng: &mut Rng, mean: Option<u32>| mean.is_some_and(|it| rng.u32(..it) == 0);
    if strikes(rng, moods.new_changes) {
        world.set(Side::New, mode(rng));
    }
    if strikes(rng, moods.old_changes) {
        world.set(Side::Old, mode(rng));
    }
    if strikes(rng, moods.both_change) {
        let mode = mode(rng);
        Side::ALL.into_iter().for_each(|side| world.set(side, mode));
    }
    if strikes(rng, moods.disk_changes) {
        world.disk.is_full = rng.u8(..3) == 0;
        world.disk.is_stuck = rng.u8(..4) == 0;
    }
    if strikes(rng, moods.trail_changes) {
        world.trail = Trail::random(rng);
    }
    if strikes(rng, moods.clock_jumps) {
        world.wall_offset_micros += rng.i64(-30_000_000..30_000_000);
    }
    if strikes(rng, moods.workers_fall_silent)
        && let Some(process) = &mut world.process
    {
        let until = process
            .time(world.time)
            .after(Duration::from_millis(rng.u64(..4_000)));
        let worker = rng.usize(..process.workers.len());
        process.workers[worker].silent_until = until;
    }
    if strikes(rng, moods.kills) {
        world.fuse = Some(rng.u32(..30));
        if moods.plan_changes {
            world.plan = plans::random(rng, base);
        }
    }
    if strikes(rng, moods.reloads) {
        if moods.plan_changes && rng.bool() {
            world.plan = plans::random(rng, base);
        }
        world.reload("ada")?;
    }
    if strikes(rng, moods.upgrades) {
        world.upgrade("ada")?;
    }
    if strikes(rng, moods.commands) {
        let command = command(rng, &world.plan);
        world.command(command, "ada")?;
    }
    Ok(())
}

fn mode(rng: &mut Rng) -> Mode {
    match rng.u8(..14) {
        0..5 => Mode::Fine,
        5 => Mode::Errors(Share::WHOLE),
        6 => {
            let parts = rng.u32(..300_000);
            Mode::Errors(Share::from_parts_per_million(parts).expect("below the whole"))
        }
        7 => Mode::Slow(rng.u32(2..30)),
        8 => Mode::Refusing,
        9 => Mode::Hanging,
        10 => Mode::Misjudged,
        _ => Mode::OneDown,
    }
}

fn command(rng: &mut Rng, plan: &Plan) -> Command {
    let reason = match rng.u8(..20) {
        0 => "  ".to_owned(),
        _ => "as it should be".to_owned(),
    };
    match rng.u8(..13) {
        0..3 => Command::Start,
        12 | 13 => Command::Drill {
            injection: Injection {
                fault: DrillFault::Errors,
                share: Share::WHOLE,
            },
            reason,
        },
        3 => Command::Hold,
        4..7 => Command::Resume {
            reason,
            step: (rng.u8(..4) == 0).then(|| rng.usize(..plan.ramp.steps.len() + 1)),
        },
        7..9 => Command::Advance,
        9 | 10 => {
            let points = match rng.u8(..6) {
                0 => 0,
                _ => rng.u16(..=10_000),
            };
            Command::SetWeight {
                weight: Weight::from_basis_points(points).expect("in range"),
                reason,
            }
        }
        _ => Command::Rollback { reason },
    }
}

//! `kill -9` at 200 instants of a ramp, with and without a full disk.
//!
//! The instants are the moments between any two things that the program does: between two effects, between the
//! marker and the journal, before and after a commit. `checker` looks after each start that nothing that was
//! acknowledged is lost, that a kept rollback is still one, and that no bake got shorter.

use std::time::Duration;

use changeover::{
    cutover::Ramp,
    plan::{Plan, StartMode, Step},
    units::{Share, Side},
};
use fastrand::Rng;

use crate::{environment::Mode, plans, world::World};

const INSTANTS: u32 = 200;

/// Half a minute, in which every ramp here has come to its end.
const STEPS: u32 = 300;

/// As long again, for what a kill delays.
const STEPS_AFTER_A_KILL: u32 = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// Nothing can be appended from a little before the kill until some time after it.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Complete,
    RolledBack,
}

#[test]
fn a_kill_at_any_instant_loses_nothing_that_was_acknowledged() {
    check(Room::Enough);
}

#[test]
fn nor_does_one_on_a_full_disk() {
    check(Room::None);
}

fn check(room: Room) {
    let plan = quick_plan();
    let mut rng = Rng::with_seed(1);
    for ending in [Ending::Complete, Ending::RolledBack] {
        let whole = run(&plan, ending, room, None);
        assert!(
            whole.burned > 60,
            "a ramp is more than {} things",
            whole.burned
        );
        for _ in 0..INSTANTS / 2 {
            let instant = rng.u32(..whole.burned);
            let world = run(&plan, ending, room, Some(instant));
            assert_eq!(
                world.kills, 1,
                "killed at instant {instant}, {ending:?}, {room:?}"
            );
        }
    }
}

/// A ramp from its start to its end, with a kill in between.
fn run(plan: &Plan, ending: Ending, room: Room, instant: Option<u32>) -> World {
    let mut world = World::new(7, plan.clone());
    world.fuse = instant;
    // What comes late enough for a start to have been recorded, and early enough to matter to most instants.
    let (fails_at, fills_at, frees_at) = (60, 55, 160);
    let steps = instant.map_or(STEPS, |_| STEPS_AFTER_A_KILL);
    for step in 0..steps {
        if step == fails_at && ending == Ending::RolledBack {
            world.set(Side::New, Mode::Errors(Share::WHOLE));
        }
        if room == Room::None && (step == fills_at || step == frees_at) {
            world.disk.is_full = step == fills_at;
        }
        if let Err(violation) = world.step() {
            panic!("instant {instant:?}, {ending:?}, {room:?}, step {step}: {violation}");
        }
    }
    let state = world.state().expect("it was started again");
    let is_as_it_must = match (&state.position.ramp, ending) {
        (Ramp::Complete { .. }, Ending::Complete) => true,
        (Ramp::RolledBack { .. }, Ending::RolledBack) => true,
        (_, Ending::Complete | Ending::RolledBack) => false,
    };
    assert!(
        is_as_it_must,
        "instant {instant:?}, {room:?}: {:?} at the end",
        state.position.ramp
    );
    let found = world.disk.recover().expect("the journal has begun");
    assert_eq!(
        found.position, state.position,
        "what is in force is on disk"
    );
    world
}

/// The scenarios' plan, but quicker.
fn quick_plan() -> Plan {
    let mut plan = plans::parse(crate::BASE);
    plan.ramp.start = StartMode::Automatic;
    plan.rollback.window = Duration::from_secs(3600);
    for step in &mut plan.ramp.steps {
        *step = Step {
            bake: Duration::from_secs(3),
            requests: 10,
            ..*step
        };
    }
    plan
}

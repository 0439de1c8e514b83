//! One turn of the control loop's core, ten of which are taken a second.

use std::time::Duration;

use changeover::{
    cutover::{
        Actor, Command, ConnectRun, Context, Coverage, Decision, Effect, Entry, Event, HealthCount,
        Observation, Position, Progress, Ramp, State, StoreState, decide, restore, window_lengths,
    },
    evidence::{Evidence, Settings},
    measure::{Arrivals, Windows},
    plan::Plan,
    units::{Generation, PerSide, Salt, Timestamp, Weight},
};
use divan::{Bencher, black_box};

use crate::{
    measure::interval,
    world::{START, plan},
};

/// Ten seconds of traffic are in the windows, the first step bakes, and nothing is wrong.
#[divan::bench(args = [10, 4_000])]
fn turn(bencher: Bencher<'_, '_>, requests_per_turn: usize) {
    let plan = plan(0);
    let mut windows = Windows::new(&window_lengths(&plan));
    let evidence = evidence(&plan);
    let state = baking(&plan, (&windows, &evidence));
    let mut now = START;
    for _ in 0..100 {
        now = now.after(Duration::from_millis(100));
        windows.turn(&[interval(requests_per_turn, now)], now);
    }
    bencher.bench_local(|| {
        decide_at(
            black_box(&plan),
            &state,
            &Event::Turn,
            (&windows, &evidence),
            now,
        )
    });
}

/// What the sequential tests make of a tenth of a second, at a weight of 5 %.
#[divan::bench(args = [100, 4_000])]
fn evidence_turn(bencher: Bencher<'_, '_>, requests_per_turn: usize) {
    let mut evidence = evidence(&plan(0));
    let mut now = START;
    bencher.bench_local(|| {
        now = now.after(Duration::from_millis(100));
        evidence.turn(&[interval(requests_per_turn, now)], now);
    });
}

fn evidence(plan: &Plan) -> Evidence {
    let weight = Weight::from_basis_points(500).expect("5 % is a weight");
    let in_force = (Generation::new(1), weight);
    Evidence::restored(Settings::of(plan), None, in_force, Generation::new(1))
}

/// The ramp was started, and its first step is recorded and in force.
fn baking(plan: &Plan, seen: (&Windows, &Evidence)) -> State {
    let began = Entry::began(plan, Salt::new([3; 16]), START);
    let position = Position::began(&began).expect("it begins a journal");
    let restored = restore(plan, position, Progress::default(), START).state;
    let start = Event::Command {
        command: Command::Start,
        actor: Actor::Operator("ada".to_owned()),
    };
    let turned = decide_at(plan, &restored, &Event::Turn, seen, START).state;
    let started = decide_at(plan, &turned, &start, seen, START);
    let recorded = started.effects.iter().find_map(|it| match it {
        Effect::RecordFirst(entry) => Some(entry.seq),
        _other => None,
    });
    let recorded = Event::Recorded {
        seq: recorded.expect("a start is recorded first"),
    };
    let state = decide_at(plan, &started.state, &recorded, seen, START).state;
    assert!(matches!(state.position.ramp, Ramp::Baking { .. }));
    state
}

fn decide_at(
    plan: &Plan,
    state: &State,
    event: &Event,
    (windows, evidence): (&Windows, &Evidence),
    now: Timestamp,
) -> Decision {
    let observation = Observation {
        zone: &Err(String::new()),
        copies: &Err(String::new()),
        arrivals: &Arrivals::default(),
        drilled: 0,
        tunnels: 0,
        windows,
        evidence,
        coverage: Coverage::Full,
        connects: PerSide::from_fn(|_| ConnectRun::default()),
        health: PerSide::from_fn(|_| HealthCount {
            endpoints: 1,
            usable: 1,
        }),
        store: StoreState::Writable,
        lags: &[],
        requests_on_new: 0,
    };
    let context = Context {
        now,
        wall: now,
        salt: Salt::new([3; 16]),
    };
    decide(plan, state, event, &observation, context)
}

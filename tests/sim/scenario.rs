//! Scenarios: a script goes in, a transcript of decisions comes out, and the difference is the review.
//!
//! A script is a line an act, run against `plan.toml`:
//!
//! ```text
//! traffic 20                     requests in each 100 ms, on average
//! new errors 10%                 or fine, slow 20, refusing, hanging, one-down, misjudged; the same for old
//! ada start                      or hold, advance, resume WHY, resume at 2 WHY, weight 30% WHY, rollback WHY
//! disk full                      or stuck, fine
//! clock +30                      the wall clock jumps by so many seconds
//! worker 0 silent 3              a worker says nothing for so many seconds
//! kill 2                         and start again after so many seconds
//! plan other.toml                what the next start, or reload, reads
//! ada reload                     reads it
//! run 10                         seconds
//! until complete                 or idle, baking 2, holding, rolled_back, closed; at most five minutes
//! ```

use std::{env, fs, path::PathBuf, time::Duration};

use changeover::{
    cutover::{Command, Phase, Ramp, waits},
    units::{Share, Side, Weight},
};

use crate::{
    environment::Mode,
    plans,
    transcript::Transcript,
    world::{STEP, World},
};

/// Steps that an `until` may take.
const UNTIL_STEPS: u32 = 3_000;

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        #[test]
        fn every_script_is_run() {
            let named = [$(stringify!($name)),*];
            let files = fs::read_dir(folder()).unwrap();
            let files = files.map(|it| it.unwrap().file_name().into_string().unwrap());
            let scripts: Vec<_> = files.filter_map(|it| it.strip_suffix(".script").map(str::to_owned)).collect();
            assert_eq!(scripts.len(), named.len(), "each script has its test: {scripts:?}");
        }
    };
}

scenarios! {
    a_healthy_ramp_completes
    errors_trip
    a_slow_side_trips
    a_dead_side_trips_at_once
    a_hanging_side_trips
    both_sides_bad_hold
    checks_that_fail_do_not_make_old_gone
    a_restart_goes_on_with_the_bake
    a_clock_jump_holds
    a_weight_by_hand_holds
    a_resume_after_a_rollback_starts_over
    a_full_disk_holds_and_keeps_a_rollback
    another_plan_holds
    a_reload_holds_where_its_rules_are_others
    little_traffic_waits
    a_silent_worker_stops_the_bake
    operators_are_told_why_not
    evidence_ends_a_step
    evidence_trips_before_a_threshold
    evidence_freezes_where_old_is_no_better
}

fn check(name: &str) {
    let script = fs::read_to_string(folder().join(format!("{name}.script"))).unwrap();
    let found = run(&script);
    let path = folder().join(format!("{name}.transcript"));
    if env::var_os("SIM_BLESS").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = found.lines().zip(expected.lines());
    let differs = lines.position(|(found, expected)| found != expected);
    let line = differs.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    assert!(
        found == expected,
        "{}:{}:\n  expected {}\n  found    {}\nSIM_BLESS=1 writes it anew",
        path.display(),
        line + 1,
        at(&expected),
        at(&found),
    );
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sim/scenarios")
}

fn run(script: &str) -> String {
    let plan = fs::read_to_string(folder().join("plan.toml")).unwrap();
    let mut world = World::new(1, plans::parse(&plan));
    world.transcript = Transcript::kept(world.time);
    for (number, line) in (1..).zip(script.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || line.starts_with('#') {
            continue;
        }
        world.transcript.at(world.time);
        world.transcript.note(format!("> {line}"));
        act(&mut world, &words).unwrap_or_else(|| panic!("line {number} is no act: {line}"));
    }
    world.transcript.text()
}

/// Carries one line out; `None` if it says nothing that is known.
fn act(world: &mut World, words: &[&str]) -> Option<()> {
    match *words {
        ["traffic", per_step] => world.traffic.per_step = per_step.parse().ok()?,
        ["new", ref mode @ ..] => world.set(Side::New, parse_mode(mode)?),
        ["old", ref mode @ ..] => world.set(Side::Old, parse_mode(mode)?),
        ["disk", state] => {
            world.disk.is_full = state == "full";
            world.disk.is_stuck = state == "stuck";
        }
        ["clock", seconds] => {
            let seconds: i64 = seconds.parse().ok()?;
            world.wall_offset_micros += seconds * 1_000_000;
        }
        ["worker", index, "silent", seconds] => {
            let process = world.process.as_mut()?;
            let until = process.time(world.time).after(parse_seconds(seconds)?);
            process.workers[index.parse::<usize>().ok()?].silent_until = until;
        }
        ["kill", seconds] => world.kill(parse_seconds(seconds)?),
        ["plan", file] => {
            let text = fs::read_to_string(folder().join(file)).ok()?;
            world.plan = plans::parse(&text);
        }
        ["ada", "reload"] => {
            let asked = world.reload("ada");
            asked.unwrap_or_else(|violation| panic!("{violation}"));
        }
        ["run", seconds] => {
            let steps = parse_seconds(seconds)?.as_millis() / STEP.as_millis();
            (0..steps).for_each(|_| step(world));
            show(world);
        }
        ["until", ref state @ ..] => {
            let mut steps = 0..UNTIL_STEPS;
            while !is_in(world, state)? {
                assert!(
                    steps.next().is_some(),
                    "it is never {state:?}:\n{}",
                    world.transcript.text()
                );
                step(world);
            }
            show(world);
        }
        ["ada", ref command @ ..] => {
            let command = parse_command(command)?;
            let asked = world.command(command, "ada");
            asked.unwrap_or_else(|violation| panic!("{violation}"));
        }
        _ => return None,
    }
    Some(())
}

fn step(world: &mut World) {
    if let Err(violation) = world.step() {
        panic!("{violation}, after\n{}", world.transcript.text());
    }
}

/// Where it stands, as `status` would say.
fn show(world: &mut World) {
    world.transcript.at(world.time);
    let Some(process) = &world.process else {
        world.transcript.note("= not running");
        return;
    };
    let (plan, state) = (&process.plan, &process.state);
    let now = process.time(world.time);
    let found = waits(plan, state, &process.observe(now), now);
    let shown = state.shown(&found);
    let step = state.position.ramp.step();
    let step = step.map_or(String::new(), |it| format!(" step {}", it + 1));
    let baked = state.progress.baked.as_secs_f64();
    let (weight, phase) = (state.position.weight, state.phase());
    let waits: Vec<String> = found.iter().map(ToString::to_string).collect();
    let waits = match waits.is_empty() {
        true => String::new(),
        false => format!("; waits for {}", waits.join(", ")),
    };
    world.transcript.note(format!(
        "= {shown}{step} at {weight}, {phase:?}, baked {baked:.1} s{waits}"
    ));
}

fn is_in(world: &World, state: &[&str]) -> Option<bool> {
    let Some(now) = world.state() else {
        return Some(false);
    };
    Some(match *state {
        ["baking", step] => {
            let step: usize = step.parse().ok()?;
            matches!(now.position.ramp, Ramp::Baking { step: at, .. } if at + 1 == step)
        }
        ["closed"] => now.phase() == Phase::Decommission,
        [name] => now.position.ramp.name() == name,
        _ => return None,
    })
}

fn parse_mode(words: &[&str]) -> Option<Mode> {
    Some(match *words {
        ["fine"] => Mode::Fine,
        ["errors", percent] => {
            let percent: Weight = percent.parse().ok()?;
            let parts = u32::from(percent.basis_points()) * 100;
            Mode::Errors(Share::from_parts_per_million(parts)?)
        }
        ["slow", factor] => Mode::Slow(factor.parse().ok()?),
        ["refusing"] => Mode::Refusing,
        ["hanging"] => Mode::Hanging,
        ["one-down"] => Mode::OneDown,
        ["misjudged"] => Mode::Misjudged,
        _ => return None,
    })
}

fn parse_command(words: &[&str]) -> Option<Command> {
    let join = |words: &[&str]| words.join(" ");
    Some(match *words {
        ["start"] => Command::Start,
        ["hold"] => Command::Hold,
        ["advance"] => Command::Advance,
        ["resume", "at", step, ref reason @ ..] => Command::Resume {
            reason: join(reason),
            step: Some(step.parse::<usize>().ok()?.checked_sub(1)?),
        },
        ["resume", ref reason @ ..] => Command::Resume {
            reason: join(reason),
            step: None,
        },
        ["weight", weight, ref reason @ ..] => Command::SetWeight {
            weight: weight.parse().ok()?,
            reason: join(reason),
        },
        ["rollback", ref reason @ ..] => Command::Rollback {
            reason: join(reason),
        },
        _ => return None,
    })
}

fn parse_seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs_f64)
}

//! Frames as they come out, at the sizes that terminals have.

use std::{collections::VecDeque, time::Duration};

use ratatui::{Terminal, backend::TestBackend};

use super::{Link, Seen, draw};
use crate::{
    admin::{EventDocument, fixture},
    clock,
    cutover::Phase,
};

const CAUSE: &str = "cannot reach the admin API at http://127.0.0.1:9700: Connection refused; \
    is `changeover serve` running there?";

fn seen() -> Seen {
    Seen {
        link: Link::Up,
        status: Some(fixture::status()),
        entries: fixture::entries().iter().map(EventDocument::from).collect(),
    }
}

/// The frame as lines, ten seconds after the connection was lost, if it was.
fn frame(seen: &Seen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let now = match seen.link {
        Link::Up => clock::now(),
        Link::Down { since, .. } => since + Duration::from_secs(10),
    };
    terminal.draw(|frame| draw(frame, seen, now)).unwrap();
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_usual_terminal_shows_everything() {
    let expected = "\
shop  5% on new  baking                                                     live
! one endpoint of old is ejected
ramp ───────────────────────────────────────────────────────────────────────────
1%  [5%]  25%  50%  100%  step 2 of 5
███████████████████2m 1s of bake left, 480 of 1,000 requests
waits for bake: 2 m left; requests: 480 of 1000
old ──────────────────────────────────── new ───────────────────────────────────
requests                         240.5/s requests                        240.5/s
errors                             1.43% errors                            1.43%
p99                38.4 ms (p50 4.20 ms) p99               38.4 ms (p50 4.20 ms)
endpoints                         2 of 2 endpoints                        1 of 1
in flight                 12 (3 tunnels) in flight                12 (3 tunnels)
since start            41,020 (3 failed) since start           2,159 (31 failed)
triggers ───────────────────────────────────────────────────────────────────────
slower than old         BREACH   38.4 ms of 30.6 ms
errors                  clear    1.43% of 2%
unreachable             unknown  - of 5
journal ────────────────────────────────────────────────────────────────────────
02:00:06 ROLLED BACK from 25% by errors: error_rate 12.5% over 2%
02:00:05 weight set by hand, from 25%: as agreed
02:00:04 held: looking at a log
02:00:03 advanced from step 1 to 2: step 1 baked
02:00:02 started at step 1: started
q quits
";
    assert_eq!(frame(&seen(), 80, 24), expected);
}

#[test]
fn a_small_terminal_shows_what_matters_most() {
    let expected = "\
shop  5% on new  baking             live
! one endpoint of old is ejected
1%  [5%]  25%  50%  100%  step 2 of 5
███████████2m 1s of bake left
old ──────────────── new ───────────────
requests     240.5/s requests    240.5/s
errors         1.43% errors        1.43%
p99          38.4 ms p99         38.4 ms
endpoints     2 of 2 endpoints    1 of 1
triggers ───────────────────────────────
slower than… BREACH   38.4 ms of 30.6 ms
q quits
";
    assert_eq!(frame(&seen(), 40, 12), expected);
}

#[test]
fn a_lost_connection_is_said_above_the_last_known_state() {
    let mut seen = seen();
    seen.link = Link::Down {
        since: clock::now(),
        why: CAUSE.into(),
    };
    let shown = frame(&seen, 80, 24);
    let head: Vec<&str> = shown.lines().take(4).collect();
    let expected = [
        "shop  5% on new  baking                                     CANNOT REACH for 10s",
        "! cannot reach the admin API at http://127.0.0.1:9700: Connection refused; is",
        "`changeover serve` running there?",
        "! one endpoint of old is ejected",
    ];
    assert_eq!(head, expected);
    assert!(shown.contains("41,020 (3 failed)"));
}

#[test]
fn before_the_first_answer_it_says_what_it_waits_for() {
    let seen = Seen {
        link: Link::Down {
            since: clock::now(),
            why: CAUSE.into(),
        },
        status: None,
        entries: VecDeque::new(),
    };
    let shown = frame(&seen, 40, 12);
    assert!(shown.contains("CANNOT REACH for 10s"), "{shown}");
    assert!(shown.contains("waiting for the first answer"), "{shown}");
}

#[test]
fn every_size_and_every_state_can_be_drawn() {
    let mut seen = seen();
    for (state, bake) in [
        ("idle", 0.0),
        ("holding", f64::NAN),
        ("rolled_back", -1.0),
        ("complete", f64::INFINITY),
    ] {
        let status = seen.status.as_mut().unwrap();
        status.phase = Phase::Prepare;
        status.ramp.state = state.into();
        status.ramp.reason = Some("\u{1b}[31mred".into());
        (status.ramp.bake_s, status.ramp.bake_remaining_s) = (bake, bake);
        for (width, height) in [(1, 1), (2, 3), (10, 3), (20, 40), (80, 24), (300, 100)] {
            let shown = frame(&seen, width, height);
            assert!(!shown.contains('\u{1b}'), "{shown}");
        }
    }
}

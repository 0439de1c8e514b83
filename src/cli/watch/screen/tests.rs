//! Frames as they come out.

use std::{collections::VecDeque, time::Duration};

use ratatui::{Terminal, backend::TestBackend};

use super::{Link, Seen, draw};
use crate::{
    admin::{EventDocument, fixture},
    clock,
};

fn seen() -> Seen {
    Seen {
        link: Link::Up,
        status: Some(fixture::status()),
        entries: fixture::entries().iter().map(EventDocument::from).collect(),
    }
}

fn frame(seen: &Seen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let now = clock::now() + Duration::from_secs(12);
    terminal.draw(|frame| draw(frame, seen, now)).unwrap();
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn print() {
    println!("{}", frame(&seen(), 80, 24));
    println!("{}", frame(&seen(), 40, 12));
    println!("{}", crate::cli::status::shown(&fixture::status()));
    for e in fixture::entries() {
        println!("{}", crate::cli::events::line(&EventDocument::from(&e)));
    }
    let mut s = seen();
    s.link = Link::Down { since: clock::now(), why: "cannot reach the admin API at http://127.0.0.1:9700: connection refused; is `changeover serve` running there?".into() };
    println!("{}", frame(&s, 80, 24));
    s.status = None;
    s.entries = VecDeque::new();
    println!("{}", frame(&s, 40, 12));
    println!("{}", frame(&s, 1, 1));
    println!("{}", frame(&seen(), 10, 3));
    println!("{}", frame(&seen(), 200, 50));
}

//! `changeover watch`: the cutover live in a terminal.

mod poller;
mod screen;
mod seen;

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};

use crate::cli::{arguments::Connect, client::Client, exit::Failure};

use poller::Poller;

pub(crate) use screen::{foot, header};
#[cfg(test)]
pub(crate) use seen::Link;
pub(crate) use seen::Seen;

/// How long to wait for a key before drawing anew.
const FRAME: Duration = Duration::from_millis(200);

/// Watch the cutover live; q quits
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connect: Connect,
}

/// What draws a frame of all that is known.
type Draw = fn(&mut Frame<'_>, &Seen, Instant);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    live(&arguments.connect, "watch", screen::draw)
}

/// Takes the terminal and draws what the server says, until somebody quits.
pub(crate) fn live(connect: &Connect, command: &str, draw: Draw) -> Result<(), Failure> {
    let client = Client::new(connect)?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text =
            format!("{command} needs a terminal; for scripts there is `changeover status --json`");
        return Err(Failure::Usage(text));
    }
    let poller = Poller::start(client)?;
    // A panic restores the terminal too: ratatui hooks it. Ctrl-C comes as a key.
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let ended = draw_until_quit(&mut terminal, &poller, draw);
    let restored = ratatui::try_restore().context("cannot restore the terminal");
    ended.context("cannot use the terminal")?;
    Ok(restored?)
}

fn draw_until_quit(terminal: &mut DefaultTerminal, poller: &Poller, draw: Draw) -> io::Result<()> {
    loop {
        let (seen, now) = (poller.seen(), crate::clock::now());
        terminal.draw(|frame| draw(frame, &seen, now))?;
        if event::poll(FRAME)? && is_quit(&event::read()?) {
            return Ok(());
        }
    }
}

fn is_quit(event: &Event) -> bool {
    let Event::Key(key) = event else {
        return false;
    };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release
        && match key.code {
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
            KeyCode::Char('c') => is_control,
            _ => false,
        }
}

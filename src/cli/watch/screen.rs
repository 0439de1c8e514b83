//! One frame of the watcher, for any size of terminal: what matters most stands above and goes last.
//!
//! ```text
//! shop  5% on new  baking                                                  live
//! ! one endpoint of old is ejected
//! ramp ─────────────────────────────────────────────────────────────────────────
//! sides ────────────────────────────────────────────────────────────────────────
//! triggers ─────────────────────────────────────────────────────────────────────
//! journal ──────────────────────────────────────────────────────────────────────
//! q quits
//! ```

mod journal;
mod ramp;
mod sides;
mod triggers;

use std::time::Instant;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph},
};

use super::seen::{Link, Seen};
use crate::{
    cli::{
        figures::{cut, span},
        output::printable,
    },
    control::Status,
};

/// Below this height sections lose their less important lines.
const ROOMY: u16 = 20;

/// Lines of warnings at most.
const NOTES_MAX: usize = 3;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen, now: Instant) {
    let notes = notes(seen, frame.area().width);
    let notes_height = u16::try_from(notes.len()).unwrap_or_default();
    let [head, warnings, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(notes_height),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, head, seen, now);
    frame.render_widget(Paragraph::new(notes), warnings);
    match &seen.status {
        Some(status) => sections(frame, body, seen, status),
        None => frame.render_widget(Paragraph::new("waiting for the first answer"), body),
    }
    self::foot(frame, foot);
}

/// The last line.
pub(crate) fn foot(frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(Span::styled("q quits", faint()), area);
}

fn sections(frame: &mut Frame<'_>, area: Rect, seen: &Seen, status: &Status) {
    let is_roomy = frame.area().height >= ROOMY;
    let ramp_height = if is_roomy { 4 } else { 2 };
    let sides_height = if is_roomy { 7 } else { 5 };
    let triggers_height = u16::try_from(status.triggers.len() + 1).unwrap_or(u16::MAX);
    let [ramp, sides, triggers, journal] = Layout::vertical([
        Constraint::Length(ramp_height),
        Constraint::Length(sides_height),
        Constraint::Max(triggers_height.min(area.height / 3 + 1)),
        Constraint::Fill(1),
    ])
    .areas(area);
    ramp::draw(frame, ramp, &status.ramp, is_roomy);
    sides::draw(frame, sides, &status.sides);
    triggers::draw(frame, triggers, &status.triggers);
    journal::draw(frame, journal, &seen.entries);
}

/// The first line: what it is about, and whether the server answers.
pub(crate) fn header(frame: &mut Frame<'_>, area: Rect, seen: &Seen, now: Instant) {
    let link = match &seen.link {
        Link::Up => Span::styled("live", Color::Green),
        Link::Down { since, .. } => {
            let down = now.saturating_duration_since(*since).as_secs_f64();
            let text = format!("CANNOT REACH for {}", span(down));
            Span::styled(text, alarm())
        }
    };
    let link_width = u16::try_from(link.width()).unwrap_or(u16::MAX);
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(link_width)]).areas(area);
    if let Some(status) = &seen.status {
        let state = status.ramp.state.replace('_', " ");
        let style = match status.ramp.state.as_str() {
            "rolled_back" => alarm(),
            _ => bold(),
        };
        let title = Line::from(vec![
            Span::styled(printable(&status.name), bold()),
            Span::raw(format!("  {}% on new  ", status.weight)),
            Span::styled(state, style),
        ]);
        frame.render_widget(title, left);
    }
    frame.render_widget(link, right);
}

/// What an operator should know: why the server does not answer, why it is not ready, its warnings.
fn notes(seen: &Seen, width: u16) -> Vec<Line<'static>> {
    let mut texts = Vec::new();
    if let Link::Down { why, .. } = &seen.link {
        texts.push(why);
    }
    if let Some(status) = &seen.status {
        texts.extend(&status.not_ready);
        texts.extend(&status.warnings);
    }
    let width = usize::from(width.max(1));
    let lines = texts
        .into_iter()
        .map(|text| textwrap::fill(&format!("! {}", printable(text)), width));
    let mut lines: Vec<String> = lines
        .flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let hidden = lines.len().saturating_sub(NOTES_MAX);
    lines.truncate(NOTES_MAX);
    if let Some(last) = lines.last_mut().filter(|_| hidden > 0) {
        *last = cut(&format!("{last} … and more"), width);
    }
    let line = |text| Line::styled(text, Color::Yellow);
    lines.into_iter().map(line).collect()
}

/// A section's rule with its name; gives the area below.
fn titled(frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
    let block = Block::new().borders(Borders::TOP).title(title.to_owned());
    let inner = block.inner(area);
    frame.render_widget(block.border_style(faint()), area);
    inner
}

/// As much of a text as a column has room for.
fn fitted(text: &str, width: u16) -> String {
    cut(&printable(text), usize::from(width))
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn alarm() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests;

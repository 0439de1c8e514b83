//! The ramp: its steps, how far the bake is, what an advance waits for.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Gauge,
};

use super::{bold, faint, fitted, titled};
use crate::{
    cli::figures::{count, span},
    control::RampStatus,
};

/// With room: a title, the steps, the bake, the waits. Without: the steps and the bake.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ramp: &RampStatus, is_roomy: bool) {
    let area = match is_roomy {
        true => titled(frame, area, "ramp "),
        false => area,
    };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
    ];
    let [steps_area, bake, waits] = Layout::vertical(rows).areas(area);
    frame.render_widget(steps(ramp), steps_area);
    frame.render_widget(gauge(ramp, bake.width), bake);
    let text = match (&ramp.reason, ramp.waits.is_empty()) {
        (Some(reason), _) => reason.clone(),
        (None, false) => format!("waits for {}", ramp.waits.join("; ")),
        (None, true) => String::new(),
    };
    let text = fitted(&text, waits.width);
    frame.render_widget(Span::styled(text, faint()), waits);
}

fn steps(ramp: &RampStatus) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, weight) in (1..).zip(&ramp.weights) {
        let text = format!("{weight}%");
        spans.push(if number < ramp.step {
            Span::styled(text, Color::Green)
        } else if number == ramp.step {
            let style = bold().add_modifier(Modifier::UNDERLINED);
            Span::styled(format!("[{text}]"), style)
        } else {
            Span::styled(text, faint())
        });
        spans.push(Span::raw("  "));
    }
    spans.push(Span::raw(format!("step {} of {}", ramp.step, ramp.steps)));
    Line::from(spans)
}

fn gauge(ramp: &RampStatus, width: u16) -> Gauge<'static> {
    let left = ramp.bake_remaining_s.clamp(0.0, ramp.bake_s.max(0.0));
    let share = match ramp.bake_s > 0.0 {
        true => 1.0 - left / ramp.bake_s,
        false => 0.0,
    };
    let requests = match ramp.requests_needed {
        0 => String::new(),
        needed => format!(", {} of {} requests", count(ramp.requests), count(needed)),
    };
    let mut label = match ramp.bake_s > 0.0 {
        true => format!("{} of bake left", span(left)),
        false => "no bake".into(),
    };
    if label.len() + requests.len() <= usize::from(width) {
        label.push_str(&requests);
    }
    // Shares of broken numbers must not reach the gauge, which would panic.
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let style = Style::new().fg(Color::Cyan).bg(Color::DarkGray);
    Gauge::default()
        .ratio(share)
        .label(label)
        .gauge_style(style)
}

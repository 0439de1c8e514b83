//! What every trigger says.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{alarm, fitted, titled};
use crate::{
    cli::figures::{reading, verdict},
    control::TriggerStatus,
    cutover::Verdict,
};

/// Breaches first, then in the plan's order, as many as fit.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, triggers: &[TriggerStatus]) {
    if area.height < 2 {
        return;
    }
    let area = titled(frame, area, "triggers ");
    let mut sorted: Vec<&TriggerStatus> = triggers.iter().collect();
    sorted.sort_by_key(|it| it.verdict != Verdict::Breach);
    // The verdict is the shortest column and the one that must be seen.
    let name_width = (area.width / 3).clamp(8, 24);
    let rows = sorted.into_iter().map(|trigger| {
        let style = match trigger.verdict {
            Verdict::Clear => Style::new().fg(Color::Green),
            Verdict::Breach => alarm(),
            Verdict::Unknown => Style::new().fg(Color::Yellow),
        };
        let name = fitted(&trigger.name, name_width.saturating_sub(1));
        let width = usize::from(name_width);
        Line::from(vec![
            Span::raw(format!("{name:<width$}")),
            Span::styled(format!("{:<8} ", verdict(trigger.verdict)), style),
            Span::raw(reading(trigger)),
        ])
    });
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
}

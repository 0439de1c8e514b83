//! The latest entries of the journal, the newest on top.

use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{alarm, faint, fitted, titled};
use crate::{
    admin::{ChangeDocument, EventDocument},
    cli::events::what,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, entries: &VecDeque<EventDocument>) {
    if area.height < 2 {
        return;
    }
    let area = titled(frame, area, "journal ");
    let rows = entries.iter().rev().take(usize::from(area.height));
    let rows = rows.map(|entry| {
        let style = match entry.change {
            ChangeDocument::RolledBack { .. } => alarm(),
            _ => Style::new(),
        };
        // The time of day is enough on a screen that lives for hours.
        let time = entry.at.to_string();
        let time = time.get(11..19).unwrap_or_default().to_owned();
        let text = format!("{}: {}", what(&entry.change), entry.reason);
        let text = fitted(&text, area.width.saturating_sub(9));
        Line::from(vec![
            Span::styled(format!("{time} "), faint()),
            Span::styled(text, style),
        ])
    });
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
}

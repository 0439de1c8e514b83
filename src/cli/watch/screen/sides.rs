//! Both sides beside each other.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{faint, titled};
use crate::{
    cli::figures::{count, latency, rate, ratio},
    control::SideStatus,
    units::{PerSide, Side},
};

/// Labels are as wide as this, figures take what is left.
const LABEL: usize = 12;

/// The most important rows come first, so that a low terminal shows them.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, sides: &PerSide<SideStatus>) {
    let columns = Layout::horizontal([Constraint::Fill(1); 2]).spacing(1);
    let [old, new] = columns.areas(area);
    for (side, area) in Side::ALL.into_iter().zip([old, new]) {
        let area = titled(frame, area, &format!("{side} "));
        let width = usize::from(area.width).saturating_sub(LABEL).min(28);
        let rows = rows(&sides[side], width).map(|(label, figure, style)| {
            Line::from(vec![
                Span::styled(format!("{label:<LABEL$}"), faint()),
                Span::styled(format!("{figure:>width$}"), style),
            ])
        });
        frame.render_widget(Paragraph::new(rows.to_vec()), area);
    }
}

/// What a figure says besides itself is left out where a column has no room for it.
fn rows(side: &SideStatus, width: usize) -> [(&'static str, String, Style); 6] {
    let plain = Style::new();
    let warn = |is_bad: bool| match is_bad {
        true => Style::new().fg(Color::Red),
        false => plain,
    };
    let with = |figure: String, more: String| match figure.len() + more.len() <= width {
        true => figure + &more,
        false => figure,
    };
    let usable = side.endpoints.iter().filter(|it| it.healthy).count();
    let all = side.endpoints.len();
    let latencies = with(
        latency(side.latency_ms.p99),
        format!(" (p50 {})", latency(side.latency_ms.p50)),
    );
    let open = with(
        count(side.in_flight),
        format!(" ({} tunnels)", count(side.tunnels)),
    );
    let since = with(
        count(side.requests),
        format!(" ({} failed)", count(side.errors)),
    );
    let health = format!("{usable} of {all}");
    [
        ("requests", rate(side.request_rate), plain),
        (
            "errors",
            ratio(side.error_rate),
            warn(side.error_rate > 0.0),
        ),
        ("p99", latencies, plain),
        ("endpoints", health, warn(usable < all)),
        ("in flight", open, plain),
        ("since start", since, plain),
    ]
}

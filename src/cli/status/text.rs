//! The status as text of at most 80 columns.

use std::fmt::Display;

use crate::{
    cli::{
        figures::{count, cut, latency, rate, ratio, reading, span, verdict},
        output::printable,
    },
    control::{RampStatus, SideStatus, Status},
    units::{PerSide, Side, Timestamp},
};

/// The widest line.
const WIDTH: usize = 80;

/// Where the text behind a label begins.
const INDENT: usize = 10;

/// The bar of a bake.
const BAR: usize = 30;

/// The whole status.
pub(crate) fn text(status: &Status) -> String {
    let mut page = Page::default();
    let phase = serde_json::to_value(status.phase).unwrap_or_default();
    let phase = phase.as_str().unwrap_or_default();
    page.line(
        "name",
        format_args!(
            "{}, phase {phase}, generation {}",
            status.name, status.generation
        ),
    );
    page.line("weight", format_args!("{}% on new", status.weight));
    ramp(&mut page, &status.ramp, status.at);
    for warning in &status.warnings {
        page.line("warning", warning);
    }
    for reason in &status.not_ready {
        page.line("not ready", reason);
    }
    if let Some(rollback) = &status.last_rollback {
        let ago = span(status.at.since(rollback.at).as_secs_f64());
        let reaction = rollback
            .reaction_ms
            .map(|ms| format!(", {} to react", latency(ms)));
        let reaction = reaction.unwrap_or_default();
        let what = format!("{} {ago} ago{reaction}", rollback.cause);
        page.line("rollback", what);
        page.more(&rollback.detail);
    }
    page.blank();
    sides(&mut page, &status.sides);
    if !status.triggers.is_empty() {
        page.blank();
    }
    for trigger in &status.triggers {
        let (reading, verdict) = (reading(trigger), verdict(trigger.verdict));
        let name = cut(&trigger.name, 22);
        let kind = cut(&trigger.kind, 18);
        page.row(format_args!(
            "{name:<22} {kind:<18} {reading:<25} {verdict}"
        ));
    }
    evidence(&mut page, status);
    page.blank();
    page.row(format_args!(
        "{} connections, {} rejected, journal entry {}, store {}",
        count(status.connections),
        count(status.rejected),
        status.seq,
        status.store
    ));
    page.text
}

/// What speaks against new.
fn evidence(page: &mut Page, status: &Status) {
    let growing = status.evidence.iter().filter(|it| it.since.is_some());
    let mut label = "evidence";
    page.blank();
    for test in growing {
        page.line(label, &test.text);
        label = "";
    }
    if label == "evidence" {
        page.line(label, "nothing speaks against new");
    }
}

fn ramp(page: &mut Page, ramp: &RampStatus, at: Timestamp) {
    let state = ramp.state.replace('_', " ");
    let since = ramp.since.map(|since| {
        let ago = span(at.since(since).as_secs_f64());
        format!(", for {ago}")
    });
    let since = since.unwrap_or_default();
    page.line(
        "ramp",
        format_args!("{state}, step {} of {}{since}", ramp.step, ramp.steps),
    );
    if let Some(reason) = &ramp.reason {
        page.more(reason);
    }
    if ramp.bake_s > 0.0 {
        let left = ramp.bake_remaining_s.clamp(0.0, ramp.bake_s);
        let share = 1.0 - left / ramp.bake_s;
        page.more(&format!("[{}] {} of bake left", bar(share), span(left)));
    }
    if ramp.requests_needed > 0 {
        let (seen, needed) = (count(ramp.requests), count(ramp.requests_needed));
        page.more(&format!("{seen} of {needed} requests on new"));
    }
    if let Some(left) = ramp.evidence_requests_left.filter(|it| *it > 0) {
        let time = ramp.evidence_remaining_s.map(span);
        let time = time.map_or_else(String::new, |it| format!(", about {it}"));
        page.more(&format!("{} more without an error{time}", count(left)));
    }
    for (index, wait) in ramp.waits.iter().enumerate() {
        page.line(if index == 0 { "waits for" } else { "" }, wait);
    }
}

fn bar(share: f64) -> String {
    // Compared place by place, so that no float becomes an index.
    let places = u32::try_from(BAR).unwrap_or_default();
    let place = |it: u32| match f64::from(it) + 0.5 < share * f64::from(places) {
        true => '#',
        false => '-',
    };
    (0..places).map(place).collect()
}

fn sides(page: &mut Page, sides: &PerSide<SideStatus>) {
    page.row(format_args!(
        "{:<22} {:>16} {:>16}",
        "",
        Side::Old,
        Side::New
    ));
    let mut row = |label: &str, show: &dyn Fn(&SideStatus) -> String| {
        let (old, new) = (show(&sides.old), show(&sides.new));
        page.row(format_args!("{label:<22} {old:>16} {new:>16}"));
    };
    row("last 10 s", &|_| String::new());
    row("  requests", &|side| rate(side.request_rate));
    row("  errors", &|side| ratio(side.error_rate));
    row("  latency p50", &|side| latency(side.latency_ms.p50));
    row("          p90", &|side| latency(side.latency_ms.p90));
    row("          p99", &|side| latency(side.latency_ms.p99));
    row("          p99.9", &|side| latency(side.latency_ms.p999));
    row("now", &|_| String::new());
    row("  in flight", &|side| count(side.in_flight));
    row("  tunnels", &|side| count(side.tunnels));
    row("since start", &|_| String::new());
    row("  requests", &|side| count(side.requests));
    row("  errors", &|side| count(side.errors));
    row("  failed over to old", &|side| count(side.failovers));
    row("  forced", &|side| count(side.forced));
    row("  pinned", &|side| count(side.pinned));
    page.blank();
    for side in Side::ALL {
        for endpoint in &sides[side].endpoints {
            let address = cut(&endpoint.address, 36);
            let numbers = format!(
                "{} in flight, {} requests",
                count(endpoint.in_flight),
                count(endpoint.requests)
            );
            page.row(format_args!(
                "{side} {address:<36} {:<9} {numbers}",
                endpoint.standing
            ));
        }
    }
}

/// Lines of at most [`WIDTH`] columns, nothing in them that steers a terminal.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, cut where it is too long.
    fn row(&mut self, text: impl Display) {
        let text = cut(&printable(&text.to_string()), WIDTH);
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// A label and a text that goes on in further lines where it is long.
    fn line(&mut self, label: &str, text: impl Display) {
        let mut label = label;
        for line in textwrap::wrap(&printable(&text.to_string()), WIDTH - INDENT) {
            self.row(format_args!("{label:<INDENT$}{line}"));
            label = "";
        }
    }

    /// A text under the label above.
    fn more(&mut self, text: &str) {
        self.line("", text);
    }
}

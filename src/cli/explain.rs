//! `changeover explain`: why a decision was taken, in a sentence and in numbers.

use clap::Args;

use crate::{
    admin::EventDocument,
    cli::{
        arguments::{Connect, Show},
        client::Client,
        events::{what, who},
        exit::Failure,
        figures::{count, span},
        output,
        page::Page,
    },
    cutover::{Explanation, SideSeen},
    units::{PerSide, Side, Timestamp},
};

/// Explain a decision: which check, the numbers on both sides, since when, and where from
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The entry's number in the journal; without it, the last one that is explained
    #[arg(value_name = "SEQ")]
    seq: Option<u64>,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let path = match arguments.seq {
        Some(seq) => format!("/api/v1/explain?seq={seq}"),
        None => "/api/v1/explain".to_owned(),
    };
    let (json, entry): (String, EventDocument) = client.get(&path)?;
    match arguments.show.json {
        true => output::print(&format!("{}\n", json.trim_end())),
        false => output::print(&text(&entry)),
    }
}

/// The whole explanation.
pub(crate) fn text(entry: &EventDocument) -> String {
    let mut page = Page::default();
    let (change, who) = (what(&entry.change), who(&entry.actor));
    page.line(
        "entry",
        format_args!(
            "{}, {}: {change}, {}% on new, by {who}",
            entry.seq, entry.at, entry.weight
        ),
    );
    let Some(explanation) = &entry.explanation else {
        page.line("why", &entry.reason);
        page.more("the journal holds no numbers for it");
        return page.text;
    };
    page.line("why", &explanation.sentence);
    page.line("check", &explanation.check);
    if let Some(since) = explanation.since {
        page.line("since", since_shown(since, entry.at));
    }
    numbers(&mut page, explanation);
    for route in &explanation.routes {
        let PerSide { old, new } = route.requests;
        let (bad, good) = (count(route.events.new), count(route.events.old));
        page.line(
            "route",
            format_args!(
                "{}: {bad} of {} on new, {good} of {} on old",
                route.name,
                count(new),
                count(old)
            ),
        );
    }
    page.text
}

fn since_shown(since: Timestamp, at: Timestamp) -> String {
    let before = match at.since(since).as_secs_f64() {
        seconds @ ..60.0 => format!("{seconds:.1} s"),
        seconds => span(seconds),
    };
    format!("{since}, {before} before")
}

fn numbers(page: &mut Page, explanation: &Explanation) {
    let sides = &explanation.sides;
    if *sides != PerSide::default() {
        for side in Side::ALL {
            page.line(side.as_str(), side_shown(&sides[side]));
        }
    }
    if let Some(limit) = explanation.limit {
        page.line("limit", limit);
    }
    if let Some(evidence) = explanation.evidence_log10 {
        let threshold = explanation.threshold_log10;
        let threshold = threshold.map(|it| format!(", threshold 10^{it:.2}"));
        let threshold = threshold.unwrap_or_default();
        page.line("evidence", format_args!("10^{evidence:.2}{threshold}"));
    }
}

fn side_shown(side: &SideSeen) -> String {
    let mut parts = Vec::new();
    if let Some(reading) = side.reading {
        parts.push(format!("reads {reading}"));
    }
    if side.requests > 0 || side.reading.is_none() {
        parts.push(format!("{} requests", count(side.requests)));
    }
    if let Some(events) = side.events {
        parts.push(format!("{} against it", count(events)));
    }
    if let Some(latency) = side.latency_ms {
        parts.push(format!("typically {latency} ms"));
    }
    parts.join(", ")
}

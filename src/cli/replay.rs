//! `changeover replay`: takes every decision again from what was recorded of what it rested on.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use serde::Serialize;

use crate::{
    admin::EventDocument,
    cli::{
        arguments::Show,
        events::{what, who},
        exit::Failure,
        figures::{count, span},
        output,
        page::Page,
    },
    config,
    plan::Plan,
    recording::{Compared, Derived, Progress, Replay, Verdict},
    store,
    units::Timestamp,
};

/// Take every decision again from recorded observations, and say "same" or where it differs
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The journal, or what lies beside it with the suffix .observations; a copy, or that of a running process
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    show: Show,
}

/// One decision.
#[derive(Debug, Serialize)]
struct DecisionDocument {
    at: Timestamp,
    is_same: bool,
    /// The entries that it wrote.
    entries: Vec<EventDocument>,
    /// Where it differs: what was done, and what would be done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceDocument>,
}

#[derive(Debug, Serialize)]
struct DifferenceDocument {
    recorded: String,
    derived: String,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct SummaryDocument {
    is_same: bool,
    decisions: u64,
    differing: u64,
    events: u64,
    not_compared: u64,
    requests: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let read = |text: &str| -> Result<Plan, String> {
        let loaded = config::parse_recorded(text);
        loaded
            .map(|it| it.plan)
            .map_err(|faults| faults.to_string())
    };
    let mut replay = Replay::new(&read);
    let replayed = store::recorded(&arguments.file, |row| {
        for compared in replay.take(row).map_err(anyhow::Error::new)? {
            let text = match arguments.show.json {
                true => json(&DecisionDocument::from(&compared))?,
                false => shown(&compared),
            };
            output::print(&text)?;
        }
        Ok::<(), Failure>(())
    });
    replayed?;
    let progress = replay.progress;
    output::print(&match arguments.show.json {
        true => json(&SummaryDocument::from(progress))?,
        false => summary(progress),
    })?;
    match progress.differing {
        0 => Ok(()),
        1 => Err(anyhow!("one decision is not what was recorded").into()),
        more => Err(anyhow!("{more} decisions are not what was recorded").into()),
    }
}

impl From<store::ObservationsError> for Failure {
    fn from(error: store::ObservationsError) -> Self {
        Self::Failed(anyhow::Error::new(error))
    }
}

fn json(document: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(document).context("cannot write JSON")?;
    Ok(text + "\n")
}

/// A decision that wrote something down, or that differs; nothing for others.
fn shown(compared: &Compared) -> String {
    let mut page = Page::default();
    let entries = entries(compared);
    let verdict = match compared.is_same() {
        true => "same",
        false => "DIFFERS",
    };
    for entry in &entries {
        let (change, who) = (what(&entry.change), who(&entry.actor));
        page.line(
            verdict,
            format_args!(
                "entry {}, {}: {change}, {}% on new, by {who}",
                entry.seq, entry.at, entry.weight
            ),
        );
        let why = entry.explanation.as_ref().map(|it| it.sentence.as_str());
        page.more(why.unwrap_or(&entry.reason));
    }
    let Some(derived) = &compared.derived else {
        return page.text;
    };
    if entries.is_empty() {
        page.line(verdict, compared.at);
    }
    let (recorded, derived) = difference(compared.recorded.as_ref(), derived);
    page.line("recorded", recorded);
    page.line("now", derived);
    page.text
}

fn entries(compared: &Compared) -> Vec<EventDocument> {
    let entries = compared.recorded.as_ref().map(Verdict::entries);
    let entries = entries.unwrap_or_default();
    entries.iter().map(EventDocument::from).collect()
}

/// What was done and what would be, from where they part.
fn difference(recorded: Option<&Verdict>, derived: &Derived) -> (String, String) {
    const SHOWN: usize = 300;
    let derived = match derived {
        Derived::Memory(what) => {
            let (then, now) = (
                "as recorded",
                "something else, though every decision is the same",
            );
            return (format!("{what}: {then}"), format!("{what}: {now}"));
        }
        Derived::Verdict(verdict) => verdict.as_ref(),
    };
    let text = |verdict: Option<&Verdict>| verdict.map_or("nothing", |it| it.0.as_str()).to_owned();
    let (recorded, derived) = (text(recorded), text(derived));
    let alike = recorded.chars().zip(derived.chars());
    let alike = alike.take_while(|(a, b)| a == b).count();
    // With what comes just before it, which says of what it is.
    let from = alike.saturating_sub(60);
    let cut = |text: String| {
        let dots = if from > 0 { "…" } else { "" };
        let part: String = text.chars().skip(from).take(SHOWN).collect();
        format!("{dots}{part}")
    };
    (cut(recorded), cut(derived))
}

fn summary(progress: Progress) -> String {
    let mut page = Page::default();
    let Some((first, last)) = progress.span else {
        page.line(
            "nothing",
            "is recorded for long enough yet: a decision can be taken again once the longest window of the plan has passed",
        );
        return page.text;
    };
    let verdict = match progress.differing {
        0 => "same".to_owned(),
        differing => format!("{} differ", count(differing)),
    };
    let (decisions, events) = (count(progress.verdicts), count(progress.events));
    let (requests, span) = (
        count(progress.requests),
        span(last.since(first).as_secs_f64()),
    );
    page.line(
        "in all",
        format_args!(
            "{verdict}: {decisions} decisions at {events} looks over {span}, {requests} requests"
        ),
    );
    page.line("span", format_args!("{first} to {last}"));
    if progress.skipped > 0 {
        let skipped = count(progress.skipped);
        page.line(
            "left out",
            format_args!("{skipped} looks that too little is kept before to decide on"),
        );
    }
    if progress.foreign > 0 {
        page.line(
            "version",
            format_args!(
                "recorded by another version of the program; this is {}",
                env!("CARGO_PKG_VERSION")
            ),
        );
    }
    page.text
}

impl From<&Compared> for DecisionDocument {
    fn from(compared: &Compared) -> Self {
        let difference = compared.derived.as_ref().map(|derived| {
            let (recorded, derived) = difference(compared.recorded.as_ref(), derived);
            DifferenceDocument { recorded, derived }
        });
        Self {
            at: compared.at,
            is_same: compared.is_same(),
            entries: entries(compared),
            difference,
        }
    }
}

impl From<Progress> for SummaryDocument {
    fn from(progress: Progress) -> Self {
        Self {
            is_same: progress.differing == 0,
            decisions: progress.verdicts,
            differing: progress.differing,
            events: progress.events,
            not_compared: progress.skipped,
            requests: progress.requests,
            first: progress.span.map(|it| it.0),
            last: progress.span.map(|it| it.1),
        }
    }
}

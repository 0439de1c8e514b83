//! `changeover replication check`: one finding a line, with what to do below it.

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        arguments::Show,
        exit::Failure,
        output::{self, printable},
        replication::open::{Opened, Which, open},
    },
    replication::check::{Answer, Finding, check},
    units::{PerSide, Side},
};

/// Say what stands in the way of replication, of the cutover and of the way back; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    databases: PerSide<Database>,
    passes: usize,
    warns: usize,
    fails: usize,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Database {
    database: String,
    version: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let opened = open(&arguments.which)?;
    let findings = check(&opened.catalogs);
    let count = |answer| findings.iter().filter(|it| it.answer == answer).count();
    let fails = count(Answer::Fail);
    let document = Document {
        name: &opened.plan.name,
        databases: databases(&opened),
        passes: count(Answer::Pass),
        warns: count(Answer::Warn),
        fails,
        findings: &findings,
    };
    match arguments.show.json {
        true => output::print(&format!("{}\n", as_json(&document)?))?,
        false => output::print(&text(&document))?,
    }
    match fails {
        0 => Ok(()),
        1 => Err(anyhow::anyhow!("1 finding has to be put right").into()),
        fails => Err(anyhow::anyhow!("{fails} findings have to be put right").into()),
    }
}

pub(super) fn as_json(document: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document);
    text.map_err(|error| {
        anyhow::Error::new(error)
            .context("cannot write JSON")
            .into()
    })
}

fn databases(opened: &Opened) -> PerSide<Database> {
    PerSide::from_fn(|side| Database {
        database: opened.sessions[side].database().to_owned(),
        version: opened.catalogs[side].server.major(),
    })
}

const WIDTH: usize = 100;
/// The columns of answer and check.
const BEFORE: usize = 24;

fn text(document: &Document<'_>) -> String {
    let mut lines = Vec::new();
    for side in Side::ALL {
        let Database { database, version } = &document.databases[side];
        lines.push(format!("{side}  {database}, version {version}"));
    }
    lines.push(String::new());
    for finding in document.findings {
        let answer = match finding.answer {
            Answer::Pass => "Pass",
            Answer::Warn => "Warn",
            Answer::Fail => "FAIL",
        };
        let object = finding.object.as_ref().map(|it| format!("{it}: "));
        let found = format!("{}{}", object.unwrap_or_default(), finding.found);
        column(
            &mut lines,
            &format!("{answer}  {:<18}", finding.check),
            &found,
        );
        if let Some(remedy) = &finding.remedy {
            column(&mut lines, "", &format!("-> {remedy}"));
        }
    }
    let Document {
        passes,
        warns,
        fails,
        ..
    } = document;
    lines.push(format!("\n{passes} pass, {warns} warn, {fails} fail"));
    lines.push(String::new());
    lines.join("\n")
}

/// A text beside a heading, wrapped into its column.
fn column(lines: &mut Vec<String>, heading: &str, content: &str) {
    let mut heading = heading;
    let content = printable(content);
    for line in textwrap::wrap(&content, WIDTH - BEFORE) {
        lines.push(format!("{heading:<BEFORE$}{line}"));
        heading = "";
    }
}

//! `changeover replication verify`: whether both sides hold the same rows, down to the key.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio_postgres::Client;

use crate::{
    cli::{
        arguments::Show,
        exit::Failure,
        figures,
        output::{self, printable},
        replication::{
            check::as_json,
            open::{Opened, Which, open},
        },
    },
    clock,
    replication::verify::{
        Difference, Flow, Kind, Progress, Request, Skipped, TableProgress, subjects, verify,
    },
    units::{PerSide, Side},
};

/// Compare the rows of both databases while both are in use; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Only these tables, as schema.table; default: all
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    tables: Vec<String>,
    /// Rows a second to read at most, of both sides together
    #[arg(long, value_name = "ROWS", default_value = "20000")]
    rate: NonZeroU64,
    /// The side that changes come from, where both directions are set up
    #[arg(long, value_name = "SIDE")]
    from: Option<From>,
    /// Keep progress in this file, and go on from it where it exists
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Seconds to wait for a marker to be confirmed
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    /// Print the values that differ, not only their columns
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    show: Show,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    Old,
    New,
}

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    from: Side,
    to: Side,
    /// Everything was compared, and is the same.
    same: bool,
    rows: u64,
    seconds: f64,
    method: &'static str,
    tables: Vec<TableDocument<'a>>,
    not_compared: &'a [Skipped],
}

#[derive(Serialize)]
struct TableDocument<'a> {
    table: &'a str,
    rows: u64,
    position: Option<&'a str>,
    differences: &'a [Difference],
    has_more_differences: bool,
    unsettled: &'a [Vec<String>],
}

const METHOD: &str = "Each range of keys was read in one snapshot where changes come from; then a marker went into \
    that server's log, and the range was read on the other side once the marker was confirmed there. Rows that \
    differed were looked at again in the same way: as different counts only what differed twice in a row while the \
    row did not change in between.";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut opened = open(&arguments.which)?;
    let from = arguments.from.map(|it| match it {
        From::Old => Side::Old,
        From::New => Side::New,
    });
    let flow = Flow::find(&opened.catalogs, from).map_err(|error| Failure::Failed(error.into()))?;
    let found = subjects(&opened.catalogs, &flow, &arguments.tables);
    let (subjects, skipped) = found.map_err(|error| Failure::Usage(error.to_string()))?;
    let name = opened.plan.name.clone();
    let progress = match &arguments.state {
        Some(path) => Progress::load(path, &name, flow.from),
        None => Ok(Progress::new(&name, flow.from)),
    };
    let mut progress = progress.map_err(|error| Failure::Failed(error.into()))?;
    let resumed: u64 = progress.tables.values().map(|it| it.rows).sum();
    if resumed > 0 {
        output::complain(&format!("goes on after {} rows", figures::count(resumed)));
    }
    let request = Request {
        flow,
        subjects,
        rate: arguments.rate.get(),
        patience: Duration::from_secs(arguments.wait),
        with_values: arguments.values,
        state: arguments.state.clone(),
    };
    let began = clock::now();
    compare(&mut opened, &request, &mut progress)?;
    let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    let document = document(&request, &progress, &skipped, seconds);
    match arguments.show.json {
        true => output::print(&format!("{}\n", as_json(&document)?))?,
        false => output::print(&text(&document))?,
    }
    // What is finished is reported; another run begins anew.
    if let Some(path) = arguments.state.as_ref().filter(|it| it.exists()) {
        std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    match document.same {
        true => Ok(()),
        false => Err(anyhow::anyhow!("{}", summary(&document)).into()),
    }
}

fn compare(opened: &mut Opened, request: &Request, progress: &mut Progress) -> Result<(), Failure> {
    let PerSide { old, new } = &mut opened.sessions;
    let clients: PerSide<&Client> = PerSide {
        old: old.client(),
        new: new.client(),
    };
    let done = |table: &str, progress: &TableProgress| {
        let rows = figures::count(progress.rows);
        output::complain(&format!("{} is compared: {rows} rows", printable(table)));
    };
    let ended = opened
        .runtime
        .block_on(verify(clients, request, progress, done));
    ended.map_err(|error| {
        let error = anyhow::Error::new(error);
        match &request.state {
            Some(path) => error.context(format!(
                "stopped; the same command goes on from {}",
                path.display()
            )),
            None => error,
        }
        .into()
    })
}

fn document<'a>(
    request: &'a Request,
    progress: &'a Progress,
    skipped: &'a [Skipped],
    seconds: f64,
) -> Document<'a> {
    let tables = request.subjects.iter().filter_map(|subject| {
        let (table, progress) = progress.tables.get_key_value(&subject.table)?;
        Some(TableDocument {
            table,
            rows: progress.rows,
            position: progress.position.as_deref(),
            differences: &progress.differences,
            has_more_differences: progress.is_cut,
            unsettled: &progress.unsettled,
        })
    });
    let tables: Vec<_> = tables.collect();
    let is_same = |it: &TableDocument<'_>| it.differences.is_empty() && it.unsettled.is_empty();
    Document {
        name: &progress.name,
        from: request.flow.from,
        to: request.flow.to,
        same: skipped.is_empty() && tables.iter().all(is_same),
        rows: tables.iter().map(|it| it.rows).sum(),
        seconds,
        method: METHOD,
        tables,
        not_compared: skipped,
    }
}

/// Differences of one table that are shown; JSON has all that are known.
const SHOWN: usize = 20;
const WIDTH: usize = 100;

fn text(document: &Document<'_>) -> String {
    let mut lines = Vec::new();
    let Document { name, from, to, .. } = document;
    lines.push(format!("{} from {from} to {to}\n", printable(name)));
    for table in &document.tables {
        let result = match (table.differences.len(), table.unsettled.len()) {
            (0, 0) => "same".to_owned(),
            (0, unsettled) => format!("{unsettled} rows never stood still"),
            (differences, 0) => format!("{differences} differ"),
            (differences, unsettled) => {
                format!("{differences} differ, {unsettled} rows never stood still")
            }
        };
        let rows = figures::count(table.rows);
        lines.push(format!(
            "{:<50} {rows:>14}  {result}",
            printable(table.table)
        ));
        for difference in table.differences.iter().take(SHOWN) {
            lines.push(format!("    {}", printable(&line(difference))));
        }
        let more = table.differences.len().saturating_sub(SHOWN);
        if table.has_more_differences {
            lines.push("    and more: the rest of the table was not compared".to_owned());
        } else if more > 0 {
            lines.push(format!("    and {more} more (--json)"));
        }
        for key in table.unsettled.iter().take(SHOWN) {
            lines.push(format!(
                "    {}: never stood still",
                printable(&key.join(", "))
            ));
        }
    }
    for skipped in document.not_compared {
        let (table, why) = (printable(&skipped.table), printable(&skipped.why));
        lines.push(format!("{table:<50} {:>14}  not compared: {why}", "-"));
    }
    let rows = figures::count(document.rows);
    let span = figures::span(document.seconds);
    lines.push(format!("\n{rows} rows in {span}: {}", summary(document)));
    for line in textwrap::wrap(document.method, WIDTH) {
        lines.push(line.into_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

fn line(difference: &Difference) -> String {
    let key = difference
        .key
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let key = key.collect::<Vec<_>>().join(", ");
    match difference.kind {
        Kind::OnlyOnOld => format!("{key}: only on old"),
        Kind::OnlyOnNew => format!("{key}: only on new"),
        Kind::Differs => {
            let columns = difference
                .columns
                .iter()
                .map(|name| match &difference.values {
                    None => name.clone(),
                    Some(values) => {
                        let value = |side: &std::collections::BTreeMap<String, Option<String>>| {
                            let value = side.get(name).cloned().flatten();
                            value.map_or_else(|| "NULL".to_owned(), |it| format!("{it:?}"))
                        };
                        format!(
                            "{name} ({} on old, {} on new)",
                            value(&values.old),
                            value(&values.new)
                        )
                    }
                });
            format!(
                "{key}: differs in {}",
                columns.collect::<Vec<_>>().join(", ")
            )
        }
    }
}

fn summary(document: &Document<'_>) -> String {
    let differences: usize = document.tables.iter().map(|it| it.differences.len()).sum();
    let unsettled: usize = document.tables.iter().map(|it| it.unsettled.len()).sum();
    let skipped = document.not_compared.len();
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let parts = [
        counted(differences, "difference"),
        counted(unsettled, "unsettled row"),
        counted(skipped, "table").map(|it| format!("{it} not compared")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "no difference".into(),
        false => parts.join(", "),
    }
}

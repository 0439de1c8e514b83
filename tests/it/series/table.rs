//! A series as a Markdown table.

use std::{fmt::Write, time::Duration};

use super::{
    Case,
    bench::{Drawn, Run},
};
use crate::harness::load::Answer;

/// One fault with all of its runs.
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) runs: Vec<Run>,
}

/// `failures` are those that all clients saw.
pub(super) fn table(drawn: Drawn, rows: &[Row], failures: &[Answer]) -> String {
    let mut text = String::from(
        "| Drawn | fault of new | runs | median | p95 | its own count: median | p95 | errors that clients saw: median | most \
         | requests to new: median | most | by |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for Row { case, runs } in rows {
        let spans = sorted(runs.iter().map(|it| it.span.unwrap_or(Duration::MAX)));
        let own = sorted(runs.iter().map(|it| it.reaction.unwrap_or(Duration::MAX)));
        let errors = sorted(runs.iter().map(|it| it.errors(failures)));
        let touched = sorted(runs.iter().map(|it| it.touched));
        let shown = |it: Duration| match it {
            Duration::MAX => format!("over {} s", case.patience.as_secs()),
            _ => format!("{:.2} s", it.as_secs_f64()),
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            drawn.name(),
            case.what,
            runs.len(),
            shown(middle(&spans)),
            shown(late(&spans)),
            shown(middle(&own)),
            shown(late(&own)),
            middle(&errors),
            errors[errors.len() - 1],
            middle(&touched),
            touched[touched.len() - 1],
            causes(runs),
        )
        .expect("a text");
    }
    text
}

/// By what, and how often where that differs.
fn causes(runs: &[Run]) -> String {
    let mut all: Vec<&str> = runs.iter().map(|it| it.cause.as_str()).collect();
    all.sort_unstable();
    let each = all
        .chunk_by(|one, other| one == other)
        .map(|same| match same.len() == all.len() {
            true => format!("`{}`", same[0]),
            false => format!("{} by `{}`", same.len(), same[0]),
        });
    each.collect::<Vec<_>>().join(", ")
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

/// The upper one of the two in the middle, where there are two.
fn middle<T: Copy>(sorted: &[T]) -> T {
    sorted[sorted.len() / 2]
}

/// The one that 95 in 100 do not exceed.
fn late<T: Copy>(sorted: &[T]) -> T {
    sorted[(sorted.len() * 95).div_ceil(100) - 1]
}

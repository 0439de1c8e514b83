//! A series as a Markdown table.

use std::time::Duration;

use super::{
    Case,
    bench::{Drawn, End, Run},
};
use crate::harness::load::Answer;

/// One fault with all of its runs.
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) runs: Vec<Run>,
}

pub(super) const HEAD: &str = "\
| Drawn | fault of new | runs | median | p95 | expected | its own count: median | p95 | errors that clients saw: median | most \
| requests to new: median | most | by |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|
";

impl Row {
    /// `failures` are those that all clients saw. A run that went back before the fault says nothing of it, and is counted apart.
    pub(super) fn text(&self, drawn: Drawn, failures: &[Answer]) -> String {
        let case = &self.case;
        let what = format!("| {} | {} |", drawn.name(), case.what);
        let is_early = |it: &&Run| it.end == End::Early;
        let (early, runs): (Vec<&Run>, Vec<&Run>) = self.runs.iter().partition(is_early);
        let mut count = runs.len().to_string();
        if !early.is_empty() {
            count = format!(
                "{count}, and {} before the fault: {}",
                early.len(),
                causes(&early)
            );
        }
        if runs.is_empty() {
            return format!("{what} {count} | | | | | | | | | | |\n");
        }
        let spans = sorted(runs.iter().map(|it| it.end));
        let own = sorted(runs.iter().map(|it| it.reaction.unwrap_or(Duration::MAX)));
        let errors = sorted(runs.iter().map(|it| it.errors(failures)));
        let touched = sorted(runs.iter().map(|it| it.touched));
        let until = |it: End| match it {
            End::After(span) => seconds(span),
            End::Early | End::Never => format!("over {} s", case.patience.as_secs()),
        };
        let by_itself = |it: Duration| match it {
            Duration::MAX => "-".to_owned(),
            _ => seconds(it),
        };
        format!(
            "{what} {count} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            until(middle(&spans)),
            until(late(&spans)),
            drawn.expected(case),
            by_itself(middle(&own)),
            by_itself(late(&own)),
            middle(&errors),
            errors[errors.len() - 1],
            middle(&touched),
            touched[touched.len() - 1],
            causes(&runs),
        )
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// By what, and how often where that differs.
fn causes(runs: &[&Run]) -> String {
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

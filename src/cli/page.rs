//! Labelled lines of at most 80 columns, as `status` and `explain` print them.

use std::fmt::Display;

use crate::cli::{figures::cut, output::printable};

/// The widest line.
const WIDTH: usize = 80;

/// Where the text behind a label begins.
const INDENT: usize = 10;

/// Lines of at most [`WIDTH`] columns, nothing in them that steers a terminal.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, cut where it is too long.
    pub(super) fn row(&mut self, text: impl Display) {
        let text = cut(&printable(&text.to_string()), WIDTH);
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// A label and a text that goes on in further lines where it is long.
    pub(super) fn line(&mut self, label: &str, text: impl Display) {
        let mut label = label;
        for line in textwrap::wrap(&printable(&text.to_string()), WIDTH - INDENT) {
            self.row(format_args!("{label:<INDENT$}{line}"));
            label = "";
        }
    }

    /// A text under the label above.
    pub(super) fn more(&mut self, text: &str) {
        self.line("", text);
    }
}

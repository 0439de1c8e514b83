//! Text in at most 80 columns: headings, items, and lines as they are.

use std::borrow::Cow;

use textwrap::Options;

/// The widest line.
const COLUMNS: usize = 80;

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<String>,
}

impl Page {
    /// A heading, with a blank line before it.
    pub(super) fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.blank();
        }
        self.wrap("", text);
    }

    /// An item of a list.
    pub(super) fn item(&mut self, text: &str) {
        self.wrap("  - ", text);
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }

    /// A blank line.
    pub(super) fn blank(&mut self) {
        self.lines.push(String::new());
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    /// Breaks between words; a word that is longer than a line is cut.
    fn wrap(&mut self, lead: &str, text: &str) {
        let indent = " ".repeat(lead.len());
        let options = Options::new(COLUMNS)
            .initial_indent(lead)
            .subsequent_indent(&indent);
        let lines = textwrap::wrap(text, options);
        self.lines.extend(lines.into_iter().map(Cow::into_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_words_and_cuts_what_is_longer_than_a_line() {
        let mut page = Page::default();
        page.item(&format!("{} {}", "word ".repeat(20), "x".repeat(200)));
        let text = page.into_text();
        assert!(
            text.lines().all(|line| line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert_eq!(text.matches("word").count(), 20);
        assert_eq!(text.matches('x').count(), 200);
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("    ")),
            "{text}"
        );
    }
}

//! Tells rows that differ from rows that were only on their way.
//!
//! Pure: takes looks, gives verdicts. A look is the row where changes come from, then (after the marker) the row where
//! they go to. Two looks with the same first row bracket the second: the row stood still in between.

use crate::replication::verify::row::Row;

/// So many brackets in a row must show the same difference.
const CONFIRMATIONS: u32 = 2;

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    last: Option<Look>,
    confirmed: u32,
}

/// Both versions of the row, as one look saw them; `None`: there is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) from: Option<Row>,
    pub(super) to: Option<Row>,
}

/// What a look made certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both are the same.
    Same,
    /// They differ, and nothing was on its way.
    Differs,
    /// Not known yet.
    Unknown,
}

impl Suspect {
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            confirmed: 0,
        }
    }

    /// Takes the row where changes come from, as it is at the beginning of the next look.
    pub(super) fn begin(&mut self, from: Option<&Row>) -> Verdict {
        let Some(last) = &self.last else {
            return Verdict::Unknown;
        };
        let stood_still = last.from.as_ref() == from;
        if !stood_still || last.is_same() {
            self.confirmed = 0;
            return Verdict::Unknown;
        }
        self.confirmed += 1;
        match self.confirmed >= CONFIRMATIONS {
            true => Verdict::Differs,
            false => Verdict::Unknown,
        }
    }

    /// Takes the whole look. What is the same after the marker needs no second look: the row has arrived.
    pub(super) fn end(&mut self, look: Look) -> Verdict {
        let is_same = look.is_same();
        self.last = Some(look);
        match is_same {
            true => Verdict::Same,
            false => Verdict::Unknown,
        }
    }

    /// The last whole look.
    pub(super) fn into_look(self) -> Option<Look> {
        self.last
    }
}

impl Look {
    fn is_same(&self) -> bool {
        match (&self.from, &self.to) {
            (None, None) => true,
            (Some(from), Some(to)) => from.values == to.values,
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: &str, value: &str) -> Row {
        Row {
            version: version.into(),
            values: vec![Some(value.into())],
        }
    }

    fn look(from: Option<Row>, to: Option<Row>) -> Look {
        Look { from, to }
    }

    #[test]
    fn a_row_that_arrives_is_the_same() {
        let mut suspect = Suspect::new();
        let (from, to) = (row("7", "a"), row("900", "a"));
        assert_eq!(suspect.begin(Some(&from)), Verdict::Unknown);
        assert_eq!(suspect.end(look(Some(from), Some(to))), Verdict::Same);
    }

    #[test]
    fn a_row_that_stands_still_and_differs_twice_is_a_difference() {
        let mut suspect = Suspect::new();
        let (from, to) = (row("7", "a"), row("900", "b"));
        for verdict in [Verdict::Unknown, Verdict::Unknown, Verdict::Differs] {
            assert_eq!(suspect.begin(Some(&from)), verdict);
            suspect.end(look(Some(from.clone()), Some(to.clone())));
        }
    }

    #[test]
    fn a_row_that_changes_between_looks_is_never_a_difference() {
        let mut suspect = Suspect::new();
        // The content is the same again, but another transaction wrote it.
        for version in ["7", "8", "9", "10"] {
            let from = row(version, "a");
            assert_eq!(suspect.begin(Some(&from)), Verdict::Unknown);
            suspect.end(look(Some(from), Some(row("900", "b"))));
        }
    }

    #[test]
    fn a_change_in_between_starts_the_confirmations_anew() {
        let mut suspect = Suspect::new();
        let to = row("900", "b");
        let still = row("7", "a");
        suspect.end(look(Some(still.clone()), Some(to.clone())));
        assert_eq!(suspect.begin(Some(&still)), Verdict::Unknown);
        let moved = row("8", "a");
        suspect.end(look(Some(moved.clone()), Some(to.clone())));
        assert_eq!(
            suspect.begin(Some(&still)),
            Verdict::Unknown,
            "another version"
        );
        suspect.end(look(Some(moved.clone()), Some(to.clone())));
        assert_eq!(suspect.begin(Some(&moved)), Verdict::Unknown, "one bracket");
        suspect.end(look(Some(moved.clone()), Some(to)));
        assert_eq!(suspect.begin(Some(&moved)), Verdict::Differs);
    }

    #[test]
    fn a_row_that_only_one_side_has_is_a_difference() {
        let mut suspect = Suspect::new();
        let only = row("900", "b");
        for verdict in [Verdict::Unknown, Verdict::Unknown, Verdict::Differs] {
            assert_eq!(suspect.begin(None), verdict);
            suspect.end(look(None, Some(only.clone())));
        }
        assert_eq!(suspect.end(look(None, None)), Verdict::Same);
    }
}

//! One value of the file, with its place.

use toml::{Spanned, de::DeValue};

use crate::config::{
    fault::Complaint,
    reader::{Reader, Surroundings},
};

/// One value of the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Value<'r> {
    reader: &'r Reader<'r>,
    item: &'r Spanned<DeValue<'r>>,
}

impl<'r> Value<'r> {
    pub(super) const fn new(reader: &'r Reader<'r>, item: &'r Spanned<DeValue<'r>>) -> Self {
        Self { reader, item }
    }

    /// What stands there.
    pub(in crate::config) fn item(self) -> &'r DeValue<'r> {
        self.item.get_ref()
    }

    /// What kind of value it is, for faults; never its content, which may be a secret.
    pub(in crate::config) fn kind(self) -> &'static str {
        match self.item() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// What the world around the file holds.
    pub(in crate::config) const fn surroundings(self) -> Surroundings<'r> {
        self.reader.surroundings
    }

    /// Notes what is wrong with it.
    pub(in crate::config) fn note(self, complaint: Complaint) {
        self.reader.note(self.offset(), complaint);
    }

    /// Notes what is wrong with it, for functions that then have nothing to give.
    pub(in crate::config) fn fail<T>(self, complaint: Complaint) -> Option<T> {
        self.note(complaint);
        None
    }

    /// The value of a result, or a note of its complaint.
    pub(in crate::config) fn check<T>(self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.note(complaint)).ok()
    }

    pub(super) fn offset(self) -> usize {
        self.item.span().start
    }

    pub(super) const fn reader(self) -> &'r Reader<'r> {
        self.reader
    }
}

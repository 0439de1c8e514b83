//! A table with the keys that it may hold.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{
    fault::Complaint,
    nearest::did_you_mean,
    reader::{Reader, Value},
    scalar::quoted,
};

/// The keys of a kind of table.
#[derive(Debug)]
pub(in crate::config) struct Shape {
    /// Where such tables stand, such as `admin.operator`; `SIDE` stands for `old` and `new`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the test of config/reference.toml reads it")
    )]
    pub(in crate::config) path: &'static str,
    /// What they may hold.
    pub(in crate::config) keys: &'static [&'static str],
}

/// A table of the file, or its absence, which reads as if every key were absent.
#[derive(Clone, Debug)]
pub(in crate::config) struct Section<'r> {
    reader: &'r Reader<'r>,
    table: Option<&'r DeTable<'r>>,
    shape: &'static Shape,
    /// How faults name it, such as `[[ramp.step]]`.
    label: String,
    /// Where it begins.
    offset: usize,
}

impl<'r> Section<'r> {
    /// The whole file.
    pub(in crate::config) fn root(
        reader: &'r Reader<'r>,
        table: &'r DeTable<'r>,
        shape: &'static Shape,
    ) -> Self {
        let section = Self {
            reader,
            table: Some(table),
            shape,
            label: String::from("the file"),
            offset: 0,
        };
        section.note_unknown_keys();
        section
    }

    /// The table under `key`, written as `[key]` or inline.
    pub(in crate::config) fn table(&self, key: &str, shape: &'static Shape) -> Self {
        let label = format!("[{}]", self.path_to(key));
        let absent = |offset| Self {
            reader: self.reader,
            table: None,
            shape,
            label: label.clone(),
            offset,
        };
        let Some(value) = self.value(key) else {
            return absent(self.offset);
        };
        match value.item() {
            DeValue::Table(table) => Self::open(value, table, shape, label),
            other => {
                let found = match other {
                    DeValue::Array(array) if !array.is_empty() => {
                        format!("an array, as of [{label}]")
                    }
                    _ => value.kind().to_owned(),
                };
                value.note(Complaint::new(found, format!("one table, {label}")));
                absent(value.offset())
            }
        }
    }

    /// The tables under `key`, written as `[[key]]` or as an array of inline tables.
    pub(in crate::config) fn tables(
        &self,
        key: &str,
        shape: &'static Shape,
        most: usize,
    ) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let label = format!("[[{}]]", self.path_to(key));
        let DeValue::Array(array) = value.item() else {
            let expected = format!("a list of tables, each headed {label}");
            value.note(Complaint::new(value.kind(), expected).remedy(format!("write {label}")));
            return Vec::new();
        };
        if array.len() > most {
            let found = format!("{} tables {label}", array.len());
            value.note(Complaint::new(found, format!("at most {most}")));
        }
        let read = |item| {
            let value = Value::new(self.reader, item);
            match value.item() {
                DeValue::Table(table) => Some(Self::open(value, table, shape, label.clone())),
                _ => value.fail(Complaint::new(
                    value.kind(),
                    format!("a table, headed {label}"),
                )),
            }
        };
        array.iter().take(most).filter_map(read).collect()
    }

    fn open(
        value: Value<'r>,
        table: &'r DeTable<'r>,
        shape: &'static Shape,
        label: String,
    ) -> Self {
        let section = Self {
            reader: value.reader(),
            table: Some(table),
            shape,
            label,
            offset: value.offset(),
        };
        section.note_unknown_keys();
        section
    }

    /// What `read` makes of the value under `key`; `None` if it is absent or wrong.
    pub(in crate::config) fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(Value<'r>) -> Option<T>,
    ) -> Option<T> {
        self.value(key).and_then(read)
    }

    /// As [`Section::get`], but an absent key is a fault.
    pub(in crate::config) fn require<T>(
        &self,
        key: &str,
        read: impl FnOnce(Value<'r>) -> Option<T>,
    ) -> Option<T> {
        if self.value(key).is_none() {
            self.note_missing(&format!("{key:?}"));
        }
        self.get(key, read)
    }

    /// Notes that something which must be there is not.
    pub(in crate::config) fn note_missing(&self, what: &str) {
        let found = format!("no {what} in {}", self.label);
        self.note(Complaint::new(
            found,
            format!("{what}, which has no default"),
        ));
    }

    /// The value under `key`.
    pub(in crate::config) fn value(&self, key: &str) -> Option<Value<'r>> {
        debug_assert!(
            self.shape.keys.contains(&key),
            "{key} is missing from {:?}",
            self.shape
        );
        let item: &'r Spanned<DeValue<'r>> = self.table?.get(key)?;
        Some(Value::new(self.reader, item))
    }

    /// Where the key itself stands, for faults about its being there.
    pub(in crate::config) fn note_key(&self, key: &str, complaint: Complaint) {
        let position = self.table.and_then(|it| it.get_key_value(key));
        let offset = position.map_or(self.offset, |(key, _)| key.span().start);
        self.reader.note(offset, complaint);
    }

    /// Notes what is wrong with the value under `key`, or with the table if there is none.
    pub(in crate::config) fn note_value(&self, key: &str, complaint: Complaint) {
        match self.value(key) {
            Some(value) => value.note(complaint),
            None => self.note(complaint),
        }
    }

    /// Notes that another table of the list has the same `key` already.
    pub(in crate::config) fn note_duplicate(&self, key: &str, what: &str) {
        let found = format!("{} for the second time", quoted(what));
        let expected = format!("each {} to have another {key}", self.label);
        self.note_value(key, Complaint::new(found, expected));
    }

    /// Whether `key` is there, right or wrong.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether the list under `key` is there and holds nothing.
    pub(in crate::config) fn has_empty(&self, key: &str) -> bool {
        let list = self.value(key).and_then(|it| it.item().as_array());
        list.is_some_and(|it| it.is_empty())
    }

    /// Whether the file has this table.
    pub(in crate::config) const fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Notes what is wrong with the table as a whole.
    pub(in crate::config) fn note(&self, complaint: Complaint) {
        self.reader.note(self.offset, complaint);
    }

    /// The directory that relative paths start from.
    pub(in crate::config) const fn base_dir(&self) -> &'r Path {
        self.reader.surroundings.base_dir
    }

    /// How faults name the table.
    pub(in crate::config) fn label(&self) -> &str {
        &self.label
    }

    fn note_unknown_keys(&self) {
        let keys = self.table.into_iter().flat_map(DeTable::keys);
        for key in keys.filter(|key| !self.shape.keys.contains(&key.get_ref().as_ref())) {
            let word = key.get_ref().as_ref();
            let found = format!("unknown key {} in {}", quoted(word), self.label);
            let expected = format!("one of {}", self.shape.keys.join(", "));
            let complaint = Complaint::new(found, expected);
            let near = did_you_mean(word, self.shape.keys.iter().copied());
            self.reader.note(key.span().start, complaint.maybe(near));
        }
    }

    fn path_to(&self, key: &str) -> String {
        let own = self.label.trim_matches(['[', ']']);
        match self.label.starts_with('[') {
            true => format!("{own}.{key}"),
            false => key.to_owned(),
        }
    }
}

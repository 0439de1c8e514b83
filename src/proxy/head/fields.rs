//! The fields of a head, in the order in which they came.
//!
//! A head has a dozen fields and is asked for thirty, most of which it does not have. So their text lies in one buffer, as it
//! is sent, and beside it are the places of the lines and a filter that tells most absences by one bit: no field is hashed or
//! allocated, and a head is written in a few copies.

mod spare;

use std::{fmt, mem, ops::Index};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields of one head.
#[derive(Clone, Default)]
pub struct Fields {
    /// `name: value` and a line end for each line, and for some that were removed.
    text: Vec<u8>,
    lines: Vec<Line>,
    /// The bits of all names that are or were there: a name whose bit is missing is not.
    filter: u64,
}

/// Where a line lies in the text. A head is far shorter than four GiB.
#[derive(Clone, Copy)]
struct Line {
    start: u32,
    name_end: u32,
    /// Without the line end.
    end: u32,
    key: u8,
}

/// What a field is asked for by.
pub trait FieldName {
    /// The name in lower case.
    fn text(&self) -> &str;

    /// The number of the name's bit.
    fn key(&self) -> u8 {
        key_of(self.text().as_bytes())
    }
}

/// A name that is known beforehand, with its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    text: &'static str,
    key: u8,
}

const COLON: &[u8] = b": ";
const LINE_END: &[u8] = b"\r\n";

impl Name {
    /// The name `text`, which is in lower case.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            key: key_of(text.as_bytes()),
        }
    }

    /// Its text.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.text
    }
}

impl FieldName for Name {
    fn text(&self) -> &str {
        self.text
    }

    fn key(&self) -> u8 {
        self.key
    }
}

impl FieldName for HeaderName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl FieldName for str {
    fn text(&self) -> &str {
        self
    }
}

impl<T: FieldName + ?Sized> FieldName for &T {
    fn text(&self) -> &str {
        (**self).text()
    }

    fn key(&self) -> u8 {
        (**self).key()
    }
}

/// One of 64 bits for a name, from its length and two of its bytes: as good as a hash for the names in use.
const fn key_of(name: &[u8]) -> u8 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let [length, ..] = name.len().to_le_bytes();
    let mixed = length
        .wrapping_mul(11)
        .wrapping_add(first.wrapping_mul(7))
        .wrapping_add(last.wrapping_mul(29));
    mixed % 64
}

impl Fields {
    /// None, with room for so many lines and bytes.
    #[must_use]
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        let (text, lines) = spare::take(bytes, lines);
        Self {
            text,
            lines,
            filter: 0,
        }
    }

    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn contains(&self, name: impl FieldName) -> bool {
        self.get(name).is_some()
    }

    /// The value of the first line of that name.
    #[must_use]
    pub fn get(&self, name: impl FieldName) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The value of the only line of that name; `None` if there are more.
    #[must_use]
    pub fn single(&self, name: impl FieldName) -> Option<&[u8]> {
        let mut values = self.get_all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The values of all lines of that name.
    pub fn get_all<N: FieldName>(&self, name: N) -> impl DoubleEndedIterator<Item = &[u8]> {
        let may_be = self.filter & (1 << name.key()) != 0;
        let lines = if may_be { self.lines.as_slice() } else { &[] };
        let found = lines.iter().filter(move |it| self.is_called(it, &name));
        found.map(|it| self.value(*it))
    }

    /// All lines, as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines
            .iter()
            .map(|it| (self.name(*it), self.value(*it)))
    }

    /// Adds a line.
    pub fn append(&mut self, name: impl FieldName, value: &[u8]) {
        self.append_with(name, |out| out.extend_from_slice(value));
    }

    /// Adds a line whose value is what `write` adds to the text; that must hold no line end.
    pub fn append_with(&mut self, name: impl FieldName, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        self.text.extend_from_slice(name.text().as_bytes());
        self.finish_line(start, name.key(), write);
    }

    /// Adds a line as it was read: the name is a token in any case, the value without line end.
    pub fn append_read(&mut self, name: &[u8], value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        self.text[start..].make_ascii_lowercase();
        let key = key_of(&self.text[start..]);
        self.finish_line(start, key, |out| out.extend_from_slice(value));
    }

    fn finish_line(&mut self, start: usize, key: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let name_end = self.text.len();
        self.text.extend_from_slice(COLON);
        write(&mut self.text);
        let end = self.text.len();
        debug_assert!(
            !self.text[name_end..]
                .iter()
                .any(|b| matches!(b, b'\r' | b'\n')),
            "a value is one line"
        );
        self.text.extend_from_slice(LINE_END);
        let place = |it: usize| u32::try_from(it).expect("a head is far shorter than four GiB");
        self.filter |= 1 << key;
        self.lines.push(Line {
            start: place(start),
            name_end: place(name_end),
            end: place(end),
            key,
        });
    }

    /// Makes this the only line of its name.
    pub fn insert(&mut self, name: impl FieldName, value: &[u8]) {
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all lines of that name; tells whether there were any.
    pub fn remove(&mut self, name: impl FieldName) -> bool {
        if self.filter & (1 << name.key()) == 0 {
            return false;
        }
        let before = self.lines.len();
        let mut lines = mem::take(&mut self.lines);
        lines.retain(|it| !self.is_called(it, &name));
        self.lines = lines;
        self.lines.len() < before
    }

    /// Keeps the lines of whose names `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let mut lines = mem::take(&mut self.lines);
        lines.retain(|it| keep(self.name(*it)));
        self.lines = lines;
    }

    /// Writes all lines with their line ends.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Lines that follow each other are one copy.
        let mut run = 0..0;
        for line in &self.lines {
            let start = at(line.start);
            let end = at(line.end) + LINE_END.len();
            if start != run.end {
                out.extend_from_slice(&self.text[run]);
                run = start..start;
            }
            run.end = end;
        }
        out.extend_from_slice(&self.text[run]);
    }

    /// Bytes of all lines with their line ends.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lines
            .iter()
            .map(|it| at(it.end) - at(it.start) + LINE_END.len())
            .sum()
    }

    /// The same for hyper, whose values share this one's text.
    #[must_use]
    pub fn into_map(self) -> HeaderMap {
        // hyper adds one or two lines more, for which the map is not to grow.
        let map = HeaderMap::with_capacity(self.lines.len() + 2);
        self.into_map_in(map)
    }

    /// The same in the memory of `map`, of which nothing else is left: a map is a large piece of memory to ask for.
    #[must_use]
    pub fn into_map_in(mut self, mut map: HeaderMap) -> HeaderMap {
        let text = Bytes::from(mem::take(&mut self.text));
        map.clear();
        map.reserve(self.lines.len());
        for line in &self.lines {
            let name = HeaderName::from_bytes(&text[at(line.start)..at(line.name_end)]);
            let value = text.slice(at(line.name_end) + COLON.len()..at(line.end));
            // What was read as a field is one.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) {
                map.append(name, value);
            }
        }
        map
    }

    fn is_called(&self, line: &Line, name: &impl FieldName) -> bool {
        line.key == name.key() && self.name_bytes(*line) == name.text().as_bytes()
    }

    fn name_bytes(&self, line: Line) -> &[u8] {
        &self.text[at(line.start)..at(line.name_end)]
    }

    fn name(&self, line: Line) -> &str {
        str::from_utf8(self.name_bytes(line)).expect("a token is ASCII")
    }

    fn value(&self, line: Line) -> &[u8] {
        &self.text[at(line.name_end) + COLON.len()..at(line.end)]
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        spare::put(mem::take(&mut self.text), mem::take(&mut self.lines));
    }
}

/// A place in the text.
fn at(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl<N: FieldName, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in lines {
            fields.append(name, value.as_ref());
        }
        fields
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        // Room for what is added on the way as well.
        let mut fields = Self::with_capacity(map.len() + 12, 64 * map.len() + 512);
        for (name, value) in map {
            fields.append(name, value.as_bytes());
        }
        fields
    }
}

impl<N: FieldName> Index<N> for Fields {
    type Output = [u8];

    /// The first value of that name.
    ///
    /// # Panics
    /// If there is none.
    fn index(&self, name: N) -> &[u8] {
        self.get(name).expect("the field is there")
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.iter();
        let shown = lines.map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = [
        "accept", "cookie", "host", "x-a", "x-b", "via", "te", "upgrade",
    ];

    #[test]
    fn a_name_has_one_bit_however_it_is_given() {
        for name in NAMES {
            let header: HeaderName = name.parse().expect("a valid name");
            assert_eq!(Name::new(name).key(), name.key());
            assert_eq!(header.key(), name.key());
        }
    }

    proptest! {
        #[test]
        fn are_what_hypers_map_holds(steps in prop::collection::vec((0..3_u8, 0..NAMES.len(), "[a-z]{0,3}"), 0..40)) {
            let mut fields = Fields::new();
            let mut map = HeaderMap::new();
            for (step, which, text) in steps {
                let name: HeaderName = NAMES[which].parse().expect("a valid name");
                let value: HeaderValue = text.parse().expect("a valid value");
                match step {
                    0 => {
                        fields.append_read(NAMES[which].to_ascii_uppercase().as_bytes(), text.as_bytes());
                        map.append(name, value);
                    }
                    1 => {
                        fields.insert(NAMES[which], text.as_bytes());
                        map.insert(name, value);
                    }
                    _ => prop_assert_eq!(fields.remove(NAMES[which]), map.remove(&name).is_some()),
                }
                prop_assert_eq!(fields.len(), map.len());
                for name in NAMES {
                    prop_assert_eq!(fields.contains(name), map.contains_key(name));
                    let ours: Vec<_> = fields.get_all(name).collect();
                    let theirs: Vec<_> = map.get_all(name).iter().map(HeaderValue::as_bytes).collect();
                    prop_assert_eq!(ours, theirs);
                }
                let mut written = Vec::new();
                fields.write(&mut written);
                let lines: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value)))
                    .collect();
                prop_assert_eq!(fields.bytes(), written.len());
                prop_assert_eq!(String::from_utf8(written).expect("ASCII"), lines.concat());
                prop_assert_eq!(&fields.clone().into_map(), &map);
                prop_assert_eq!(&Fields::from(&map).into_map(), &map);
            }
        }
    }
}

//! The fields of a head, in the order in which they came.
//!
//! A head has a dozen fields and is asked for thirty, most of which it does not have. So they are a list, and beside it a
//! filter that tells most absences by one bit: no field is hashed, nothing is allocated but the list, and a head is written
//! as it was read.

use std::{fmt, ops::Index};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields of one head.
#[derive(Clone, Default)]
pub struct Fields {
    lines: Vec<(HeaderName, HeaderValue)>,
    /// The bits of all names that are or were there: a name whose bit is missing is not.
    filter: u64,
}

/// What a field may be asked for by.
pub trait FieldName {
    /// The name in lower case.
    fn as_lower(&self) -> &str;
}

impl FieldName for HeaderName {
    fn as_lower(&self) -> &str {
        self.as_str()
    }
}

impl FieldName for str {
    fn as_lower(&self) -> &str {
        self
    }
}

impl<T: FieldName + ?Sized> FieldName for &T {
    fn as_lower(&self) -> &str {
        (**self).as_lower()
    }
}

/// What a field may be called by where one is added.
pub trait NewName {
    /// The name.
    fn into_name(self) -> HeaderName;
}

impl NewName for HeaderName {
    fn into_name(self) -> HeaderName {
        self
    }
}

impl NewName for &'static str {
    fn into_name(self) -> HeaderName {
        HeaderName::from_static(self)
    }
}

impl Fields {
    /// None, with room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self {
            lines: Vec::with_capacity(count),
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
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn contains_key(&self, name: impl FieldName) -> bool {
        self.get(name).is_some()
    }

    /// The value of the first line of that name.
    #[must_use]
    pub fn get(&self, name: impl FieldName) -> Option<&HeaderValue> {
        self.get_all(name).next()
    }

    /// The values of all lines of that name.
    pub fn get_all<N: FieldName>(&self, name: N) -> impl DoubleEndedIterator<Item = &HeaderValue> {
        let may_be = self.filter & bit(name.as_lower()) != 0;
        let lines = if may_be { self.lines.as_slice() } else { &[] };
        lines
            .iter()
            .filter(move |(it, _)| it.as_str() == name.as_lower())
            .map(|(_, value)| value)
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.lines.iter().map(|(name, value)| (name, value))
    }

    /// All values, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&HeaderName, &mut HeaderValue)> {
        self.lines.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Adds a line.
    pub fn append(&mut self, name: impl NewName, value: HeaderValue) {
        let name = name.into_name();
        self.filter |= bit(name.as_str());
        self.lines.push((name, value));
    }

    /// Makes this the only line of its name.
    pub fn insert(&mut self, name: impl NewName, value: HeaderValue) {
        let name = name.into_name();
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all lines of that name; returns the first value.
    pub fn remove(&mut self, name: impl FieldName) -> Option<HeaderValue> {
        if self.filter & bit(name.as_lower()) == 0 {
            return None;
        }
        let mut first = None;
        self.lines.retain_mut(|(it, value)| {
            let goes = it.as_str() == name.as_lower();
            if goes && first.is_none() {
                first = Some(std::mem::replace(value, HeaderValue::from_static("")));
            }
            !goes
        });
        first
    }

    /// Keeps the lines of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName) -> bool) {
        self.lines.retain(|(name, _)| keep(name));
    }

    /// The same for hyper.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.lines.len());
        for (name, value) in self.iter() {
            map.append(name.clone(), value.clone());
        }
        map
    }
}

/// One of 64 bits for a name, from its length and two of its bytes: as good as a hash for the names in use.
fn bit(name: &str) -> u64 {
    let name = name.as_bytes();
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let mixed = length
        .wrapping_mul(11)
        .wrapping_add(first.wrapping_mul(7))
        .wrapping_add(last.wrapping_mul(29));
    1 << (mixed % 64)
}

impl FromIterator<(HeaderName, HeaderValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in lines {
            fields.append(name, value);
        }
        fields
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self::with_capacity(map.len() + 8);
        let mut last = None;
        for (name, value) in map {
            // The map names a field once, before its first value.
            if name.is_some() {
                last = name;
            }
            if let Some(name) = &last {
                fields.append(name.clone(), value);
            }
        }
        fields
    }
}

impl<N: FieldName> Index<N> for Fields {
    type Output = HeaderValue;

    /// The first value of that name.
    ///
    /// # Panics
    /// If there is none.
    fn index(&self, name: N) -> &HeaderValue {
        self.get(name).expect("the field is there")
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = [
        "accept", "cookie", "host", "x-a", "x-b", "via", "te", "upgrade",
    ];

    fn name(text: &str) -> HeaderName {
        text.parse().expect("a valid name")
    }

    proptest! {
        #[test]
        fn are_what_hypers_map_holds(steps in prop::collection::vec((0..3_u8, 0..NAMES.len(), "[a-z]{0,3}"), 0..40)) {
            let mut fields = Fields::new();
            let mut map = HeaderMap::new();
            for (step, which, value) in steps {
                let name = name(NAMES[which]);
                let value: HeaderValue = value.parse().expect("a valid value");
                match step {
                    0 => {
                        fields.append(name.clone(), value.clone());
                        map.append(name, value);
                    }
                    1 => {
                        fields.insert(name.clone(), value.clone());
                        map.insert(name, value);
                    }
                    _ => prop_assert_eq!(fields.remove(&name), map.remove(&name)),
                }
                prop_assert_eq!(fields.len(), map.len());
                for name in NAMES {
                    prop_assert_eq!(fields.contains_key(name), map.contains_key(name));
                    prop_assert_eq!(fields.get(name), map.get(name));
                    let ours: Vec<_> = fields.get_all(name).collect();
                    let theirs: Vec<_> = map.get_all(name).iter().collect();
                    prop_assert_eq!(ours, theirs);
                }
                prop_assert_eq!(&fields.to_map(), &map);
                let back = Fields::from(map.clone());
                prop_assert_eq!(&back.to_map(), &map);
            }
        }
    }
}

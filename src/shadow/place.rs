//! Where two answers can differ.

use std::fmt;

/// A place in an answer. Elements of an array share one, so that a list of a hundred items is not a hundred places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// There is an answer at all.
    Answer,
    /// The status.
    Status,
    /// A field of the head, by its name.
    Header(String),
    /// The body, byte by byte.
    Body,
    /// A place in a JSON body, as a JSON pointer in which `*` is any element.
    Json(String),
    /// Its time: the answer took longer than nine of ten copies to old on its route, by more than is tolerated.
    Latency,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer => f.write_str("answer"),
            Self::Status => f.write_str("status"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Body => f.write_str("body"),
            Self::Json(path) if path.is_empty() => f.write_str("json"),
            Self::Json(path) => write!(f, "json {path}"),
            Self::Latency => f.write_str("latency"),
        }
    }
}

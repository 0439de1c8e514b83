//! Copies of requests, for finding out whether new answers as old does before anybody is sent there.

use std::time::Duration;

use http::HeaderName;

use crate::{plan::Plan, units::Share};

/// What is copied and how it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowPlan {
    /// The share of requests answered by old of which a copy is sent.
    pub share: Share,
    /// The share of the copies that go to old once more instead of to new: what differs there is noise.
    pub noise: Share,
    /// The fields of an answer's head that are compared.
    pub headers: Vec<HeaderName>,
    /// What of JSON bodies is not compared.
    pub ignore: Vec<Ignored>,
    /// The longest body, of a request or of an answer, that is kept for comparing.
    pub body_bytes: usize,
    /// How many copies there may be at once, from the moment that one is drawn until it is compared.
    pub copies: usize,
    /// How long a copy may take.
    pub timeout: Duration,
    /// Above this share of copies to new that differ beyond noise the weight does not rise; `None` where nothing waits for it.
    pub max_difference: Option<Share>,
    /// How much of an answer samples show.
    pub samples: Samples,
}

#[cfg(test)]
impl ShadowPlan {
    /// Every request is copied, half of the copies to old.
    pub(crate) fn of_every_request() -> Self {
        Self {
            share: Share::WHOLE,
            noise: Share::from_parts_per_million(500_000).expect("no more than the whole"),
            headers: vec![http::header::LOCATION],
            ignore: Vec::new(),
            body_bytes: 64 << 10,
            copies: 64,
            timeout: Duration::from_secs(10),
            max_difference: None,
            samples: Samples::Masked,
        }
    }
}

/// Something in JSON bodies that is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Where.
    pub path: Pointer,
    /// In the answers of this route only.
    pub route: Option<String>,
}

/// A place in a JSON value, as a JSON pointer (RFC 6901) in which `*` is every element of an array or every member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

/// How much of an answer samples show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// The shape only: letters and digits are replaced.
    Masked,
    /// What was answered.
    Shown,
}

/// Which requests of a route are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopiedMethods {
    /// None.
    None,
    /// Those that are safe (RFC 9110 section 9.2.1).
    Safe,
    /// Those that change something as well: new carries them out. Copies of these never go to old.
    All,
}

/// Whether copies are compared under one plan as under the other, and with the same environments: what was found under one is of
/// use under the other.
#[must_use]
pub fn are_compared_alike(one: &Plan, other: &Plan) -> bool {
    one.shadow == other.shadow
        && one.upstreams == other.upstreams
        && one.routes == other.routes
        && one.evidence.tolerated_latency == other.evidence.tolerated_latency
}

impl Pointer {
    /// Reads one; `None` where it does not begin with a slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.starts_with('/').then(|| Self(text.to_owned()))
    }

    /// Whether the place `path` is this one or below it.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        self.0.split('/').all(|wanted| {
            let found = segments.next();
            found.is_some_and(|it| wanted == "*" || wanted == it)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_covers_what_is_below_it() {
        let covers = |pointer, path| Pointer::parse(pointer).unwrap().covers(path);
        assert!(covers("/items/*/id", "/items/*/id"));
        assert!(covers("/items/*/id", "/items/*/id/prefix"));
        assert!(covers("/*", "/anything/below"));
        assert!(!covers("/items/*/id", "/items/*/name"));
        assert!(!covers("/items/*/id", "/items"));
        assert!(!covers("/item", "/items"));
        assert_eq!(Pointer::parse("items"), None);
    }
}

//! Who is asking, by a cookie that holds a random number. The number decides the side.

use http::header::COOKIE;
use pingora_http::RequestHeader;

const NAME: &str = "visitor=";
/// Of 10,000.
const NEW: u64 = 500;

/// The environment that answers.
pub enum Side {
    Old,
    New,
}

#[derive(Default)]
pub struct Visitor {
    id: u64,
    is_first_visit: bool,
}

impl Visitor {
    /// By the request's cookie, or somebody new.
    pub fn of(request: &RequestHeader) -> Self {
        let known = request
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(';'))
            .find_map(|it| u64::from_str_radix(it.trim().strip_prefix(NAME)?, 16).ok());
        Self {
            id: known.unwrap_or_else(|| fastrand::u64(..)),
            is_first_visit: known.is_none(),
        }
    }

    /// Where this visitor belongs.
    pub fn side(&self) -> Side {
        if self.id % 10_000 < NEW {
            Side::New
        } else {
            Side::Old
        }
    }

    /// What to set, if it is the first visit.
    pub fn new_cookie(&self) -> Option<String> {
        self.is_first_visit
            .then(|| format!("{NAME}{:x}; Path=/; HttpOnly; SameSite=Lax", self.id))
    }
}

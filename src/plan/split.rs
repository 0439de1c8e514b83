//! How requests are assigned to sides.

use std::{fmt, time::Duration};

use http::HeaderName;
use serde::{Deserialize, Serialize};

/// The rules of assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPlan {
    /// What a client is recognised by.
    pub sticky: Sticky,
    /// Where unsafe methods and upgrades go.
    pub writes: Writes,
    /// How long at most the reads of a client that has just written are kept on old, until new has what it wrote; `None`
    /// switches it off.
    pub read_your_writes: Option<Duration>,
    /// Whether proxied responses carry `x-changeover-side`.
    pub reveals_side: bool,
    /// The header that lets a tester choose a side; `None` switches it off.
    pub force: Option<ForcePlan>,
}

#[cfg(test)]
impl SplitPlan {
    /// Each request is drawn anew, whatever it asks for.
    pub(crate) const DRAWN: Self = Self {
        sticky: Sticky::None,
        writes: Writes::Split,
        read_your_writes: None,
        reveals_side: false,
        force: None,
    };
}

/// What a client is recognised by, so that it keeps its side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// Nothing: each request is drawn anew.
    None,
    /// A cookie of ours.
    Cookie(CookiePlan),
    /// The client's address, after trusted forwarding.
    ClientIp,
    /// A request header, such as a session or tenant id; requests without it are recognised by address.
    Header(HeaderName),
}

impl Sticky {
    /// The part of it that decides who is who: with another one everybody would be drawn anew.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Cookie(cookie) => format!("cookie {}", cookie.name),
            Self::ClientIp => "client-ip".to_owned(),
            Self::Header(name) => format!("header:{name}"),
        }
    }
}

/// Our cookie: an opaque random id, `HttpOnly`, `SameSite=Lax`, `Path=/`, `Secure` on TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePlan {
    /// Its name.
    pub name: String,
    /// Its `Max-Age`.
    pub lifetime: Duration,
}

/// Where unsafe methods and upgrades go (RFC 9110 section 9.2.1 says which methods are safe).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writes {
    /// To old, until the plan says otherwise: right where new has a database of its own.
    Old,
    /// By weight, as everything else.
    Split,
    /// To new, whatever the weight (but weight 0 sends everything to old).
    New,
}

/// The signed override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcePlan {
    /// The header's name.
    pub header: HeaderName,
    /// The key of its HMAC-SHA256.
    pub secret: Secret,
}

/// Bytes that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a cryptographic function.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

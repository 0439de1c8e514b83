//! A host with an optional port, as `Host` and `:authority` carry it.

use std::borrow::Cow;

/// A well-formed authority without userinfo.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    text: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads one; `None` when it is not well-formed or carries userinfo.
    #[must_use]
    pub fn parse(_text: &'a [u8]) -> Option<Self> {
        todo!()
    }

    /// As it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The host in lower case, IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> Cow<'a, str> {
        todo!()
    }

    /// The port, where one is named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

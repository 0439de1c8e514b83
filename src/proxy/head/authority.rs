//! A host with an optional port, as `Host`, `:authority` and absolute targets carry it.
//!
//! Stricter than RFC 3986 section 3.2: no userinfo, no percent-encoding, no empty host, no empty port. Whatever a
//! second parser could read as another host is no authority here.

use std::{borrow::Cow, net::Ipv6Addr};

use crate::proxy::head::ClientScheme;

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
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, _) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                text.split_at_checked(address.len() + 2)?
            }
            None => {
                let end = text.bytes().position(|it| !is_name_byte(it));
                let end = end.unwrap_or(text.len());
                let (name, port) = text.split_at_checked(end)?;
                // No label is empty but the root's, behind a last dot.
                let has_labels = !name.is_empty() && !name.starts_with('.') && !name.contains("..");
                has_labels.then_some((name, port))?
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self { text, host, port })
    }

    /// As it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The host in lower case, IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> Cow<'a, str> {
        if self.host.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(self.host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(self.host)
        }
    }

    /// The port, where one is named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether both name the same host and port under `scheme`.
    #[must_use]
    pub fn is_same(&self, other: &Authority<'_>, scheme: ClientScheme) -> bool {
        let port = |port: Option<u16>| port.unwrap_or_else(|| scheme.default_port());
        self.host.eq_ignore_ascii_case(other.host) && port(self.port) == port(other.port)
    }
}

/// Letters, digits and what names in use hold besides; sub-delimiters and `%` are left out on purpose.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_and_ports() {
        let check = |text: &str, host: &str, port: Option<u16>| {
            let authority = Authority::parse(text.as_bytes()).expect(text);
            assert_eq!(authority.as_str(), text);
            assert_eq!(authority.host(), host, "{text}");
            assert_eq!(authority.port(), port, "{text}");
        };
        check("a.test", "a.test", None);
        check("A.Test:8080", "a.test", Some(8080));
        check("10.0.0.1:80", "10.0.0.1", Some(80));
        check("[::1]", "[::1]", None);
        check("[2001:DB8::1]:443", "[2001:db8::1]", Some(443));
        check("under_score.test", "under_score.test", None);
        check("a.test.:80", "a.test.", Some(80));
    }

    #[test]
    fn refuses_what_is_none() {
        let bad = [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a:80:80",
            "u@a",
            "u:p@a",
            "a b",
            "a/b",
            "a,b",
            "a%41",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[a]",
            "::1",
            "a#b",
            ".",
            ".a",
            "a..b",
            "a..",
            "a?b",
            "ä",
        ];
        for text in bad {
            assert!(Authority::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_default_port_is_the_same_as_none() {
        let check = |left: &str, right: &str, scheme, expected| {
            let [left, right] =
                [left, right].map(|it| Authority::parse(it.as_bytes()).expect("well-formed"));
            assert_eq!(left.is_same(&right, scheme), expected);
        };
        check("a", "A", ClientScheme::Http, true);
        check("a", "a:80", ClientScheme::Http, true);
        check("a", "a:443", ClientScheme::Http, false);
        check("a:443", "a", ClientScheme::Https, true);
        check("a", "b", ClientScheme::Http, false);
    }
}

//! Reading and writing lists of hops: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::ClientScheme;
use crate::proxy::head::{
    Fields, Name,
    names::{FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO},
};

/// The addresses that the head reports, the client's first; `None` for what is no address. `X-Forwarded-For` counts where
/// both are there.
pub(super) fn reported(headers: &Fields) -> Vec<Option<IpAddr>> {
    if headers.contains(X_FORWARDED_FOR) {
        let elements = headers
            .get_all(X_FORWARDED_FOR)
            .flat_map(|line| line.split(|b| *b == b','));
        elements.map(address).collect()
    } else {
        let elements = headers
            .get_all(FORWARDED)
            .flat_map(|line| split_unquoted(line, b','));
        elements.map(|it| address(parameter(it, b"for")?)).collect()
    }
}

/// The scheme that the nearest hop reports which reports one.
pub(super) fn reported_scheme(headers: &Fields) -> Option<ClientScheme> {
    let proto = match headers.get_all(X_FORWARDED_PROTO).next_back() {
        Some(line) => line.rsplit(|b| *b == b',').next()?,
        None => headers
            .get_all(FORWARDED)
            .flat_map(|line| split_unquoted(line, b','))
            .filter_map(|element| parameter(element, b"proto"))
            .last()?,
    };
    let proto = proto.trim_ascii();
    [ClientScheme::Http, ClientScheme::Https]
        .into_iter()
        .find(|it| proto.eq_ignore_ascii_case(it.as_str().as_bytes()))
}

/// A list to which a further hop is to be added: the lines of `name` joined, or else `reported` as `write` puts them.
pub(super) fn list(
    headers: &Fields,
    name: Name,
    reported: &[Option<IpAddr>],
    write: impl Fn(&mut Vec<u8>, Option<IpAddr>),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    for line in headers.get_all(name).filter(|it| !it.is_empty()) {
        out.extend_from_slice(line);
        out.extend_from_slice(b", ");
    }
    if out.is_empty() {
        for node in reported {
            write(&mut out, *node);
            out.extend_from_slice(b", ");
        }
    }
    out
}

/// Writes an address as `X-Forwarded-For` holds it.
pub(super) fn write_address(out: &mut Vec<u8>, node: Option<IpAddr>) {
    match node {
        None => out.extend_from_slice(b"unknown"),
        Some(IpAddr::V4(address)) => write_v4(out, address),
        Some(address) => write!(out, "{address}").expect("a vector takes everything"),
    }
}

/// Writes the four octets; the formatter of `Ipv4Addr` costs as much as the rest of the head.
fn write_v4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

/// Writes `for=` and the node.
pub(super) fn write_for(out: &mut Vec<u8>, node: Option<IpAddr>) {
    match node {
        None => out.extend_from_slice(b"for=unknown"),
        Some(IpAddr::V4(address)) => {
            out.extend_from_slice(b"for=");
            write_v4(out, address);
        }
        Some(IpAddr::V6(address)) => write_pair(out, "for=", &format!("[{address}]")),
    }
}

/// Writes a parameter, quoted unless the value is a token; an empty one is left out.
pub(super) fn write_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    let is_token = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(name.as_bytes());
    if is_token {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.push(b'"');
        out.extend(value.bytes().filter(|b| !matches!(b, b'"' | b'\\')));
        out.push(b'"');
    }
}

/// An address, with or without brackets and port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim_ascii();
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = match bare.unwrap_or(text).parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

/// The value of an element's parameter, without its quotes.
fn parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split_unquoted(element, b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let (key, value) = pair.split_at_checked(name.len())?;
        let value = value.strip_prefix(b"=")?;
        let bare = value
            .strip_prefix(b"\"")
            .and_then(|it| it.strip_suffix(b"\""));
        key.eq_ignore_ascii_case(name)
            .then_some(bare.unwrap_or(value))
    })
}

/// Splits where `separator` stands outside of quotes.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |byte| {
        let escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted && !escaped => is_escaped = true,
            b'"' if !escaped => is_quoted = !is_quoted,
            byte => return *byte == separator && !is_quoted,
        }
        false
    })
}

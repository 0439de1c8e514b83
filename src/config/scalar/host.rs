//! Names of hosts and of header fields.

use std::net::Ipv6Addr;

use http::HeaderName;
use rustls_pki_types::ServerName;

use crate::config::{fault::Complaint, scalar::quoted};

/// What a host looks like.
pub(in crate::config) const HOST: &str = "a host such as \"shop.example\" or an IP address";

/// Reads a host without a port: a DNS name or an IP address, IPv6 in brackets; gives it in lower case and bare.
pub(in crate::config) fn host(text: &str) -> Result<String, Complaint> {
    let wrong = || Complaint::new(quoted(text), HOST);
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
        inner.parse::<Ipv6Addr>().map_err(|_no_address| wrong())?;
        return Ok(inner.to_lowercase());
    }
    match is_name(text) {
        true => Ok(text.to_lowercase()),
        false if text.contains(':') => Err(wrong().remedy("leave the port out")),
        false => Err(wrong()),
    }
}

/// Reads a host without a port as [`host`] does, but keeps the brackets of IPv6, as messages carry them.
pub(in crate::config) fn host_as_sent(text: &str) -> Result<String, Complaint> {
    host(text).map(|_bare| text.to_lowercase())
}

/// Reads a host with or without a port, as `Host` carries it.
pub(in crate::config) fn host_and_port(text: &str) -> Result<String, Complaint> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    host(name).map_err(|it| Complaint {
        found: quoted(text),
        ..it
    })?;
    match port.map(str::parse::<u16>) {
        Some(Err(_)) | Some(Ok(0)) => Err(Complaint::new(
            quoted(text),
            "a port from 1 to 65535 after the colon",
        )),
        None | Some(Ok(_)) => Ok(text.to_lowercase()),
    }
}

/// Reads the name of a header field that an end-to-end message may carry.
pub(in crate::config) fn header_name(text: &str) -> Result<HeaderName, Complaint> {
    const TAKEN: &[&str] = &[
        "connection",
        "content-length",
        "cookie",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let wrong = || {
        Complaint::new(
            quoted(text),
            "the name of a header field such as \"x-tenant\"",
        )
    };
    let name = HeaderName::try_from(text).map_err(|_invalid| wrong())?;
    match TAKEN.contains(&name.as_str()) {
        true => Err(wrong().remedy("HTTP itself uses this one; choose another")),
        false => Ok(name),
    }
}

/// Whether it is a DNS name (RFC 1123, underscores allowed as deployed) or an IPv4 address.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What TLS could not verify, such as "999.1.1.1", is no host either.
    let is_verifiable = ServerName::try_from(text).is_ok();
    text.len() <= 253 && text.split('.').all(is_label) && is_verifiable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(host(text).ok().as_deref(), expected, "{text:?}");
        };
        check("Shop.Example", Some("shop.example"));
        check("127.0.0.1", Some("127.0.0.1"));
        check("[::1]", Some("::1"));
        check("shop.example:80", None);
        check("-a.test", None);
        check("a..test", None);
        check("a b", None);
        check("999.1.1.1", None);
        check("a_b", Some("a_b"));
        check("[::1", None);
        check("", None);
    }

    #[test]
    fn reads_hosts_with_ports() {
        let check = |text, expected| assert_eq!(host_and_port(text).is_ok(), expected, "{text:?}");
        check("shop.example:8443", true);
        check("[::1]:80", true);
        check("[::1]", true);
        check("shop.example:99999", false);
        check("shop.example:0", false);
        check("shop example", false);
    }

    #[test]
    fn reads_header_names() {
        assert!(header_name("X-Tenant").is_ok());
        assert!(header_name("x tenant").is_err());
        assert!(header_name("Connection").is_err());
    }
}

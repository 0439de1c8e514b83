//! Names of DNS.

use hickory_resolver::proto::rr::Name;

use crate::config::{fault::Complaint, scalar::quoted};

/// What a name of DNS looks like.
pub(in crate::config) const DOMAIN: &str = "a DNS name such as \"shop.example.com\"";

/// Reads a name of DNS, with or without its last dot; gives it in lower case and fully qualified.
pub(in crate::config) fn domain(text: &str) -> Result<Name, Complaint> {
    let wrong = || Complaint::new(quoted(text), DOMAIN);
    if !text.is_ascii() {
        return Err(wrong().remedy("write it as DNS has it, in Punycode (xn--…)"));
    }
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    if text.is_empty() || text == "." || !text.bytes().all(is_allowed) {
        return Err(wrong());
    }
    let name = Name::from_ascii(text).map_err(|error| wrong().remedy(error.to_string()))?;
    let mut name = name.to_lowercase();
    name.set_fqdn(true);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        let check = |text: &str, expected: Option<&str>| {
            let read = domain(text).ok().map(|it| it.to_ascii());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        };
        check("Shop.Example.com", Some("shop.example.com."));
        check("shop.example.com.", Some("shop.example.com."));
        check("_dmarc.example.com", Some("_dmarc.example.com."));
        check("", None);
        check(".", None);
        check("a..b", None);
        check("shöp.example.com", None);
        check("shop.example.com/", None);
        check(&"a".repeat(64), None);
        check(&["a"; 128].join("."), None);
    }
}

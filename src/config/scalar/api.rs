//! Addresses of HTTP APIs.

use http::Uri;

use crate::config::{fault::Complaint, scalar::quoted};

/// What the address of an API looks like.
pub(in crate::config) const API: &str = "a URL such as \"https://dns.example.com:8081\"";

/// Reads the URL that an API is below; gives it without a slash at its end.
pub(in crate::config) fn api(text: &str) -> Result<String, Complaint> {
    // What stands before an @ may be a password.
    if text.contains('@') {
        let complaint = Complaint::new("a URL with user information", API);
        return Err(complaint.remedy("leave out what stands before the @"));
    }
    let wrong = || Complaint::new(quoted(text), API);
    let uri: Uri = text.parse().map_err(|_malformed| wrong())?;
    let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|it| !it.is_empty());
    if !is_known || !has_host {
        return Err(wrong());
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(wrong().remedy("leave out what stands from the ? or # on"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_with_and_without_a_path() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(api(text).ok().as_deref(), expected, "{text}");
        };
        check("http://127.0.0.1:8081", Some("http://127.0.0.1:8081"));
        check("https://[::1]/", Some("https://[::1]"));
        check("https://dns.test/pdns/", Some("https://dns.test/pdns"));
        check("https://dns.test/?key=1", None);
        check("https://dns.test/#x", None);
        check("ftp://dns.test", None);
        check("https:///x", None);
        check("dns.test:8081", None);
        check("", None);
        check("https://ada:hunter2@dns.test", None);
    }
}

//! The address of the admin API, as people write it.

use ureq::http::Uri;

use crate::cli::exit::Failure;

/// The part of the URL before `/api`, checked.
pub(super) fn base(url: &str) -> Result<String, Failure> {
    let wrong = |fault: &str| {
        let expected = "expected such as http://127.0.0.1:9700 in --admin or CHANGEOVER_ADMIN";
        // What stands before an @ may be a password.
        let shown = match url.contains('@') {
            true => "the URL of the admin API".into(),
            false => format!("{url:?}"),
        };
        Failure::Usage(format!("{shown} {fault}; {expected}"))
    };
    let uri: Uri = url.parse().map_err(|_invalid| wrong("is no URL"))?;
    let Some(scheme @ ("http" | "https")) = uri.scheme_str() else {
        return Err(wrong("does not begin with http:// or https://"));
    };
    let authority = uri.authority().filter(|it| !it.as_str().contains('@'));
    let authority = authority.ok_or_else(|| wrong("names no host, or a user besides"))?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("has a path"));
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_an_origin_and_nothing_else() {
        let check = |url: &str, expected: Option<&str>| {
            let found = base(url);
            assert_eq!(found.as_deref().ok(), expected, "{url}");
            if let Err(failure) = found {
                assert_eq!(failure.code(), 2, "{url}");
            }
        };
        check("http://127.0.0.1:9700", Some("http://127.0.0.1:9700"));
        check("http://localhost/", Some("http://localhost"));
        check("http://[::1]:9700", Some("http://[::1]:9700"));
        check("https://localhost", Some("https://localhost"));
        check("ftp://localhost", None);
        check("localhost:9700", None);
        check("127.0.0.1", None);
        check("http://user@localhost", None);
        check("http://localhost/api", None);
        check("http://localhost/?x", None);
        check("", None);
    }

    #[test]
    fn a_password_is_not_shown() {
        for url in [
            "http://ada:hunter2@localhost",
            "ada:hunter2@localhost",
            "x://hunter2@h",
        ] {
            let said = base(url).expect_err(url).to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

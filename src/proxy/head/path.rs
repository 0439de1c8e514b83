//! The path that routing looks at.
//!
//! What is forwarded stays byte for byte; only for choosing a route a path is read as servers read it: unreserved
//! octets decoded, other escapes in upper case, dot segments removed (RFC 3986 section 6.2.2), escaped ones too.
//!
//! An escaped slash (`%2F`, `%5C`) separates segments here, because many servers decode it before they look:
//! otherwise `/admin%2Fusers` would get around a route for `/admin`. Servers that do not decode it see one odd
//! segment, for which the stricter route is no harm. Where the two readings would end in different places, as in
//! `/admin/..%2Fpublic`, no route is safe, so the request is refused. Empty segments are kept.

use std::borrow::Cow;

use crate::measure::Rejection;

/// Normalises a path for routing.
///
/// # Errors
/// [`Rejection::Malformed`] when servers could read it as different paths: a dot segment beside an escaped slash
/// anywhere in the path, one with parameters (`..;a`), one that would remove an empty segment, or a backslash.
pub fn normalize_path(path: &str) -> Result<Cow<'_, str>, Rejection> {
    if path.contains('\\') {
        return Err(Rejection::Malformed);
    }
    let (decoded, has_escaped_slash) = if path.contains('%') {
        let (text, has_escaped_slash) = decode(path);
        (Cow::Owned(text), has_escaped_slash)
    } else {
        (Cow::Borrowed(path), false)
    };
    let mut has_dot = false;
    for segment in decoded.split('/').filter(|it| it.starts_with('.')) {
        // One or two dots with parameters are a dot segment to servers that drop those first.
        let rest = segment
            .strip_prefix("..")
            .or_else(|| segment.strip_prefix('.'));
        match rest {
            Some("") => has_dot = true,
            Some(rest) if rest.starts_with(';') || rest.starts_with("%3B") => {
                return Err(Rejection::Malformed);
            }
            Some(_) | None => (),
        }
    }
    match (has_dot, has_escaped_slash) {
        (true, true) => Err(Rejection::Malformed),
        (true, false) => Ok(Cow::Owned(remove_dots(&decoded)?)),
        (false, _) => Ok(decoded),
    }
}

/// Decodes unreserved octets and slashes; tells whether there was an escaped slash. What is no escape stays.
fn decode(path: &str) -> (String, bool) {
    let mut text = String::with_capacity(path.len());
    let mut has_escaped_slash = false;
    let mut parts = path.split('%');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let octet = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        // `from_str_radix` takes a sign as well.
        let octet = octet.filter(|_| !part.starts_with('+'));
        let Some((octet, rest)) = octet.zip(part.get(2..)) else {
            text.push('%');
            text.push_str(part);
            continue;
        };
        match octet {
            b'/' | b'\\' => {
                has_escaped_slash = true;
                text.push('/');
            }
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => text.push(char::from(octet)),
            _ => {
                text.push('%');
                text.extend(part.chars().take(2).map(|it| it.to_ascii_uppercase()));
            }
        }
        text.push_str(rest);
    }
    (text, has_escaped_slash)
}

/// RFC 3986 section 5.2.4, for a path that begins with a slash.
fn remove_dots(path: &str) -> Result<String, Rejection> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => (),
            ".." => {
                if kept.pop() == Some("") {
                    return Err(Rejection::Malformed);
                }
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    let mut text = String::with_capacity(path.len());
    for segment in kept {
        text.push('/');
        text.push_str(segment);
    }
    Ok(text)
}

/// The bytes that a URI may hold and a few that clients send all the same; no white space, no control
/// characters, no fragment. A backslash is a slash to some servers, so a path has none.
pub(crate) fn is_path_and_query(text: &[u8]) -> bool {
    let end = text.iter().position(|b| *b == b'?').unwrap_or(text.len());
    let (path, query) = text.split_at(end);
    let is_path_byte = |b: &u8| matches!(b, 0x21 | 0x22 | 0x24..=0x3B | 0x3D | 0x40..=0x5B | 0x5D..=0x5F | 0x61..=0x7E | 0x80..);
    let is_query_byte = |b: &u8| matches!(b, 0x21 | 0x24..=0x3B | 0x3D | 0x3F..=0x7E | 0x80..);
    path.iter().all(is_path_byte)
        && query.iter().all(is_query_byte)
        && (text.is_ascii() || str::from_utf8(text).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_a_path_as_servers_do() {
        let check = |path, expected: &str| {
            assert_eq!(normalize_path(path).as_deref(), Ok(expected), "{path}");
        };
        check("/", "/");
        check("*", "*");
        check("/shop/cart", "/shop/cart");
        check("/%73hop/%7E%2d", "/shop/~-");
        check("/a%c3%a4%20", "/a%C3%A4%20");
        check("/a/../admin", "/admin");
        check("/a/%2e%2E/admin", "/admin");
        check("/a/.%2e/admin", "/admin");
        check("/../admin", "/admin");
        check("/./admin/.", "/admin/");
        check("/admin/x/..", "/admin/");
        check("/a/...", "/a/...");
        check("/.well-known/x", "/.well-known/x");
        check("/admin%2fusers", "/admin/users");
        check("/admin%5Cusers", "/admin/users");
        check("/admin%252Fusers", "/admin%252Fusers");
        check("//admin", "//admin");
        check("/100%", "/100%");
        check("/%zz%4", "/%zz%4");
        check("/%+1", "/%+1");
        check("/%\u{e4}x", "/%\u{e4}x");
        check("/a;b=c/d", "/a;b=c/d");
        check("/..a;b/.c;d", "/..a;b/.c;d");
    }

    #[test]
    fn refuses_what_servers_could_read_differently() {
        let paths = [
            "/admin/..%2Fpublic",
            "/admin%2F..%2Fpublic",
            "/admin%2f%2e%2e/public",
            "/a/..%5cadmin",
            "/a%2Fb/../c",
            "/a/..;/admin",
            "/a/..;x=y/admin",
            "/a/.;/b",
            "/a/%2e%2e%3b/admin",
            "/a//../admin",
            "/a\\..\\admin",
        ];
        for path in paths {
            assert_eq!(normalize_path(path), Err(Rejection::Malformed), "{path}");
        }
    }

    #[test]
    fn borrows_when_there_is_nothing_to_do() {
        assert!(matches!(normalize_path("/a/.b/c.d"), Ok(Cow::Borrowed(_))));
    }

    proptest! {
        #[test]
        fn is_a_fixed_point_without_dots_or_escapes_of_unreserved(path in "(/(\\.|%2e|%2F|%41|%c3|a|b;|;|%)*){0,6}") {
            prop_assume!(!path.is_empty());
            if let Ok(once) = normalize_path(&path) {
                prop_assert!(once.starts_with('/'));
                prop_assert!(!once.split('/').any(|it| it == "." || it == ".."));
                prop_assert!(!once.contains("%2F") && !once.contains("%2e"));
            }
        }
    }
}

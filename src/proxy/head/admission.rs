//! What of an HTTP/2 request is refused: what the reader of HTTP/1 heads refuses on the wire, as far as the
//! `h2` crate leaves them to its users.
//!
//! It refuses connection-specific fields, control characters and upper-case names itself. A fragment in `:path` it
//! cuts off, so nobody sees it.

use http::Method;

use crate::{
    measure::Rejection,
    proxy::head::{
        HeadLimits, RequestHead, Underscores,
        names::{CONTENT_LENGTH, TRANSFER_ENCODING},
        path::is_path_and_query,
    },
};

/// Checks the head of an HTTP/2 request; [`super::target_of`] checks its authority.
///
/// # Errors
/// The reason to refuse it.
pub fn admit_h2(head: &RequestHead, limits: &HeadLimits) -> Result<(), Rejection> {
    if head.method == Method::CONNECT {
        return Err(Rejection::Unsupported);
    }
    if head.target.len() > limits.target_bytes {
        return Err(Rejection::TargetTooLong);
    }
    let is_form = match head.target.as_bytes() {
        b"*" => head.method == Method::OPTIONS,
        target => target.starts_with(b"/") && is_path_and_query(target),
    };
    if !is_form {
        return Err(Rejection::Malformed);
    }
    // What the head would count in HTTP/1, so that one of the same size is treated alike in both protocols. HPACK adds 32
    // a field, which the limit told to the peer has room for.
    let bytes = head.target.len() + head.headers.bytes();
    if head.headers.len() > limits.headers || bytes > limits.head_bytes {
        return Err(Rejection::HeadTooLarge);
    }
    let is_long =
        |(name, value): (&str, &[u8])| name.len() + SEPARATOR + value.len() > limits.header_bytes;
    if head.headers.iter().any(is_long) {
        return Err(Rejection::HeadTooLarge);
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH);
    let is_framed_once = lengths.next().is_none_or(is_length) && lengths.next().is_none();
    let mut fields = head.headers.iter();
    let are_fields = fields.all(|(name, value)| is_field(name, value, limits.underscores));
    if !is_framed_once || !are_fields || head.headers.contains(TRANSFER_ENCODING) {
        return Err(Rejection::Malformed);
    }
    Ok(())
}

/// Bytes between a name and its value, as HTTP/1 writes them.
const SEPARATOR: usize = 2;

/// As HTTP/1 has it: some servers would take a length that begins with a zero for an octal one.
fn is_length(digits: &[u8]) -> bool {
    let is_plain = digits == b"0" || !digits.starts_with(b"0");
    is_plain && !digits.is_empty() && digits.len() < 19 && digits.iter().all(u8::is_ascii_digit)
}

/// RFC 9113 section 8.2.1 forbids white space around values; what trims it and what does not would differ.
fn is_field(name: &str, value: &[u8], underscores: Underscores) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let has_space = is_space(value.first()) || is_space(value.last());
    // The one byte that the `http` crate takes into a name and RFC 9110 section 5.6.2 does not.
    let is_token = !name.contains('"');
    let is_name = match underscores {
        Underscores::Accept => is_token,
        Underscores::Refuse => is_token && !name.contains('_'),
    };
    is_name && !has_space
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        head_bytes: 200,
        target_bytes: 50,
        header_bytes: 150,
        headers: 3,
        underscores: Underscores::Refuse,
    };

    fn admit(method: Method, uri: &str, headers: &[(&str, &str)]) -> Result<(), Rejection> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            // As `h2` reads names, of which it takes more than HTTP does.
            let name = HeaderName::from_lowercase(name.as_bytes()).expect("h2 takes it");
            request = request.header(name, *value);
        }
        let (head, ()) = request.body(()).expect("the parts are valid").into_parts();
        admit_h2(&(&head).try_into()?, &LIMITS)
    }

    #[test]
    fn admits_what_is_in_order() {
        let check = |uri, headers: &[(&str, &str)]| {
            assert_eq!(
                admit(Method::POST, uri, headers),
                Ok(()),
                "{uri} {headers:?}"
            );
        };
        check(
            "https://a/x?y=z",
            &[("content-length", "3"), ("x", "a b"), ("y", "")],
        );
        check("http://a/%2F..", &[]);
        assert_eq!(admit(Method::OPTIONS, "*", &[]), Ok(()));
    }

    #[test]
    fn refuses_with_the_reason() {
        let check = |uri: &str, headers: &[(&str, &str)], expected| {
            assert_eq!(
                admit(Method::POST, uri, headers),
                Err(expected),
                "{uri} {headers:?}"
            );
        };
        let malformed = Rejection::Malformed;
        check(
            "https://a/x",
            &[("content-length", "3"), ("content-length", "3")],
            malformed,
        );
        check("https://a/x", &[("content-length", "+3")], malformed);
        check("https://a/x", &[("content-length", "")], malformed);
        check(
            "https://a/x",
            &[("transfer-encoding", "chunked")],
            malformed,
        );
        check("https://a/x", &[("x_y", "z")], malformed);
        check("https://a/x", &[("x\"y", "z")], malformed);
        check("https://a/x", &[("x", " z")], malformed);
        check("https://a/x", &[("x", "z\t")], malformed);
        check("https://a/x\\y", &[], malformed);
        check("ftp://a/x", &[], malformed);
        check("*", &[], malformed);
        let long = format!("https://a/{}", "x".repeat(50));
        check(&long, &[], Rejection::TargetTooLong);
        check(
            "https://a/x",
            &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
            Rejection::HeadTooLarge,
        );
        check(
            "https://a/x",
            &[("a", &"b".repeat(200))],
            Rejection::HeadTooLarge,
        );
        assert_eq!(
            admit(Method::CONNECT, "a:443", &[]),
            Err(Rejection::Unsupported)
        );
    }
}

//! What a request is for: its authority and path, in either protocol.

use http::Version;

use crate::{
    measure::Rejection,
    proxy::head::{Authority, ClientScheme, RequestHead, names::HOST},
};

/// The authority and the raw path that a request names.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget<'a> {
    /// The authority; `None` only for HTTP/1.0 without `Host`.
    pub authority: Option<Authority<'a>>,
    /// The path, byte for byte, without the query.
    pub path: &'a str,
}

/// Reads the target of a request.
///
/// # Errors
/// [`Rejection::Malformed`] when there is no authority, a malformed one, or two that differ.
pub fn target_of(head: &RequestHead) -> Result<RequestTarget<'_>, Rejection> {
    let authority = authority_of(head)?;
    if authority.is_none() && head.version != Version::HTTP_10 {
        return Err(Rejection::Malformed);
    }
    Ok(RequestTarget {
        authority,
        path: head.path(),
    })
}

/// `:authority` or that of an absolute target, and `Host`, must be the same if both are there.
fn authority_of(head: &RequestHead) -> Result<Option<Authority<'_>>, Rejection> {
    let mut hosts = head.headers.get_all(HOST);
    let host = hosts.next().map(parse).transpose()?;
    if hosts.next().is_some() {
        return Err(Rejection::Malformed);
    }
    let Some(named) = &head.authority else {
        return Ok(host);
    };
    let named = parse(named.as_bytes())?;
    let scheme = head.scheme.unwrap_or(ClientScheme::Http);
    if host.is_some_and(|host| !named.is_same(&host, scheme)) {
        return Err(Rejection::Malformed);
    }
    Ok(Some(named))
}

fn parse(text: &[u8]) -> Result<Authority<'_>, Rejection> {
    Authority::parse(text).ok_or(Rejection::Malformed)
}

#[cfg(test)]
mod tests {
    use http::{Request, header::HOST};

    use super::{Rejection, RequestHead, Version, target_of};

    fn head(version: Version, uri: &str, hosts: &[&str]) -> RequestHead {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).expect("the parts are valid").into_parts();
        (&parts).try_into().expect("the target is served")
    }

    #[test]
    fn finds_the_one_authority() {
        let check = |version, uri, hosts: &[&str], expected: Result<Option<&str>, Rejection>| {
            let head = head(version, uri, hosts);
            let found = target_of(&head).map(|it| it.authority.map(|it| it.as_str()));
            assert_eq!(found, expected, "{uri} {hosts:?}");
        };
        let malformed = Err(Rejection::Malformed);
        check(Version::HTTP_11, "/x", &["a:80"], Ok(Some("a:80")));
        check(Version::HTTP_11, "/x", &[], malformed);
        check(Version::HTTP_11, "/x", &["a", "a"], malformed);
        check(Version::HTTP_11, "/x", &["u@a"], malformed);
        check(Version::HTTP_11, "http://a/x", &["A:80"], Ok(Some("a")));
        check(Version::HTTP_11, "http://a/x", &["b"], malformed);
        check(Version::HTTP_10, "/x", &[], Ok(None));
        check(Version::HTTP_2, "https://a/x", &[], Ok(Some("a")));
        check(Version::HTTP_2, "https://a/x", &["a:443"], Ok(Some("a")));
        check(Version::HTTP_2, "https://a/x", &["a:80"], malformed);
        check(Version::HTTP_2, "http://a/x", &["evil"], malformed);
        check(Version::HTTP_2, "http://u:p@a/x", &[], malformed);
        check(Version::HTTP_2, "/x", &["a"], Ok(Some("a")));
        check(Version::HTTP_2, "/x", &[], malformed);
    }
}

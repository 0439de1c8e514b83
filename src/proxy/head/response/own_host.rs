//! Where a side that was told another host names that host to the client.

use crate::proxy::head::{Authority, ClientScheme};

/// The URI of a `Location` with the client's authority, if it names the side's own host.
///
/// The scheme becomes the client's, but a redirect to HTTPS stays one: turned round to HTTP it would come back for
/// ever. It then names no port, for the port that the client used is not the one for TLS.
pub(super) fn retarget(
    location: &[u8],
    own: &str,
    scheme: ClientScheme,
    authority: &str,
) -> Option<Vec<u8>> {
    let slashes = location.windows(2).position(|it| it == b"//")?;
    let (prefix, rest) = location.split_at(slashes + 2);
    let given = match prefix.to_ascii_lowercase().as_slice() {
        b"//" => None,
        b"http://" => Some(ClientScheme::Http),
        b"https://" => Some(ClientScheme::Https),
        _ => return None,
    };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
    let (named, path) = rest.split_at(end.unwrap_or(rest.len()));
    let own = Authority::parse(own.as_bytes())?;
    if !Authority::parse(named)?.is_same(&own, given.unwrap_or(scheme)) {
        return None;
    }
    let client = Authority::parse(authority.as_bytes())?;
    let host = client.host();
    let (scheme, authority) = match (given, scheme) {
        (None, _) => ("", authority),
        (Some(ClientScheme::Https), ClientScheme::Http) => ("https:", host.as_ref()),
        (Some(_), ClientScheme::Http) => ("http:", authority),
        (Some(_), ClientScheme::Https) => ("https:", authority),
    };
    Some([scheme.as_bytes(), b"//", authority.as_bytes(), path].concat())
}

/// The `Set-Cookie` without its `Domain`, if that covers the side's own host and not the client's: the client would
/// refuse the cookie. Without it the cookie is for the host that the client asked.
pub(super) fn drop_domain(text: &[u8], own: &str, authority: &str) -> Option<Vec<u8>> {
    let own = Authority::parse(own.as_bytes())?.host();
    let client = Authority::parse(authority.as_bytes())?.host();
    let is_foreign = |attribute: &[u8]| {
        let Some(domain) = domain_of(attribute) else {
            return false;
        };
        let covers = |host: &str| {
            let rest = host.as_bytes().strip_suffix(domain.as_slice());
            rest.is_some_and(|it| it.is_empty() || it.ends_with(b"."))
        };
        covers(&own) && !covers(&client)
    };
    if !text.split(|b| *b == b';').skip(1).any(is_foreign) {
        return None;
    }
    let mut kept = Vec::with_capacity(text.len());
    for (index, part) in text.split(|b| *b == b';').enumerate() {
        if index > 0 && is_foreign(part) {
            continue;
        }
        if index > 0 {
            kept.push(b';');
        }
        kept.extend_from_slice(part);
    }
    Some(kept)
}

/// The domain of a `Domain` attribute, in lower case and without its leading dot (RFC 6265 section 5.2.3).
fn domain_of(attribute: &[u8]) -> Option<Vec<u8>> {
    let (name, value) = attribute.split_at(attribute.iter().position(|b| *b == b'=')?);
    if !name.trim_ascii().eq_ignore_ascii_case(b"domain") {
        return None;
    }
    let value = value[1..].trim_ascii();
    let value = value.strip_prefix(b".").unwrap_or(value);
    (!value.is_empty()).then(|| value.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sides_own_host_is_turned_round() {
        let (http, https) = (ClientScheme::Http, ClientScheme::Https);
        let check = |location: &str, own, (scheme, authority), expected: Option<&str>| {
            let moved = retarget(location.as_bytes(), own, scheme, authority);
            assert_eq!(moved.as_deref(), expected.map(str::as_bytes));
        };
        let client = (http, "shop.test:8080");
        check("http://NEW/", "new", client, Some("http://shop.test:8080/"));
        check(
            "http://new:80?a",
            "new",
            client,
            Some("http://shop.test:8080?a"),
        );
        check("http://new", "new", client, Some("http://shop.test:8080"));
        check("https://new/", "new", client, Some("https://shop.test/"));
        check(
            "http://new/",
            "new",
            (https, "shop.test"),
            Some("https://shop.test/"),
        );
        check("//new/x", "new", client, Some("//shop.test:8080/x"));
        check(
            "http://new:8443/",
            "new:8443",
            client,
            Some("http://shop.test:8080/"),
        );
        check("http://new:8443/", "new", client, None);
        check("http://other/", "new", client, None);
        check("http://new.other/", "new", client, None);
        check("http://new@other/", "new", client, None);
        check("/x", "new", client, None);
        check("/x?to=http://new/", "new", client, None);
        check("ftp://new/", "new", client, None);
        check("", "new", client, None);
    }

    #[test]
    fn only_a_domain_that_the_client_would_refuse_is_dropped() {
        let check = |cookie: &str, own, authority, expected: Option<&str>| {
            let kept = drop_domain(cookie.as_bytes(), own, authority);
            assert_eq!(kept.as_deref(), expected.map(str::as_bytes), "{cookie:?}");
        };
        let (own, client) = ("new.internal:8080", "shop.test:8080");
        check("a=b; Domain=new.internal", own, client, Some("a=b"));
        check(
            "a=b; DOMAIN = .NEW.internal ;Secure",
            own,
            client,
            Some("a=b;Secure"),
        );
        check(
            "a=b; Domain=internal; Path=/",
            own,
            client,
            Some("a=b; Path=/"),
        );
        check("a=b; Domain=shop.test", own, client, None);
        check("a=b; Domain=ternal", own, client, None);
        check("a=b; Path=/", own, client, None);
        check("a=b; Domain=", own, client, None);
        check("domain=new.internal", own, client, None);
        // Shared by both names: the client takes it as it is.
        check("a=b; Domain=test", "new.test", "shop.test", None);
    }
}

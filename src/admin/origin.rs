//! Keeps web pages out: a page in somebody's browser can make that browser call us, under a name that its owner
//! points at our address (DNS rebinding) or across sites (CSRF).
//!
//! `Host` must be a loopback name, an address of this connection or of the plan, or a name that the plan lists.
//! The port is free, so that a forwarded port works. `Origin`, where there is one, must be exactly that host with
//! that port, and `Sec-Fetch-Site` must not name another site unless somebody follows a link. There are no CORS
//! headers, so that no other site's page may read an answer either.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    admin::{
        Context,
        access::Connection,
        problem::{Kind, Problem},
    },
    plan::AdminPlan,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The middleware in front of everything.
pub(crate) async fn enforce(
    State(context): State<Context>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let checked = check(
        &context.plan().admin,
        connection.local,
        request.method(),
        uri,
        headers,
    );
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(
    plan: &AdminPlan,
    local: SocketAddr,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let host = host(uri, headers)?;
    if !is_ours(plan, local, &host) {
        let detail = format!(
            "Host is {host}; expected a loopback name, {} or a name listed in [admin] hosts",
            plan.address
        );
        return Err(Problem::new(Kind::HostNotAllowed, detail));
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let origin = origin.as_bytes();
        let authority = [b"http://".as_slice(), b"https://"]
            .into_iter()
            .find_map(|scheme| origin.strip_prefix(scheme));
        let is_same = authority.is_some_and(|it| it.eq_ignore_ascii_case(host.as_str().as_bytes()));
        if !is_same || origins.next().is_some() {
            let detail = format!("Origin must be absent or this very host, {host}");
            return Err(Problem::new(Kind::OriginNotAllowed, detail));
        }
    }
    let is_link = *method == Method::GET && fetch(headers, &SEC_FETCH_MODE) == Some(b"navigate");
    match fetch(headers, &SEC_FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) if is_link => Ok(()),
        Some(_) => Err(Problem::new(
            Kind::OriginNotAllowed,
            "Sec-Fetch-Site says that another site's page asks",
        )),
    }
}

fn fetch<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes())
}

/// The one host that the request names; an absolute target must agree with the header.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let bad = |detail| Problem::new(Kind::BadRequest, detail);
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(bad("exactly one Host header is needed"));
    };
    let parsed = Authority::try_from(host.as_bytes());
    let host = parsed.map_err(|_invalid| bad("Host is no host with an optional port"))?;
    if host.as_str().contains('@') {
        return Err(bad("Host may not carry user information"));
    }
    // What follows the name must be a port to its end: an authority parses with more behind it.
    let rest = host.as_str().strip_prefix(host.host()).unwrap_or("?");
    let is_port = |text: &str| !text.starts_with('+') && text.parse::<u16>().is_ok();
    if !rest.is_empty() && !rest.strip_prefix(':').is_some_and(is_port) {
        return Err(bad("Host is no host with an optional port"));
    }
    match uri.authority() {
        Some(target) if *target != host => Err(bad("the request target and Host differ")),
        Some(_) | None => Ok(host),
    }
}

fn is_ours(plan: &AdminPlan, local: SocketAddr, host: &Authority) -> bool {
    let name = host.host();
    let listed = plan.hosts.iter().any(|allowed| {
        allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host.as_str())
    });
    if listed || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bracketed = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bracketed
        .unwrap_or(name)
        .parse()
        .is_ok_and(|address: IpAddr| {
            let address = address.to_canonical();
            // An address literal cannot be rebound: whoever names the connection's own one reached us by it.
            address.is_loopback()
                || address == local.ip().to_canonical()
                || address == plan.address.ip()
        })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn status(local: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        let plan = AdminPlan {
            hosts: vec!["admin.shop.example".into(), "other.example:9700".into()],
            ..AdminPlan::local("10.0.0.7:9700".parse().unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let uri: Uri = target.parse().unwrap();
        let checked = check(&plan, local.parse().unwrap(), &Method::GET, &uri, &map);
        checked.map_or_else(|problem| problem.kind.status().as_u16(), |()| 200)
    }

    #[test]
    fn only_our_own_hosts_are_served() {
        let check = |host: &str, expected: u16| {
            let found = status("10.0.0.8:9700", "/", &[("host", host)]);
            assert_eq!(found, expected, "Host: {host}");
        };
        check("127.0.0.1:9700", 200);
        check("127.8.9.1", 200);
        check("localhost:1234", 200);
        check("[::1]:9700", 200);
        check("10.0.0.7:9700", 200);
        check("10.0.0.8:80", 200);
        check("ADMIN.shop.example:9700", 200);
        check("other.example:9700", 200);
        check("other.example:9701", 403);
        check("evil.example", 403);
        check("127.0.0.1.evil.example", 403);
        check("localhost.evil.example:9700", 403);
        check("10.0.0.9:9700", 403);
        check("user@localhost", 400);
        check("127.0.0.1:9700.evil.example", 400);
        check("[::1].evil.example", 400);
        check("[::1]evil.example", 400);
        check("localhost:", 400);
        check("a b", 400);
    }

    #[test]
    fn exactly_one_host_is_needed_and_the_target_must_agree() {
        assert_eq!(status("127.0.0.1:1", "/", &[]), 400);
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(status("127.0.0.1:1", "/", &twice), 400);
        let host = [("host", "localhost")];
        assert_eq!(status("127.0.0.1:1", "http://localhost/", &host), 200);
        assert_eq!(status("127.0.0.1:1", "http://evil.example/", &host), 400);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |extra: &[(&str, &str)], expected: u16| {
            let mut headers = vec![("host", "localhost:9700")];
            headers.extend_from_slice(extra);
            let found = status("127.0.0.1:9700", "/", &headers);
            assert_eq!(found, expected, "{extra:?}");
        };
        check(&[("origin", "http://localhost:9700")], 200);
        check(&[("origin", "http://localhost:3000")], 403);
        check(&[("origin", "http://evil.example")], 403);
        check(&[("origin", "null")], 403);
        check(
            &[
                ("origin", "http://localhost:9700"),
                ("origin", "http://evil.example"),
            ],
            403,
        );
        check(&[("sec-fetch-site", "same-origin")], 200);
        check(&[("sec-fetch-site", "none")], 200);
        check(&[("sec-fetch-site", "cross-site")], 403);
        check(&[("sec-fetch-site", "same-site")], 403);
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        check(&link, 200);
    }
}

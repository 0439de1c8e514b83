//! A response's head on its way to the client.
//!
//! What would lead the client past the proxy is taken out or turned round: `Alt-Svc`, redirects to the side's own
//! host, cookies for it.

mod own_host;

use http::Version;

use crate::{
    plan::{CookiePlan, ForwardingPlan, HostHeader},
    proxy::head::{
        Client, ClientId, Fields, Name, ResponseHead,
        names::{ALT_SVC, CONTENT_LOCATION, LOCATION, SET_COOKIE, X_CHANGEOVER_SIDE},
        sticky::write_cookie,
        strip_response, via,
    },
    units::Side,
};

/// Names the reason of an answer of our own; no endpoint's answer has it.
pub const X_CHANGEOVER_ERROR: Name = Name::new("x-changeover-error");

/// What a response's head is rewritten with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseContext<'a> {
    /// Who asked.
    pub client: &'a Client,
    /// The host and port that the client asked for; empty where it named none.
    pub authority: &'a str,
    /// The host that the side was told.
    pub host: &'a HostHeader,
    /// Whether `Alt-Svc` stays.
    pub forwarding: &'a ForwardingPlan,
    /// The id that our cookie is to carry, on a first visit.
    pub set_cookie: Option<(&'a ClientId, &'a CookiePlan)>,
    /// The side, where the plan reveals it.
    pub reveals: Option<Side>,
    /// The version that the endpoint spoke.
    pub version: Version,
}

/// Rewrites the head in place. The `Connection` and `Upgrade` of a 101 are removed as well, and
/// written again by [`super::set_upgrade`] where the tunnel is granted.
pub fn finish_response(head: &mut ResponseHead, context: &ResponseContext<'_>) {
    let headers = &mut head.headers;
    strip_response(headers);
    if !context.forwarding.passes_alt_svc {
        headers.remove(ALT_SVC);
    }
    // Ours alone to say, and each says something about this proxy.
    headers.remove(X_CHANGEOVER_SIDE);
    headers.remove(X_CHANGEOVER_ERROR);
    if let HostHeader::Set(host) = context.host
        && !context.authority.is_empty()
    {
        turn_round(headers, host, context);
    }
    if let Some((id, plan)) = context.set_cookie {
        let scheme = context.client.scheme;
        headers.append_with(SET_COOKIE, |out| write_cookie(id, plan, scheme, out));
    }
    if let Some(side) = context.reveals {
        headers.append(X_CHANGEOVER_SIDE, side.as_str().as_bytes());
    }
    via(headers, context.version);
}

/// Turns redirects to the side's own host, and cookies for it, to what the client asked for.
fn turn_round(headers: &mut Fields, host: &str, context: &ResponseContext<'_>) {
    for name in [LOCATION, CONTENT_LOCATION] {
        let moved = headers
            .get(name)
            .and_then(|it| own_host::retarget(it, host, context.client.scheme, context.authority));
        if let Some(moved) = moved {
            headers.insert(name, &moved);
        }
    }
    if !headers.contains(SET_COOKIE) {
        return;
    }
    let cookies: Vec<Vec<u8>> = headers
        .get_all(SET_COOKIE)
        .map(|it| own_host::drop_domain(it, host, context.authority).unwrap_or_else(|| it.to_vec()))
        .collect();
    headers.remove(SET_COOKIE);
    for cookie in cookies {
        headers.append(SET_COOKIE, &cookie);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{
        Response,
        header::{ALT_SVC, LOCATION, SET_COOKIE},
    };

    use super::{ResponseContext, finish_response};
    use crate::proxy::head::Client;
    use crate::{
        plan::{CookiePlan, ForwardingPlan, HostHeader, Sticky},
        proxy::head::{
            ClientScheme, Fields, Identity, Peer, ResponseHead, Trust, names::VIA, recognize,
        },
        units::{Salt, Side},
    };
    use http::Version;

    fn finish(
        status: u16,
        fields: &[(&'static str, &str)],
        adjust: impl FnOnce(&mut ResponseContext<'_>),
    ) -> Vec<String> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).expect("the parts are valid").into_parts();
        let mut head = ResponseHead::from(head);
        let peer = Peer {
            address: "192.0.2.1".parse().expect("an address"),
            scheme: ClientScheme::Https,
        };
        let client = Client {
            peer,
            trust: Trust::Untrusted,
            address: peer.address,
            scheme: peer.scheme,
        };
        let mut context = ResponseContext {
            client: &client,
            authority: "shop.test",
            host: &HostHeader::Set("new.internal".to_owned()),
            forwarding: &ForwardingPlan::default(),
            set_cookie: None,
            reveals: None,
            version: Version::HTTP_11,
        };
        adjust(&mut context);
        finish_response(&mut head, &context);
        assert_eq!(&head.headers[VIA], b"1.1 changeover");
        head.headers.remove(VIA);
        let line = |(name, value): (&str, &[u8])| {
            format!("{name}: {}", str::from_utf8(value).expect("it is ASCII"))
        };
        let mut lines: Vec<String> = head.headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn removes_what_is_not_the_clients() {
        let fields = [
            ("connection", "keep-alive, x"),
            ("x", "y"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2,h2c"),
            ("alt-svc", "h3=\":443\""),
            ("x-changeover-side", "old"),
            ("x-changeover-error", "overload"),
            ("trailer", "grpc-status"),
            ("etag", "\"a\""),
        ];
        let lines = finish(200, &fields, |_| ());
        assert_eq!(lines, ["etag: \"a\"", "trailer: grpc-status"]);
    }

    #[test]
    fn adds_what_is_ours() {
        let lines = finish(200, &[("set-cookie", "a=b")], |context| {
            context.reveals = Some(Side::New);
        });
        assert_eq!(lines, ["set-cookie: a=b", "x-changeover-side: new"]);
        let client = Client {
            peer: Peer {
                address: "192.0.2.1".parse().expect("an address"),
                scheme: ClientScheme::Http,
            },
            trust: Trust::Untrusted,
            address: "192.0.2.1".parse().expect("an address"),
            scheme: ClientScheme::Http,
        };
        let plan = CookiePlan {
            name: "changeover".to_owned(),
            lifetime: Duration::from_secs(60),
        };
        let sticky = Sticky::Cookie(plan.clone());
        let salt = Salt::new([0; 16]);
        let Identity::FirstVisit(id) = recognize(&mut Fields::new(), &sticky, &client, &salt)
        else {
            panic!("it has no cookie");
        };
        let context = ResponseContext {
            client: &client,
            authority: "shop.test",
            host: &HostHeader::Keep,
            forwarding: &ForwardingPlan {
                passes_alt_svc: true,
                ..ForwardingPlan::default()
            },
            set_cookie: Some((&id, &plan)),
            reveals: None,
            version: Version::HTTP_2,
        };
        let response = Response::builder()
            .header(SET_COOKIE, "a=b; Domain=new.internal")
            .header(LOCATION, "http://new.internal/")
            .header(ALT_SVC, "clear");
        let (head, ()) = response.body(()).expect("the parts are valid").into_parts();
        let mut head = ResponseHead::from(head);
        finish_response(&mut head, &context);
        let cookies: Vec<_> = head.headers.get_all(SET_COOKIE).collect();
        assert_eq!(cookies[0], b"a=b; Domain=new.internal");
        let ours = format!("changeover={}; ", id.as_str());
        assert!(cookies[1].starts_with(ours.as_bytes()));
        assert_eq!(cookies.len(), 2);
        assert_eq!(&head.headers[LOCATION], b"http://new.internal/");
        assert_eq!(&head.headers[ALT_SVC], b"clear");
        assert_eq!(&head.headers[VIA], b"2.0 changeover");
    }

    #[test]
    fn turns_redirects_and_cookies_of_the_sides_own_host_round() {
        let fields = [
            ("location", "http://new.internal/cart?a=b#c"),
            ("content-location", "//new.internal/cart"),
            ("set-cookie", "a=b; Domain=new.internal; Path=/"),
            ("set-cookie", "c=d; domain=.internal"),
            ("set-cookie", "e=f; Domain=shop.test"),
        ];
        let lines = finish(302, &fields, |_| ());
        let expected = [
            "content-location: //shop.test/cart",
            "location: https://shop.test/cart?a=b#c",
            "set-cookie: a=b; Path=/",
            "set-cookie: c=d",
            "set-cookie: e=f; Domain=shop.test",
        ];
        assert_eq!(lines, expected);
    }
}

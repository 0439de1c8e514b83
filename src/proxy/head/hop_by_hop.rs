//! Removing what belongs to one connection only (RFC 9110 section 7.6.1).
//!
//! `Connection` can name further fields to remove. It cannot name those that say whom a message is for, how long it
//! is, or who sent it: a client could make the proxy withhold them from the endpoint.

use http::{HeaderMap, HeaderName};

use crate::proxy::head::{
    FieldName, Fields, Name, Underscores,
    names::{
        CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HTTP2_SETTINGS, KEEP_ALIVE, PROXY_CONNECTION,
        TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// Removed whether `Connection` names them or not.
const HOP_BY_HOP: [Name; 7] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Kept whether `Connection` names them or not; `X-Forwarded-*` as well.
const KEPT: [Name; 4] = [HOST, CONTENT_LENGTH, FORWARDED, TRAILER];

/// Of no trailer, since they say who asks, for what, or how its body is to be read (RFC 9110 section 6.5.1); `X-Forwarded-*` and
/// `X-Changeover-*` as well.
const NOT_TRAILERS: [&str; 13] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "if-match",
    "if-none-match",
    "max-forwards",
    "proxy-authorization",
    "range",
    "via",
];

/// The protocol that an upgrade asks for or grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeProtocol(pub Vec<u8>);

/// What a request's hop-by-hop fields said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHop {
    /// The upgrade that the client asks for; never `h2c`, which RFC 9113 withdrew.
    pub upgrade: Option<UpgradeProtocol>,
    /// Whether it takes trailers (`TE: trailers`).
    pub takes_trailers: bool,
}

/// Strips a request and returns what the fields said.
pub fn strip_request(headers: &mut Fields) -> RequestHop {
    let hop = RequestHop {
        upgrade: upgrade_of(headers),
        takes_trailers: takes_trailers(headers),
    };
    strip(headers);
    hop
}

/// Whether the sender takes trailers (RFC 9110 section 10.1.4).
#[must_use]
pub fn takes_trailers(headers: &Fields) -> bool {
    tokens(headers, TE).any(|it| {
        let coding = it.split(|b| *b == b';').next().unwrap_or_default();
        coding.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

/// Strips a response.
pub fn strip_response(headers: &mut Fields) {
    // RFC 9112 section 6.3: where both are there the body ended by its chunks, and the length is not to be passed on.
    if headers.contains(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip(headers);
}

/// The protocol that a 101 switches to, if that is one that was asked for (RFC 9110 section 7.8): any other would be a tunnel
/// whose ends do not speak of the same.
#[must_use]
pub fn granted_upgrade(headers: &Fields, asked: &UpgradeProtocol) -> Option<UpgradeProtocol> {
    let protocol = headers.single(UPGRADE)?;
    let elements = |list: &'_ [u8]| -> Vec<Vec<u8>> {
        let elements = list.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        elements.map(<[u8]>::to_ascii_lowercase).collect()
    };
    let asked = elements(&asked.0);
    let is_asked = elements(protocol).iter().all(|it| asked.contains(it));
    is_asked.then(|| UpgradeProtocol(protocol.to_vec()))
}

/// Removes from a request's trailers what an endpoint that merges them with its head could take for its framing, its host, its
/// client or that one's rights.
pub fn strip_trailers(trailers: &mut HeaderMap, underscores: Underscores) {
    let refused: Vec<HeaderName> = trailers
        .keys()
        .filter(|it| !may_trail(it.as_str(), underscores))
        .cloned()
        .collect();
    for name in refused {
        trailers.remove(name);
    }
}

fn may_trail(name: &str, underscores: Underscores) -> bool {
    let is = |names: &[Name]| names.iter().any(|it| it.as_str() == name);
    let has_underscore = underscores == Underscores::Refuse && name.contains('_');
    // No token: see [`super::admit_h2`].
    let is_token = !name.contains('"');
    let is_for_heads = is(&HOP_BY_HOP) || is(&KEPT) || NOT_TRAILERS.contains(&name);
    let is_ours = name.starts_with("x-forwarded-") || name.starts_with("x-changeover-");
    !is_for_heads && !is_ours && is_token && !has_underscore
}

/// Writes `Connection: upgrade` and `Upgrade`, for a request that asks for a tunnel and for its 101.
pub fn set_upgrade(headers: &mut Fields, protocol: &UpgradeProtocol) {
    headers.insert(CONNECTION, b"upgrade");
    headers.insert(UPGRADE, &protocol.0);
}

fn upgrade_of(headers: &Fields) -> Option<UpgradeProtocol> {
    let protocol = headers.single(UPGRADE)?;
    let is_meant = tokens(headers, CONNECTION).any(|it| it.eq_ignore_ascii_case(b"upgrade"));
    let is_h2c = |it: &[u8]| it.eq_ignore_ascii_case(b"h2c");
    if !is_meant || protocol.is_empty() || tokens(headers, UPGRADE).any(is_h2c) {
        return None;
    }
    Some(UpgradeProtocol(protocol.to_vec()))
}

fn strip(headers: &mut Fields) {
    let is_kept =
        |it: &str| KEPT.iter().any(|kept| kept.as_str() == it) || it.starts_with("x-forwarded-");
    let named: Vec<String> = tokens(headers, CONNECTION)
        .filter_map(|it| str::from_utf8(it).ok())
        // The most frequent options, which name no field.
        .filter(|it| !it.eq_ignore_ascii_case("keep-alive") && !it.eq_ignore_ascii_case("close"))
        .map(str::to_ascii_lowercase)
        .filter(|it| !is_kept(it))
        .collect();
    for name in named {
        headers.remove(name.as_str());
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The elements of a field that is a list of tokens, over all its lines.
fn tokens(headers: &Fields, name: impl FieldName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name);
    let elements = lines.flat_map(|line| line.split(|b| *b == b','));
    elements.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Fields {
        fields.iter().copied().collect()
    }

    #[test]
    fn strips_what_belongs_to_one_hop() {
        let check = |fields: &[(&str, &str)], kept: &[&str]| {
            let mut headers = headers(fields);
            strip_request(&mut headers);
            let mut names: Vec<&str> = headers.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            assert_eq!(names, kept, "{fields:?}");
        };
        let all = [
            ("connection", "keep-alive, te"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("http2-settings", "AAMAAABk"),
            ("trailer", "x"),
            ("accept", "*/*"),
        ];
        check(&all, &["accept", "trailer"]);
        check(
            &[
                ("connection", "x, Y"),
                ("connection", "z"),
                ("x", ""),
                ("y", ""),
                ("z", ""),
            ],
            &[],
        );
        check(&[("connection", "close, ,x y,"), ("x", "")], &["x"]);
        let abuse = [
            (
                "connection",
                "host, content-length, X-Forwarded-For, x-forwarded-proto, forwarded, cookie",
            ),
            ("host", "a"),
            ("content-length", "1"),
            ("x-forwarded-for", "::1"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=\"[::1]\""),
            ("cookie", "a=b"),
        ];
        let kept = [
            "content-length",
            "forwarded",
            "host",
            "x-forwarded-for",
            "x-forwarded-proto",
        ];
        check(&abuse, &kept);
    }

    #[test]
    fn a_length_beside_chunks_is_not_passed_on() {
        let mut both = headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
        strip_response(&mut both);
        assert!(both.is_empty(), "{both:?}");
        let mut alone = headers(&[("content-length", "5")]);
        strip_response(&mut alone);
        assert_eq!(alone.len(), 1);
    }

    #[test]
    fn tells_upgrade_and_trailers() {
        let check = |fields: &[(&str, &str)], upgrade: Option<&'static str>, takes_trailers| {
            let upgrade = upgrade.map(|it| UpgradeProtocol(it.as_bytes().to_vec()));
            let expected = RequestHop {
                upgrade,
                takes_trailers,
            };
            assert_eq!(strip_request(&mut headers(fields)), expected, "{fields:?}");
        };
        check(
            &[
                ("connection", "keep-alive, Upgrade"),
                ("upgrade", "websocket"),
            ],
            Some("websocket"),
            false,
        );
        check(&[("upgrade", "websocket")], None, false);
        check(&[("connection", "upgrade")], None, false);
        check(
            &[("connection", "upgrade"), ("upgrade", "h2c")],
            None,
            false,
        );
        check(
            &[
                ("connection", "upgrade"),
                ("upgrade", "a"),
                ("upgrade", "b"),
            ],
            None,
            false,
        );
        check(&[("te", "gzip;q=0.5, Trailers")], None, true);
        check(&[("te", "trailers;q=1")], None, true);
        check(&[("te", "gzip")], None, false);
    }

    #[test]
    fn trailers_say_nothing_about_framing_host_client_or_rights() {
        let names = [
            "content-length",
            "transfer-encoding",
            "host",
            "connection",
            "te",
            "trailer",
            "forwarded",
            "x-forwarded-for",
            "authorization",
            "cookie",
            "content-encoding",
            "content-type",
            "proxy-authorization",
            "range",
            "via",
            "x-changeover-force",
            "x_y",
            "x\"y",
            "grpc-status",
            "x-checksum",
        ];
        let mut trailers: HeaderMap = names
            .iter()
            .map(|it| {
                // As `h2` reads names, of which it takes more than HTTP does.
                let name = HeaderName::from_lowercase(it.as_bytes()).unwrap();
                (name, "v".parse().unwrap())
            })
            .collect();
        strip_trailers(&mut trailers, Underscores::Refuse);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }

    #[test]
    fn writes_an_upgrade_again() {
        let mut headers = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        let asked = UpgradeProtocol(b"websocket".to_vec());
        let protocol = granted_upgrade(&headers, &asked).expect("it names one");
        strip_response(&mut headers);
        assert!(headers.is_empty());
        set_upgrade(&mut headers, &protocol);
        assert_eq!(&headers[CONNECTION], b"upgrade");
        assert_eq!(&headers[UPGRADE], b"websocket");
    }

    #[test]
    fn only_a_protocol_that_was_asked_for_is_granted() {
        let check = |asked: &str, granted: &[(&'static str, &str)], is_granted| {
            let asked = UpgradeProtocol(asked.as_bytes().to_vec());
            let found = granted_upgrade(&headers(granted), &asked);
            assert_eq!(found.is_some(), is_granted, "{asked:?}: {granted:?}");
        };
        check("websocket", &[("upgrade", "WebSocket")], true);
        check("a/1, websocket", &[("upgrade", "websocket")], true);
        check("websocket", &[("upgrade", "irc")], false);
        check("websocket", &[("upgrade", "websocket, irc")], false);
        check("websocket", &[("upgrade", "")], false);
        check(
            "websocket",
            &[("upgrade", "websocket"), ("upgrade", "irc")],
            false,
        );
        check("websocket", &[], false);
    }
}

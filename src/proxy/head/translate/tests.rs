//! A head in each protocol, from each.

use http::{Method, Request};

use super::*;
use crate::proxy::head::{UpgradeProtocol, strip_request};

fn head(uri: &str, fields: &[(&'static str, &str)]) -> RequestHead {
    let mut request = Request::builder().uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("the parts are valid").into_parts();
    (&parts).try_into().expect("the target is served")
}

const H1: Destination<'_> = Destination {
    protocol: Protocol::H1,
    scheme: ClientScheme::Http,
    authority: "side.test",
};

const H2: Destination<'_> = Destination {
    protocol: Protocol::H2,
    scheme: ClientScheme::Https,
    ..H1
};

/// The target as hyper is given it.
fn uri(head: &RequestHead) -> String {
    head.to_parts().expect("it is a target").uri.to_string()
}

/// Strips and translates; the fields as sorted `name: value` lines.
fn lines(head: &mut RequestHead, destination: Destination<'_>, body: BodyFraming) -> Vec<String> {
    let hop = strip_request(&mut head.headers);
    translate(head, &hop, destination, body);
    let line = |(name, value): (&str, &[u8])| {
        format!("{name}: {}", str::from_utf8(value).expect("it is ASCII"))
    };
    let mut lines: Vec<String> = head.headers.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn http_2_becomes_http_1() {
    let mut head = head(
        "https://a.test/x/%2F/../y?z=1",
        &[
            ("cookie", "a=b"),
            ("cookie", "c=d; e"),
            ("cookie", ""),
            ("te", "trailers"),
            ("host", "a.test"),
        ],
    );
    head.version = Version::HTTP_2;
    let lines = lines(&mut head, H1, BodyFraming::Streamed);
    let expected = [
        "connection: te",
        "cookie: a=b; c=d; e",
        "host: side.test",
        "te: trailers",
        "transfer-encoding: chunked",
    ];
    assert_eq!(lines, expected);
    assert_eq!(uri(&head), "/x/%2F/../y?z=1");
    assert_eq!(head.version, Version::HTTP_11);
}

#[test]
fn http_1_becomes_http_2() {
    let mut head = head(
        "/x?y",
        &[
            ("host", "a.test"),
            ("connection", "keep-alive, x, te"),
            ("keep-alive", "timeout=5"),
            ("x", "y"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=b"),
        ],
    );
    let lines = lines(&mut head, H2, BodyFraming::Streamed);
    assert_eq!(lines, ["cookie: a=b", "te: trailers"]);
    assert_eq!(uri(&head), "https://side.test/x?y");
    assert_eq!(head.version, Version::HTTP_2);
}

#[test]
fn a_body_is_framed_once() {
    let check = |fields: &[(&'static str, &str)], body, expected: &[&str]| {
        let lines = lines(&mut head("/", fields), H1, body);
        assert_eq!(lines, expected, "{fields:?} {body:?}");
    };
    check(&[], BodyFraming::Empty, &["host: side.test"]);
    check(
        &[],
        BodyFraming::Streamed,
        &["host: side.test", "transfer-encoding: chunked"],
    );
    let length = [("content-length", "3")];
    check(
        &length,
        BodyFraming::Streamed,
        &["content-length: 3", "host: side.test"],
    );
    check(
        &[("content-length", "0")],
        BodyFraming::Empty,
        &["content-length: 0", "host: side.test"],
    );
}

#[test]
fn an_upgrade_is_asked_for_again() {
    let fields = [
        ("connection", "Upgrade, keep-alive"),
        ("upgrade", "websocket"),
    ];
    let lines = lines(&mut head("/ws", &fields), H1, BodyFraming::Empty);
    assert_eq!(
        lines,
        [
            "connection: upgrade",
            "host: side.test",
            "upgrade: websocket"
        ]
    );
}

#[test]
fn may_be_called_again_for_another_destination() {
    let hop = RequestHop {
        upgrade: Some(UpgradeProtocol(b"websocket".to_vec())),
        takes_trailers: true,
    };
    let original = head(
        "http://a.test/x?y",
        &[("cookie", "a=b"), ("host", "a.test")],
    );
    for (first, then) in [(H1, H2), (H2, H1), (H1, H1)] {
        let mut twice = original.clone();
        translate(&mut twice, &hop, first, BodyFraming::Streamed);
        translate(&mut twice, &hop, then, BodyFraming::Streamed);
        let mut once = original.clone();
        translate(&mut once, &hop, then, BodyFraming::Streamed);
        assert_eq!(uri(&twice), uri(&once));
        assert_eq!(twice.version, once.version);
        assert_eq!(twice.headers, once.headers);
    }
}

#[test]
fn keeps_the_asterisk_and_a_missing_host() {
    let check = |target, destination: Destination<'_>, expected: &str, version| {
        let mut head = head(target, &[]);
        head.method = Method::OPTIONS;
        lines(&mut head, destination, BodyFraming::Empty);
        assert_eq!((uri(&head).as_str(), head.version), (expected, version));
    };
    let (one, two) = (Version::HTTP_11, Version::HTTP_2);
    check("*", H1, "*", one);
    check(
        "/x",
        Destination {
            authority: "",
            ..H1
        },
        "/x",
        one,
    );
    check(
        "/x",
        Destination {
            authority: "",
            ..H2
        },
        "/x",
        one,
    );
    check(
        "/x",
        Destination {
            authority: "[::1]:8080",
            ..H2
        },
        "https://[::1]:8080/x",
        two,
    );
    let mut head = head("/x", &[]);
    let empty = Destination {
        authority: "",
        ..H1
    };
    assert_eq!(lines(&mut head, empty, BodyFraming::Empty), ["host: "]);
}

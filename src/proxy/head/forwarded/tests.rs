//! Who is believed, and what endpoints are told.

use proptest::prelude::*;

use super::*;

fn plan() -> ForwardingPlan {
    ForwardingPlan {
        trusted: ["10.0.0.0/8", "fd00::/8"]
            .map(|it| it.parse().expect("a network"))
            .into(),
        passes_alt_svc: false,
    }
}

fn peer(address: &str) -> Peer {
    Peer {
        address: address.parse().expect("an address"),
        scheme: ClientScheme::Http,
    }
}

fn headers(fields: &[(&'static str, &str)]) -> Fields {
    let mut headers = Fields::new();
    for (name, value) in fields {
        headers.append(*name, value.as_bytes());
    }
    headers
}

fn client_behind(from: &str, fields: &[(&'static str, &str)]) -> String {
    let client = identify(&headers(fields), peer(from), &plan());
    client.address.to_string()
}

#[test]
fn an_untrusted_peer_is_the_client() {
    assert_eq!(client_behind("192.0.2.1", &[]), "192.0.2.1");
    let spoofed = [("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client_behind("192.0.2.1", &spoofed), "192.0.2.1");
    assert_eq!(client_behind("10.0.0.1", &[]), "10.0.0.1");
    // The same network, as a dual-stack socket shows it.
    assert_eq!(client_behind("::ffff:10.0.0.1", &spoofed), "198.51.100.7");
}

#[test]
fn the_client_is_the_rightmost_untrusted_address() {
    let check = |lines: &[&str], expected: &str| {
        let fields: Vec<_> = lines.iter().map(|it| ("x-forwarded-for", *it)).collect();
        assert_eq!(client_behind("10.0.0.1", &fields), expected, "{lines:?}");
    };
    check(&["198.51.100.7"], "198.51.100.7");
    check(&["1.2.3.4, 198.51.100.7, 10.0.0.2"], "198.51.100.7");
    check(&["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    check(&["1.2.3.4", "5.6.7.8"], "5.6.7.8");
    check(&["1.2.3.4, junk, 10.0.0.2"], "10.0.0.2");
    check(&["[2001:db8::1]:443"], "2001:db8::1");
    check(&["198.51.100.7:5000"], "198.51.100.7");
    check(&[""], "10.0.0.1");
}

#[test]
fn forwarded_is_read_where_it_is_alone() {
    let check = |line: &str, expected: &str| {
        assert_eq!(
            client_behind("fd00::1", &[("forwarded", line)]),
            expected,
            "{line}"
        );
        let both = [("forwarded", line), ("x-forwarded-for", "192.0.2.77")];
        assert_eq!(client_behind("fd00::1", &both), "192.0.2.77", "{line}");
    };
    check("for=192.0.2.9;proto=https", "192.0.2.9");
    check("For=\"[2001:db8::1]:443\", for=10.0.0.2", "2001:db8::1");
    check("by=\"a,for=1.2.3.4\";for=192.0.2.9", "192.0.2.9");
    check("by=\"a\\\",for=1.2.3.4\";for=192.0.2.9", "192.0.2.9");
    check("for=192.0.2.9, for=_hidden", "fd00::1");
    check("proto=https", "fd00::1");
}

#[test]
fn finds_the_scheme_that_the_client_used() {
    let check = |from: &str, fields: &[(&'static str, &str)], expected| {
        let client = identify(&headers(fields), peer(from), &plan());
        assert_eq!(client.scheme, expected, "{from} {fields:?}");
    };
    let (http, https) = (ClientScheme::Http, ClientScheme::Https);
    check("192.0.2.1", &[("x-forwarded-proto", "https")], http);
    check("10.0.0.1", &[("x-forwarded-proto", "HTTPS")], https);
    check("10.0.0.1", &[("x-forwarded-proto", "http, https")], https);
    check("10.0.0.1", &[("x-forwarded-proto", "gopher")], http);
    check(
        "10.0.0.1",
        &[(
            "forwarded",
            "for=1.2.3.4;proto=http, for=5.6.7.8; Proto=\"https\"",
        )],
        https,
    );
    check("10.0.0.1", &[], http);
}

/// What an endpoint is told: `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded`.
fn check_told(
    from: &str,
    authority: &str,
    fields: &[(&'static str, &str)],
    expected: [Option<&str>; 4],
) {
    let mut headers = headers(fields);
    let client = identify(&headers, peer(from), &plan());
    forward(&mut headers, &client, authority);
    let names = [
        X_FORWARDED_FOR,
        X_FORWARDED_PROTO,
        X_FORWARDED_HOST,
        FORWARDED,
    ];
    for (name, expected) in names.into_iter().zip(expected) {
        let lines: Vec<_> = headers.get_all(name).map(String::from_utf8_lossy).collect();
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(lines, expected, "{name:?} of {from} {fields:?}");
        headers.remove(name);
    }
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn an_endpoint_is_told_who_asks() {
    let forwarded = "for=192.0.2.1;host=a.test;proto=http";
    let told = ["192.0.2.1", "http", "a.test", forwarded].map(Some);
    check_told("192.0.2.1", "a.test", &[], told);
    let forwarded = "for=192.0.2.1;proto=http";
    let told = [Some("192.0.2.1"), Some("http"), None, Some(forwarded)];
    check_told("192.0.2.1", "", &[], told);
    let forwarded = "for=\"[2001:db8::1]\";host=\"a.test:8080\";proto=http";
    let told = ["2001:db8::1", "http", "a.test:8080", forwarded].map(Some);
    check_told("2001:db8::1", "a.test:8080", &[], told);
}

#[test]
fn what_an_untrusted_peer_says_is_removed() {
    let spoofed = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/x"),
        ("forwarded", "for=1.2.3.4"),
    ];
    let forwarded = "for=192.0.2.1;host=a;proto=http";
    let told = ["192.0.2.1", "http", "a", forwarded].map(Some);
    check_told("192.0.2.1", "a", &spoofed, told);
}

#[test]
fn what_a_trusted_peer_says_is_continued_in_both_dialects() {
    let old = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "front.test"),
    ];
    let chain = "1.2.3.4, 5.6.7.8, 10.0.0.1";
    let forwarded = "for=1.2.3.4, for=5.6.7.8, for=10.0.0.1;host=a;proto=http";
    let told = [chain, "https", "front.test", forwarded].map(Some);
    check_told("10.0.0.1", "a", &old, told);
    let new = [("forwarded", "for=\"[::1]\";proto=https, for=_x")];
    let chain = "::1, unknown, 10.0.0.1";
    let forwarded = "for=\"[::1]\";proto=https, for=_x, for=10.0.0.1;host=a;proto=http";
    let told = [chain, "https", "a", forwarded].map(Some);
    check_told("10.0.0.1", "a", &new, told);
}

proptest! {
    #[test]
    fn any_report_is_read_without_a_panic_and_written_validly(
        reported in "[ -~]{0,60}",
        name in prop::sample::select(vec!["x-forwarded-for", "forwarded", "x-forwarded-proto"]),
    ) {
        let mut headers = headers(&[(name, &reported)]);
        let client = identify(&headers, peer("10.0.0.1"), &plan());
        forward(&mut headers, &client, "a.test");
        let line = str::from_utf8(&headers[X_FORWARDED_FOR]).expect("it is ASCII");
        prop_assert!(line.ends_with("10.0.0.1"));
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says(reported in "[ -~]{0,60}") {
        let mut headers = headers(&[("x-forwarded-for", &reported), ("forwarded", &reported)]);
        let client = identify(&headers, peer("192.0.2.1"), &plan());
        forward(&mut headers, &client, "a.test");
        prop_assert_eq!(&headers[X_FORWARDED_FOR], b"192.0.2.1");
    }
}

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

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().expect("a valid value"));
    }
    headers
}

#[test]
fn finds_the_client_behind_trusted_peers() {
    let check = |from: &str, fields: &[(&'static str, &str)], expected: &str| {
        let client = identify(&headers(fields), peer(from), &plan());
        assert_eq!(client.address.to_string(), expected, "{from} {fields:?}");
    };
    check("192.0.2.1", &[], "192.0.2.1");
    check(
        "192.0.2.1",
        &[("x-forwarded-for", "198.51.100.7")],
        "192.0.2.1",
    );
    check(
        "::ffff:10.0.0.1",
        &[("x-forwarded-for", "198.51.100.7")],
        "198.51.100.7",
    );
    check("10.0.0.1", &[], "10.0.0.1");
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "198.51.100.7")],
        "198.51.100.7",
    );
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.0.0.2")],
        "198.51.100.7",
    );
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")],
        "10.0.0.3",
    );
    check(
        "10.0.0.1",
        &[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
        ],
        "5.6.7.8",
    );
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "1.2.3.4, junk, 10.0.0.2")],
        "10.0.0.2",
    );
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "[2001:db8::1]:443")],
        "2001:db8::1",
    );
    check(
        "10.0.0.1",
        &[("x-forwarded-for", "198.51.100.7:5000")],
        "198.51.100.7",
    );
    check(
        "fd00::1",
        &[("forwarded", "for=192.0.2.9;proto=https")],
        "192.0.2.9",
    );
    check(
        "10.0.0.1",
        &[("forwarded", "For=\"[2001:db8::1]:443\", for=10.0.0.2")],
        "2001:db8::1",
    );
    check(
        "10.0.0.1",
        &[("forwarded", "by=\"a,for=1.2.3.4\";for=192.0.2.9")],
        "192.0.2.9",
    );
    check(
        "10.0.0.1",
        &[("forwarded", "for=192.0.2.9, for=_hidden")],
        "10.0.0.1",
    );
    check("10.0.0.1", &[("forwarded", "proto=https")], "10.0.0.1");
    let both = [
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "192.0.2.9"),
    ];
    check("10.0.0.1", &both, "192.0.2.9");
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

#[test]
fn tells_endpoints_who_asks() {
    let check =
        |from: &str, authority: &str, fields: &[(&'static str, &str)], expected: [&str; 4]| {
            let mut headers = headers(fields);
            let client = identify(&headers, peer(from), &plan());
            forward(&mut headers, &client, authority);
            let names = [
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "forwarded",
            ];
            for (name, expected) in names.into_iter().zip(expected) {
                let lines: Vec<_> = headers.get_all(name).iter().collect();
                let expected: Vec<&str> = Some(expected)
                    .filter(|it| !it.is_empty())
                    .into_iter()
                    .collect();
                assert_eq!(lines, expected, "{name} of {from} {fields:?}");
            }
            let other = headers
                .keys()
                .filter(|it| it.as_str().starts_with("x-forwarded-"))
                .count();
            assert!(other <= 3, "{headers:?}");
        };
    check(
        "192.0.2.1",
        "a.test",
        &[],
        [
            "192.0.2.1",
            "http",
            "a.test",
            "for=192.0.2.1;host=a.test;proto=http",
        ],
    );
    check(
        "192.0.2.1",
        "",
        &[],
        ["192.0.2.1", "http", "", "for=192.0.2.1;proto=http"],
    );
    check(
        "2001:db8::1",
        "a.test:8080",
        &[],
        [
            "2001:db8::1",
            "http",
            "a.test:8080",
            "for=\"[2001:db8::1]\";host=\"a.test:8080\";proto=http",
        ],
    );
    let spoofed = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/x"),
        ("forwarded", "for=1.2.3.4"),
    ];
    check(
        "192.0.2.1",
        "a",
        &spoofed,
        ["192.0.2.1", "http", "a", "for=192.0.2.1;host=a;proto=http"],
    );
    let trusted = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "front.test"),
    ];
    check(
        "10.0.0.1",
        "a",
        &trusted,
        [
            "1.2.3.4, 5.6.7.8, 10.0.0.1",
            "https",
            "front.test",
            "for=1.2.3.4, for=5.6.7.8, for=10.0.0.1;host=a;proto=http",
        ],
    );
    check(
        "10.0.0.1",
        "a",
        &[("forwarded", "for=\"[::1]\";proto=https, for=_x")],
        [
            "::1, unknown, 10.0.0.1",
            "https",
            "a",
            "for=\"[::1]\";proto=https, for=_x, for=10.0.0.1;host=a;proto=http",
        ],
    );
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
        let line = headers[X_FORWARDED_FOR].to_str().expect("it is ASCII");
        prop_assert!(line.ends_with("10.0.0.1"));
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says(reported in "[ -~]{0,60}") {
        let mut headers = headers(&[("x-forwarded-for", &reported), ("forwarded", &reported)]);
        let client = identify(&headers, peer("192.0.2.1"), &plan());
        forward(&mut headers, &client, "a.test");
        prop_assert_eq!(&headers[X_FORWARDED_FOR], "192.0.2.1");
    }
}
